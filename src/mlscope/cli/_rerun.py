"""``mlscope rerun``."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

from mlscope.cli._flags import FormatFlags, Globals
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._terminal import emit, note

__all__ = ["rerun"]

_FORMAT = FormatFlags()
_GLOBALS = Globals()


def rerun(
    run_id: Annotated[str, Parameter(name="ID", help="The run, or the unique beginning of its id.")],
    /,
    *,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> int:
    """Repeat a recorded run on its own software and compare.

    The environment is rebuilt from the stored lock, with its hashes, and the predictions are compared. The
    repetition is a run of its own.
    """
    from mlscope import conductor
    from mlscope.cli import _outcomes

    with TerminalObserver(flags.verbose) as observer:
        done = conductor.rerun(run_id, observer, offline=flags.local)
    if output.format == "json":
        answer = {"original": done.original.id, "identical": done.identical, "difference": done.difference}
        emit(json.dumps({**answer, **json.loads(_outcomes.to_json([done.outcome]))}, indent=2, ensure_ascii=False))
    else:
        table = _outcomes.to_comparison_of([done.original, done.outcome.record], [None, None])
        emit(f"{table}\n{_verdict(done.identical, done.difference)}")
    if done.outcome.error is not None:
        note(f"error: {done.outcome.error}")
        return done.outcome.error.exit_code
    return 0


def _verdict(identical: bool | None, difference: str | None) -> str:
    if identical is None:
        return "The run keeps no predictions, so there are none to compare."
    if identical:
        return "The predictions are identical, byte by byte."
    return f"The predictions differ: {difference}."
