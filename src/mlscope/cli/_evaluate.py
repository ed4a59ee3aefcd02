"""Run a request and show what came of it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlscope.cli._flags import Globals
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._terminal import emit, note, say

if TYPE_CHECKING:
    from mlscope.conductor import Outcome
    from mlscope.plan import Request

__all__ = ["evaluate"]


def evaluate(request: Request, form: str, flags: Globals) -> int:
    """Evaluate and show.

    Args:
        request: What to do.
        form: ``table`` or ``json``.
        flags: The global ones.

    Returns:
        0, or the exit code of the first repetition that failed or could not be published.
    """
    from mlscope import conductor
    from mlscope.cli import _outcomes

    with TerminalObserver(flags.verbose) as observer:
        outcomes = conductor.evaluate(request, observer)
    emit(_outcomes.to_json(outcomes) if form == "json" else _outcomes.to_text(outcomes, request))
    return _complaints(outcomes, flags)


def _complaints(outcomes: Sequence[Outcome], flags: Globals) -> int:
    """Say on stderr what went wrong; the exit code for it."""
    sys.stdout.flush()
    code = 0
    for outcome in outcomes:
        for error in (outcome.error, outcome.publish_error):
            if error is not None:
                note(f"error: {error}")
                code = code or error.exit_code
        if outcome.error is not None and flags.debug:
            _show_log(outcome)
    return code


def _show_log(outcome: Outcome) -> None:
    """The worker's log, and the traceback of the failure."""
    traceback.print_exception(outcome.error, file=sys.stderr)
    log = outcome.folder / "logs" / "worker.log" if outcome.folder else None
    if log is not None and log.is_file():
        say(f"{log}:\n{log.read_text(encoding='utf-8', errors='replace')}")
