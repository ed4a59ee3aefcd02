"""Manifests by name (built in, or of a registered source) or by path.

Of one name the built-in manifest goes first; ``SOURCE/NAME`` names a source's.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path
from typing import Generic, TypeVar

from packaging.version import InvalidVersion, Version

from mlscope.errors import ManifestError
from mlscope.manifests._constraint import same_version
from mlscope.manifests._finding import BrokenManifest
from mlscope.manifests._load import BUILTIN, Dialect, Loaded, frameworks, load_file, one_framework
from mlscope.manifests._model import ModelManifest
from mlscope.manifests._others import DatasetManifest, FrameworkManifest
from mlscope.manifests._sources import Contents, Source, list_sources, read_source
from mlscope.manifests._suggest import did_you_mean

__all__ = [
    "Found",
    "full_name",
    "list_datasets",
    "list_frameworks",
    "list_models",
    "load_dataset",
    "load_framework",
    "load_model",
]

ManifestT = TypeVar("ManifestT", ModelManifest, DatasetManifest, FrameworkManifest)


@dataclasses.dataclass(frozen=True, slots=True)
class Found(Generic[ManifestT]):
    """A manifest and where it was found."""

    manifest: ManifestT
    path: Path
    """Its file; relative ``file:`` sources and folders count from here."""
    sha256: str
    """Of the file's bytes."""
    dialect: Dialect
    warnings: tuple[str, ...] = ()
    """Assumptions and doubts, each with file, line and column."""
    source: Source | None = None
    """The registered source that it was found in; None for a built-in one or a path."""


def load_model(ref: str, version: str | None = None) -> Found[ModelManifest]:
    """A model manifest.

    Args:
        ref: Name of a built-in model or of one in a registered source, ``SOURCE/NAME``, or a path (ends in ``.yml`` or
            ``.yaml``, or exists).
        version: Only this version (1.0 and 1.0.0 are the same); None: the newest.

    Raises:
        ManifestError: There is no such model or version, several sources have it, or its manifest is broken.
    """
    return _choose("model", _candidates(ref, "models", ModelManifest), ref, version)


def load_dataset(ref: str, version: str | None = None) -> Found[DatasetManifest]:
    """A dataset manifest; arguments and errors as for :func:`load_model`."""
    return _choose("data set", _candidates(ref, "datasets", DatasetManifest), ref, version)


def load_framework(name: str) -> Found[FrameworkManifest]:
    """A built-in framework by name or alias, upper and lower case alike.

    Raises:
        StackError: There is no such framework.
    """
    loaded = one_framework(name)
    return Found(loaded.manifest, loaded.document.path, loaded.document.sha256, "mlscope")


def list_models() -> list[Found[ModelManifest]]:
    """The models that are not hidden: built-in ones by name, then those of the registered sources."""
    listed = [*_builtin("models", ModelManifest), *_of_sources(ModelManifest)]
    return [found for found in listed if not found.manifest.hidden]


def list_datasets() -> list[Found[DatasetManifest]]:
    """The data sets: built-in ones by name, then those of the registered sources."""
    return [*_builtin("datasets", DatasetManifest), *_of_sources(DatasetManifest)]


def list_frameworks() -> list[Found[FrameworkManifest]]:
    """The built-in frameworks, by name."""
    return [load_framework(name) for name in frameworks()]


def _candidates(ref: str, folder: str, cls: type[ManifestT]) -> list[Found[ManifestT]]:
    """The manifest of a path, or those of a name (one a version): the built-in ones, else a source's."""
    builtin: tuple[Found[ManifestT], ...] = _builtin(folder, cls)
    named = [found for found in builtin if ref in _names(found.manifest)]
    if named:
        return named
    path = Path(ref)
    if path.suffix in (".yml", ".yaml"):
        return [_found(load_file(path), cls)]
    named = _registered(ref, cls)
    if named:
        return named
    if path.is_file():
        return [_found(load_file(path), cls)]
    names = [*sorted({found.manifest.name for found in builtin}), *(full_name(found) for found in _of_sources(cls))]
    kind = "model" if cls is ModelManifest else "data set"
    raise ManifestError(
        f"unknown {kind} '{ref}'{did_you_mean(ref, names)}",
        hint=f"give a manifest's path or one of: {', '.join(names)}",
    )


