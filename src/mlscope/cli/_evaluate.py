"""Run a request and show what came of it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlscope.cli._flags import Globals
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._terminal import emit, note, say
from mlscope.errors import Interrupted, MlscopeError

if TYPE_CHECKING:
    from mlscope.conductor import Outcome
    from mlscope.plan import Request

__all__ = ["evaluate"]


def evaluate(request: Request, axes: Sequence[Mapping[str, str | None]], form: str, flags: Globals) -> int:
    """Evaluate every combination and show what came of it.

    Args:
        request: What to do.
        axes: Fields of the request for each combination.
        form: ``table`` or ``json``.
        flags: The global ones.

    Returns:
        0, or the exit code of the first evaluation that failed or could not be published.
    """
    from mlscope.cli import _outcomes

    outcomes: list[Outcome] = []
    code = 0
    with TerminalObserver(flags.verbose) as observer:
        for fields in axes:
            try:
                outcomes += _evaluate(request.model_copy(update=dict(fields)), observer)
            except MlscopeError as error:
                if len(axes) == 1:
                    raise
                note(f"error: {' '.join(value for value in fields.values() if value)}: {error}")
                code = code or error.exit_code
            if outcomes and isinstance(outcomes[-1].error, Interrupted):
                break
    if form == "json":
        emit(_outcomes.to_json(outcomes))
    elif len(axes) == 1:
        emit(_outcomes.to_text(outcomes, request))
    else:
        emit(_outcomes.to_comparison(outcomes))
    return _complaints(outcomes, flags) or code


def _evaluate(request: Request, observer: TerminalObserver) -> list[Outcome]:
    from mlscope import conductor

    return conductor.evaluate(request, observer)


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
