"""``mlscope manifest add``, ``list``, ``update`` and ``remove``: sources of manifests."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mlscope.cli._flags import FormatFlags, Globals
from mlscope.cli._layout import columns
from mlscope.cli._terminal import clean, emit, note, warn, width

if TYPE_CHECKING:
    from mlscope.manifests import Contents, Source

__all__ = ["add", "list_all", "remove", "update", "warn_of_broken"]

_FORMAT = FormatFlags()
_GLOBALS = Globals()

_NAME = Parameter(name="NAME", help="Name of a source; mlscope manifest list shows them.")


def add(
    place: Annotated[
        str,
        Parameter(
            name="PLACE",
            help="A folder, a manifest, or a git repository (https://…, ssh://…, file://…, user@host:path).",
        ),
    ],
    /,
    *,
    name: Annotated[str | None, Parameter(help="What it is called. Default: as its place.", metavar="NAME")] = None,
    rev: Annotated[
        str | None,
        Parameter(help="Branch, tag or commit of the repository. Default: what it offers first.", metavar="REV"),
    ] = None,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Register a folder or a git repository of manifests.

    Its models and data sets can be named like built-in ones, or as SOURCE/NAME where names clash. A folder is read
    where it lies; of a repository one commit is kept.
    """
    from mlscope.manifests import add_source

    source, contents = add_source(place, name=name, rev=rev, offline=flags.local)
    _warn(contents)
    entry = _entry(source, contents)
    if output.format == "json":
        emit(json.dumps(entry, indent=2, ensure_ascii=False))
    else:
        _tell(entry, contents, "added")


def list_all(*, output: FormatFlags = _FORMAT, flags: Globals = _GLOBALS) -> None:
    """List the registered sources of manifests.

    Manifests that are broken are warnings, each with its place.
    """
    from mlscope.manifests import list_sources, read_source

    found = [(source, read_source(source)) for source in list_sources()]
    for _, contents in found:
        _warn(contents)
    if output.format == "json":
        emit(json.dumps([_entry(*each) for each in found], indent=2, ensure_ascii=False))
        return
    if not found:
        note("there are none yet; `mlscope manifest add FOLDER_OR_REPOSITORY` registers a first one")
        return
    headings = ("name", "place", "commit", "models", "data sets", "broken")
    rows = [
        [
            source.name,
            clean(_place(source)),
            (source.commit or "-")[:12],
            *(str(_entry(source, contents)[key]) for key in ("models", "datasets", "broken")),
        ]
        for source, contents in found
    ]
    emit("\n".join(columns(headings, rows, max(width(sys.stdout), 120))))


def update(
    *names: Annotated[str, _NAME],
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Fetch the newest commit of registered repositories.

    Without a name all of them. Folders and files are always what they are now.
    """
    from mlscope.manifests import list_sources, named_source, read_source, update_source

    chosen = [named_source(name) for name in dict.fromkeys(names)] or [
        source for source in list_sources() if source.address is not None
    ]
    if not chosen:
        note("no repository is registered")
    entries = []
    for source in chosen:
        newest = update_source(source, offline=flags.local)
        contents = read_source(newest)
        _warn(contents)
        if newest.address is None:
            note(f"{newest.name} is read where it lies; there is nothing to fetch")
        entries.append(_entry(newest, contents))
        if output.format != "json":
            same = newest.commit == source.commit
            _tell(entries[-1], contents, "unchanged" if same else f"updated from {str(source.commit)[:12]}")
    if output.format == "json":
        emit(json.dumps(entries, indent=2, ensure_ascii=False))


def remove(*names: Annotated[str, _NAME], output: FormatFlags = _FORMAT, flags: Globals = _GLOBALS) -> None:
    """Forget sources of manifests.

    Folders and files stay where they are; what was fetched of a repository is deleted.
    """
    from mlscope.errors import UsageError
    from mlscope.manifests import named_source, remove_source

    if not names:
        raise UsageError("no source is named", hint="mlscope manifest list shows them")
    removed = [remove_source(source.name) for source in [named_source(name) for name in dict.fromkeys(names)]]
    if output.format == "json":
        emit(json.dumps([source.model_dump(mode="json") for source in removed], indent=2, ensure_ascii=False))
        return
    for source in removed:
        emit(f"removed {source.name} ({clean(_place(source))})")


def warn_of_broken() -> None:
    """One warning for each broken manifest of the registered sources."""
    from mlscope.manifests import list_sources, read_source

    for source in list_sources():
        _warn(read_source(source))


def _warn(contents: Contents) -> None:
    for error in contents.broken:
        warn(clean(error))


def _place(source: Source) -> str:
    rev = f" ({source.rev})" if source.rev else ""
    return f"{source.address}{rev}" if source.address else str(source.path)


def _entry(source: Source, contents: Contents) -> dict[str, Any]:
    from mlscope.manifests import ModelManifest

    models = sum(isinstance(loaded.manifest, ModelManifest) for loaded in contents.sound)
    return {
        "name": source.name,
        "path": str(source.path),
        "address": source.address,
        "rev": source.rev,
        "commit": source.commit,
        "models": models,
        "datasets": len(contents.sound) - models,
        "broken": len(contents.broken),
    }


def _tell(entry: dict[str, Any], contents: Contents, what: str) -> None:
    counts = [_count(entry["models"], "model"), _count(entry["datasets"], "data set")]
    counts += [f"{entry['broken']} broken"] if entry["broken"] else []
    at = f" at {entry['commit'][:12]}" if entry["commit"] else ""
    emit(f"{entry['name']}{at} {what}: {', '.join(counts)}")
    names: Sequence[str] = [loaded.manifest.name for loaded in contents.sound]
    emit(clean(f"  {', '.join(names)}"))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
