"""Measure what a command line asks for and show what came of it."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from mlscope.cli._flags import FormatFlags, Globals
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._terminal import emit, note, say
from mlscope.errors import Interrupted

if TYPE_CHECKING:
    from mlscope.conductor import Outcome, Point
    from mlscope.plan import Request

__all__ = ["Measurement", "complaints"]


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """What a command asks for, once its line is read: evaluations, and how they are shown."""

    points: Sequence[Point]
    format: str
    """``table`` or ``json``."""
    flags: Globals

    @classmethod
    def of(
        cls,
        request: Request,
        axes: Sequence[Sequence[Mapping[str, str | None]]],
        output: FormatFlags,
        flags: Globals,
    ) -> Self:
        """A request, and for each axis the fields that it takes one after the other."""
        from mlscope.conductor import Point

        points = []
        for fields in itertools.product(*axes):
            merged = {name: value for each in fields for name, value in each.items()}
            values = {name.replace("_", "-"): value for name, value in merged.items() if value is not None}
            points.append(Point(request.model_copy(update=merged), values))
        return cls(points, output.format, flags)

    def carry_out(self) -> int:
        """Evaluate every point and show what came of it.

        Returns:
            0, or the exit code of the first evaluation that failed or could not be published.
        """
        from mlscope.cli import _outcomes

        with TerminalObserver(self.flags.verbose) as observer:
            outcomes, code = self._one(observer) if len(self.points) == 1 else self._several(observer)
        if self.format == "json":
            emit(_outcomes.to_json(outcomes))
        elif len(self.points) == 1:
            emit(_outcomes.to_text(outcomes, self.points[0].request))
        else:
            emit(_outcomes.to_comparison(outcomes))
        return complaints(outcomes, self.flags) or code

    def _one(self, observer: TerminalObserver) -> tuple[list[Outcome], int]:
        from mlscope import conductor

        return conductor.evaluate(self.points[0].request, observer), 0

    def _several(self, observer: TerminalObserver) -> tuple[list[Outcome], int]:
        """All of them, in turns; what cannot be measured is said and does not end the others."""
        from mlscope import conductor

        outcomes, code = [], 0
        repetitions = self.points[0].request.repetitions
        for run in conductor.sweep(self.points, observer, repetitions=repetitions):
            if run.outcome is not None:
                outcomes.append(run.outcome)
            elif run.error is not None:
                note(f"error: {run.point.label}: {run.error}")
                code = code or run.error.exit_code
        return outcomes, code


def complaints(outcomes: Sequence[Outcome], flags: Globals) -> int:
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
        if outcome.interrupted and outcome.error is None:
            code = code or Interrupted.exit_code
    return code


def _show_log(outcome: Outcome) -> None:
    """The worker's log, and the traceback of the failure."""
    traceback.print_exception(outcome.error, file=sys.stderr)
    log = outcome.folder / "logs" / "worker.log" if outcome.folder else None
    if log is not None and log.is_file():
        say(f"{log}:\n{log.read_text(encoding='utf-8', errors='replace')}")
