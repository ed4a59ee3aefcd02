"""``mlscope explain``, and the paragraph of explanations that other commands show."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mlscope.cli._databases import opened
from mlscope.cli._declare import flag
from mlscope.cli._flags import DatabaseFlags, FormatFlags, Globals
from mlscope.cli._records import headline
from mlscope.cli._terminal import clean, emit
from mlscope.errors import StoreError

if TYPE_CHECKING:
    from mlscope.results import Evaluation, Record, Store

__all__ = ["explain", "explanation_lines", "explanations", "stored_explanations"]

_DATABASE = DatabaseFlags()
_FORMAT = FormatFlags()
_GLOBALS = Globals()


def explain(
    run: Annotated[str, Parameter(name="ID", help="The run's id, or the first digits of it that no other run has.")],
    /,
    *,
    against: Annotated[
        str | None, flag("Also say what changed against this run: settings, times, layers.", metavar="ID")
    ] = None,
    database: DatabaseFlags = _DATABASE,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Say in words what a run's data tell.

    Each sentence is shown only when the data support it; docs/machine.md names the thresholds. Of a run that was traced
    to its layers also which of them take the time, and whether computing or memory limits them.
    """
    store = opened(database, flags)
    record = store.get(run)
    sentences = stored_explanations(store, record)
    other = None if against is None else store.get(against)
    changes = [] if other is None else _changes(store, record, other)
    if output.format == "json":
        answer = {"id": record.id, "explanations": sentences, "warnings": list(record.warnings)}
        if other is not None:
            answer |= {"against": other.id, "changes": changes}
        emit(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    lines = [headline(record), *(f"Warning  {clean(each)}" for each in record.warnings)]
    lines += explanation_lines(sentences) or ["Nothing stands out."]
    if other is not None:
        lines += ["", f"Against  {other.id}: {headline(other)}", *(f"Change   {clean(each)}." for each in changes)]
    emit("\n".join(lines))


def _changes(store: Store, record: Record, other: Record) -> list[str]:
    """What changed from the other run to this one."""
    from mlscope.analyses import explain_change
    from mlscope.results import Evaluation

    return explain_change(Evaluation.from_store(store, record.id), Evaluation.from_store(store, other.id))


def explanations(record: Record, folder: Path | None) -> list[str]:
    """The sentences of a run; without a folder (``--no-record``) those that the record alone supports."""
    from mlscope.analyses import Evidence
    from mlscope.analyses import explain as drawn
    from mlscope.results import Evaluation

    if folder is not None:
        with contextlib.suppress(StoreError):  # a run that is shown already shall not fail for a missing file
            return _of(Evaluation.from_folder(folder))
    return drawn(Evidence(record))


def stored_explanations(store: Store, record: Record) -> list[str]:
    """The sentences of a run in a store."""
    from mlscope.results import Evaluation

    return _of(Evaluation.from_store(store, record.id))


def _of(evaluation: Evaluation) -> list[str]:
    from mlscope.analyses import explain as drawn
    from mlscope.analyses import gather

    return drawn(gather(evaluation))


def explanation_lines(sentences: list[str]) -> list[str]:
    """One line a sentence."""
    return [f"Finding  {clean(each)}." for each in sentences]
