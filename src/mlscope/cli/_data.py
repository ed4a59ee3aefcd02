"""``mlscope data …``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mlscope.cli._flags import FormatFlags, Globals
from mlscope.cli._layout import columns
from mlscope.cli._terminal import clean, emit, note, width
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from mlscope.recipes import PreparedEntry

__all__ = ["list_all", "prune"]

_FORMAT = FormatFlags()
_GLOBALS = Globals()
_ID_DIGITS = 16


def list_all(*, output: FormatFlags = _FORMAT, flags: Globals = _GLOBALS) -> None:
    """List the prepared sets of this machine.

    The last used come first. They are made by --preprocess cached, and again when they are needed.
    """
    from mlscope.recipes import list_prepared

    found = list_prepared()
    if output.format == "json":
        emit(json.dumps([_entry(each) for each in found], indent=2))
        return
    if not found:
        note("there are none yet; `mlscope predict dataset --preprocess cached` makes a first one")
        return
    headings = ("id", "data set", "samples", "shape", "libraries", "failed", "size", "last used (UTC)")
    rows = [
        [
            each.key[:_ID_DIGITS],
            clean(each.dataset),
            str(each.samples),
            "x".join(map(str, each.shape)),
            ", ".join(f"{name} {version}" for name, version in each.libraries.items()),
            str(each.failed or ""),
            _size(each.size_bytes),
            f"{each.used:%Y-%m-%d %H:%M}",
        ]
        for each in found
    ]
    emit("\n".join(columns(headings, rows, max(width(sys.stdout), 120))))


def prune(
    *,
    days: Annotated[float, Parameter(help="Spare those that were used in the last N days.", metavar="N")] = 30,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Remove the prepared sets that were not used for a while.

    A set that a run uses stays. They are made again when they are needed.
    """
    from mlscope.recipes import prune_prepared

    if days < 0:
        raise UsageError("--days cannot be negative")
    removed = prune_prepared(days)
    if output.format == "json":
        emit(json.dumps([_entry(each) for each in removed], indent=2))
        return
    for each in removed:
        emit(f"removed {each.key[:_ID_DIGITS]} ({clean(each.dataset)}, {_size(each.size_bytes)})")
    if not removed:
        note("there was nothing to remove")


def _entry(each: PreparedEntry) -> dict[str, Any]:
    return {
        "id": each.key,
        "dataset": each.dataset,
        "samples": each.samples,
        "shape": list(each.shape),
        "libraries": each.libraries,
        "failed": each.failed,
        "size_bytes": each.size_bytes,
        "created": each.created.isoformat(),
        "used": each.used.isoformat(timespec="seconds"),
        "path": str(each.path),
    }


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
