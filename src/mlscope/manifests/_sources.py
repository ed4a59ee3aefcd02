"""Registered sources of manifests: folders, files and git repositories whose manifests can be named like built-in ones.

::

    manifests/
      sources.json       which sources there are
      checkouts/zoo-1a2b3c4d5e6f/   the files of one commit of a repository

Folders and files are read where they lie, each time. Of a repository the files of one commit are kept until
:func:`update_source`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from mlscope._files import explain_os_errors, write_atomic
from mlscope._home import data_dir
from mlscope._schema import Frozen
from mlscope.errors import ManifestError, UsageError
from mlscope.manifests._finding import BrokenManifest, Finding
from mlscope.manifests._git import check_out, is_address
from mlscope.manifests._load import Loaded, NoManifest, load_file
from mlscope.manifests._model import ModelManifest
from mlscope.manifests._others import DatasetManifest
from mlscope.manifests._suggest import did_you_mean

__all__ = [
    "Contents",
    "Source",
    "add_source",
    "list_sources",
    "named_source",
    "read_source",
    "remove_source",
    "update_source",
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_RESERVED = "builtin"


class Source(Frozen):
    """One registered source."""

    name: str
    path: Path
    """The folder or file; of a repository its files."""
    address: str | None = None
    """Of the repository; None for a folder or a file."""
    rev: str | None = None
    """The branch, tag or commit that was asked for."""
    commit: str | None = None
    """The commit that it was; None for a folder or a file."""


@dataclasses.dataclass(frozen=True, slots=True)
class Contents:
    """What a source holds."""

    sound: tuple[Loaded, ...]
    """Manifests of models and data sets, in the order of their paths."""
    broken: tuple[BrokenManifest, ...]


def list_sources() -> list[Source]:
    """The registered sources, by name.

    Raises:
        ManifestError: The list of them cannot be read.
    """
    file = _file()
    try:
        text = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ManifestError(f"the list of sources cannot be read: {error.strerror}", where=str(file)) from error
    try:
        found = [Source.model_validate(entry) for entry in json.loads(text)["sources"]]
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise ManifestError(
            "the list of sources is damaged", where=str(file), hint="remove it, and add them anew"
        ) from error
    return sorted(found, key=lambda source: source.name.lower())


def read_source(source: Source, containing: str = "") -> Contents:
    """Read the manifests of a source.

    Args:
        source: Which.
        containing: Only files with this text in them.
    """
    sound: list[Loaded] = []
    broken: list[BrokenManifest] = []
    seen: dict[tuple[object, ...], Loaded] = {}
    if not source.path.exists():
        return Contents(
            (), (BrokenManifest([Finding(source.path, 1, 1, "error", f"{source.name} is not there any more")]),)
        )
    for path in _files(source.path):
        try:
            if containing and containing.encode() not in path.read_bytes():
                continue
            loaded = load_file(path)
            manifest = loaded.manifest
            if not isinstance(manifest, ModelManifest | DatasetManifest):
                continue
            first = seen.setdefault((type(manifest), manifest.name, manifest.version), loaded)
            if first is not loaded:
                message = f"{manifest.name} {manifest.version} is in {first.document.path} already"
                raise BrokenManifest([loaded.finding(("name",), message)])
        except NoManifest as error:
            broken += [error] if path == source.path else []  # other YAML of a folder is none of our business
        except BrokenManifest as error:
            broken.append(error)
        except OSError as error:
            broken.append(BrokenManifest([Finding(path, 1, 1, "error", f"cannot be read: {error.strerror}")]))
        else:
            sound.append(loaded)
    return Contents(tuple(sound), tuple(broken))


def add_source(
    place: str, *, name: str | None = None, rev: str | None = None, offline: bool = False
) -> tuple[Source, Contents]:
    """Register a source.

    Args:
        place: A folder, a manifest, or the address of a git repository.
        name: What it is called; None: as its place.
        rev: Branch, tag or commit of a repository; None: what it offers first.
        offline: Rule out the network.

    Raises:
        UsageError: The name is taken or none, or `place` is nothing of these.
        AssetError: The repository cannot be fetched.
        ManifestError: There is no sound manifest of a model or a data set in it.
        ResourceError: The disk is full or cannot be written.
    """
    remote = is_address(place)
    called = _called(name, place)
    if rev is not None and not remote:
        raise UsageError("only a git repository has revisions", where=place, hint="add it by its address (file://…)")
    with _alone():
        there = list_sources()
        taken = next((each for each in there if each.name == called), None)
        if taken is not None:
            raise UsageError(
                f"there is a source {called} already ({taken.address or taken.path})",
                hint="choose another --name, or `mlscope manifest remove` it first",
            )
        if remote:
            source = _checked_out(called, place, rev, offline)
        else:
            source = Source(name=called, path=Path(os.path.abspath(Path(place).expanduser())))
            if not source.path.exists():
                raise UsageError("there is no such folder or file", where=place)
        try:
            contents = _worth(source)
        except ManifestError:
            _forget_files(source)
            raise
        _write([*there, source])
    return source, contents


def update_source(source: Source, *, offline: bool = False) -> Source:
    """The newest commit of a repository's branch; a folder or file is always what it is now.

    Raises:
        AssetError, ManifestError, ResourceError: As for :func:`add_source`; the source stays as it was.
    """
    if source.address is None:
        _worth(source)
        return source
    with _alone():
        newest = _checked_out(source.name, source.address, source.rev, offline)
        try:
            _worth(newest)
        except ManifestError:
            if newest.path != source.path:
                _forget_files(newest)
            raise
        _write([newest if each.name == source.name else each for each in list_sources()])
        if newest.path != source.path:
            _forget_files(source)
    return newest


def remove_source(name: str) -> Source:
    """Forget a source; only what was fetched of a repository is deleted.

    Raises:
        UsageError: There is none of this name.
    """
    with _alone():
        source = named_source(name)
        _write([each for each in list_sources() if each.name != name])
        _forget_files(source)
    return source


def named_source(name: str) -> Source:
    """A registered source.

    Raises:
        UsageError: There is none of this name.
    """
    there = {source.name: source for source in list_sources()}
    if name not in there:
        known = f"there are: {', '.join(there)}" if there else "none is registered; `mlscope manifest add` does it"
        raise UsageError(f"there is no source '{name}'{did_you_mean(name, there)}", hint=known)
    return there[name]


def _root() -> Path:
    return data_dir() / "manifests"


def _file() -> Path:
    return _root() / "sources.json"


@contextmanager
def _alone() -> Iterator[None]:
    """One change at a time."""
    with explain_os_errors(_root()):
        _root().mkdir(parents=True, exist_ok=True)
    with FileLock(_root() / ".lock"):
        yield


def _write(sources: list[Source]) -> None:
    entries = [source.model_dump(mode="json", exclude_none=True) for source in sources]
    write_atomic(_file(), json.dumps({"sources": entries}, indent=2, ensure_ascii=False) + "\n")


def _called(name: str | None, place: str) -> str:
    if name is None:
        last = re.split(r"[/:]", place.rstrip("/"))[-1] or Path(place).absolute().name
        last = Path(place).absolute().name if last in {".", ".."} else last
        plain = re.sub(r"\.(git|ya?ml)$", "", last)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain).lstrip("._-")
    if not _NAME.fullmatch(name) or name == _RESERVED:
        raise UsageError(
            f"a source cannot be called '{name}'", hint="give a --name of letters, digits, dots, dashes and underscores"
        )
    return name


def _checked_out(name: str, address: str, rev: str | None, offline: bool) -> Source:
    """The files of a commit, whole or not at all."""
    root = _root() / "checkouts"
    partial = root / f".partial-{name}"
    with explain_os_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        commit = check_out(address, rev, partial, offline=offline)
        path = root / f"{name}-{commit[:12]}"
        if path.is_dir():
            shutil.rmtree(partial)
        else:
            partial.rename(path)
    return Source(name=name, path=path, address=address, rev=rev, commit=commit)


def _forget_files(source: Source) -> None:
    if source.address is not None:
        shutil.rmtree(source.path, ignore_errors=True)


def _worth(source: Source) -> Contents:
    contents = read_source(source)
    if contents.sound:
        return contents
    if contents.broken:
        raise contents.broken[0]
    raise ManifestError(
        "there is no manifest of a model or a data set", where=str(source.address or source.path),
        hint="a manifest is a .yml or .yaml file that begins with `schema: mlscope/…`",
    )  # fmt: skip


def _files(path: Path) -> list[Path]:
    """YAML files, however deep; not those in hidden folders."""
    if not path.is_dir():
        return [path]
    found = []
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith("."))
        found += [Path(folder, name) for name in sorted(files) if name.endswith((".yml", ".yaml")) and name[0] != "."]
    return found
