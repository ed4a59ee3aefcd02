"""``mlscope submission import`` and ``fetch``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mlscope.cli._flags import FormatFlags, Globals
from mlscope.cli._terminal import clean, emit, warn

if TYPE_CHECKING:
    from mlscope.submissions import Imported

__all__ = ["fetch", "import_tree", "tell_imported"]

_FORMAT = FormatFlags()
_GLOBALS = Globals()


def import_tree(
    place: Annotated[
        Path,
        Parameter(name="PLACE", help="Folder that holds closed and open, or a zip or tar archive of one."),
    ],
    /,
    *,
    round_name: Annotated[
        str | None,
        Parameter(
            name="--round", help="The round that it is of. Default: what the folder's name says.", metavar="vN.N"
        ),
    ] = None,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Read a tree of MLPerf results into records.

    Every result becomes a record of kind official, with its files; v0.5 to v6.1, all divisions and benchmarks. Results
    that are here already stay as they are. A broken file costs a warning, not the import.
    """
    from mlscope.submissions import import_results

    tell_imported(import_results(place, round_name=round_name, warn=lambda text: warn(clean(text))), output)


def fetch(
    round_name: Annotated[str, Parameter(name="ROUND", help="v0.5, v5.1, …")],
    /,
    *,
    commit: Annotated[
        str | None,
        Parameter(help="Commit of the repository. Default: the one that mlscope pins.", metavar="COMMIT"),
    ] = None,
    repository: Annotated[
        str | None,
        Parameter(help="A copy of the repository: folder or address. Default: MLCommons' own.", metavar="PLACE"),
    ] = None,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Fetch the official results of a round and read them into records.

    MLCommons' repository of the round is fetched by git at a commit that is pinned, and read as by submission import.
    """
    from mlscope.submissions import fetch_results

    done = fetch_results(
        round_name, commit=commit, repository=repository, offline=flags.local, warn=lambda text: warn(clean(text))
    )
    tell_imported(done, output)


def tell_imported(done: Imported, output: FormatFlags, what: str = "result") -> None:
    """Say what an import did."""
    if output.format == "json":
        emit(json.dumps({"added": list(done.added), "known": done.known, "warnings": done.warnings}, indent=2))
        return
    count = len(done.added)
    known = f", {done.known} {'was' if done.known == 1 else 'were'} here already" if done.known else ""
    faults = f", {done.warnings} warning{'' if done.warnings == 1 else 's'}" if done.warnings else ""
    emit(f"imported {count} {what}{'' if count == 1 else 's'}{known}{faults}")