def full_name(found: Found[ManifestT]) -> str:
    """The name that means this manifest and no other."""
    return f"{found.source.name}/{found.manifest.name}" if found.source else found.manifest.name


def _registered(ref: str, cls: type[ManifestT]) -> list[Found[ManifestT]]:
    """The manifests of a name in one source; ``SOURCE/NAME`` says in which.

    Raises:
        ManifestError: Several sources have it, or the file that should have it is broken.
    """
    where, slash, name = ref.rpartition("/")
    sources = [source for source in list_sources() if not slash or source.name == where]
    found: list[Found[ManifestT]] = []
    broken: list[BrokenManifest] = []
    for source in sources:
        contents = read_source(source, containing=name)
        found += [item for item in _sound(source, contents, cls) if name in _names(item.manifest)]
        broken += [error for error in contents.broken if _is_of(error, name)]
    if not found and broken:
        raise broken[0]
    candidates = dict.fromkeys(f"{item.source.name}/{name}" for item in found if item.source)
    if len(candidates) > 1:
        raise ManifestError(f"several sources have '{name}'", hint=f"name one: {', '.join(candidates)}")
    return found


def _is_of(error: BrokenManifest, name: str) -> bool:
    """Whether a broken file is most likely the manifest of this name."""
    path = error.findings[0].path
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # a source that is gone
    return path.stem == name or re.search(rf"""^name:\s*["']?{re.escape(name)}["']?\s*(#|$)""", text, re.M) is not None


def _of_sources(cls: type[ManifestT]) -> list[Found[ManifestT]]:
    return [found for source in list_sources() for found in _sound(source, read_source(source), cls)]


def _sound(source: Source, contents: Contents, cls: type[ManifestT]) -> list[Found[ManifestT]]:
    found = [_found(loaded, cls, source) for loaded in contents.sound if isinstance(loaded.manifest, cls)]
    return sorted(found, key=lambda item: item.manifest.name.lower())


def _names(manifest: ModelManifest | DatasetManifest | FrameworkManifest) -> tuple[str, ...]:
    aliases = () if isinstance(manifest, DatasetManifest) else manifest.aliases
    return (manifest.name, *aliases)


def _choose(kind: str, found: list[Found[ManifestT]], ref: str, version: str | None) -> Found[ManifestT]:
    if version is not None:
        matching = [item for item in found if same_version(_version(item), version)]
        if not matching:
            known = ", ".join(_version(item) for item in found)
            raise ManifestError(f"{kind} '{ref}' has no version {version}", hint=f"it has: {known}")
        found = matching
    return max(found, key=_newness)


def _version(found: Found[ManifestT]) -> str:
    manifest = found.manifest
    return "" if isinstance(manifest, FrameworkManifest) else manifest.version


def _newness(found: Found[ManifestT]) -> tuple[bool, Version | str]:
    try:
        return True, Version(_version(found))
    except InvalidVersion:
        return False, _version(found)


@functools.cache
def _builtin(folder: str, cls: type[ManifestT]) -> tuple[Found[ManifestT], ...]:
    paths = sorted((BUILTIN / folder).glob("*.yml"))
    found = [_found(load_file(path), cls) for path in paths]
    return tuple(sorted(found, key=lambda item: item.manifest.name.lower()))


def _found(loaded: Loaded, cls: type[ManifestT], source: Source | None = None) -> Found[ManifestT]:
    if not isinstance(loaded.manifest, cls):
        message = f"this is not the schema that is wanted here ({cls.SCHEMA})"
        raise BrokenManifest([loaded.document.finding(("schema",), message)])
    return Found(
        loaded.manifest,
        loaded.document.path,
        loaded.document.sha256,
        loaded.dialect,
        tuple(f"{finding.where}: {finding.message}" for finding in loaded.warnings),
        source,
    )
