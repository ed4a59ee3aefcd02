"""Sweeps: many evaluations of one experiment, in turns, resumable.

The one engine behind `mlscope explore` and behind lists of models and frameworks.
"""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

from mlscope.conductor._evaluate import evaluate_prepared, prepare_any
from mlscope.conductor._keep import Keeper
from mlscope.conductor._outcome import Observer, Outcome
from mlscope.conductor._prepare import Prepared
from mlscope.conductor._recover import recover
from mlscope.errors import Interrupted, MlscopeError
from mlscope.plan import Request
from mlscope.results import Filter, Record, open_store
from mlscope.worker.protocol import Tensor

__all__ = ["Point", "PointRun", "Sweeper", "sweep"]

State = Literal["measured", "there", "failed", "left"]


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """One combination of a sweep."""

    request: Request
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Axis → value, as it was written."""

    @property
    def label(self) -> str:
        """``batch-size 4, streams 2``."""
        return ", ".join(f"{name} {value}" for name, value in self.values.items())


@dataclasses.dataclass(frozen=True, slots=True)
class PointRun:
    """What became of one repetition of a point."""

    point: Point
    repetition: int
    state: State
    """``there``: measured earlier in the same experiment; ``left``: not run, since time was up."""
    record: Record | None = None
    outcome: Outcome | None = None
    error: MlscopeError | None = None

    @property
    def ends(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return isinstance(self.error, Interrupted) or (self.outcome is not None and self.outcome.interrupted)


def sweep(
    points: Sequence[Point],
    observer: Observer,
    *,
    repetitions: int = 1,
    skip_existing: bool = False,
    budget_s: float | None = None,
) -> Iterator[PointRun]:
    """Evaluate all points; with repetitions in turns (A B C A B C), so that drift meets all alike.

    The model stays loaded from one run to the next where both ask for the same one. A point that cannot be
    measured does not end the sweep.

    Args:
        points: What to evaluate. Their requests name the experiment.
        observer: Hears how it goes.
        repetitions: Runs of each point.
        skip_existing: Take what the experiment holds already: complete runs with the same plan, lock and
            repetition from this machine.
        budget_s: Begin no run that would probably end later than so many seconds from now; None: no limit.

    Yields:
        What became of each, in the order in which they are run. After a run that was interrupted, nothing more.
    """
    total = len(points) * repetitions
    with Sweeper(observer, total=total, skip_existing=skip_existing, budget_s=budget_s) as sweeper:
        for repetition in range(1, repetitions + 1):
            for point in points:
                found = sweeper.run(point, repetition)
                yield found
                if found.ends:
                    return


class Sweeper:
    """Runs points of a sweep or a search, one by one.

    Args:
        observer: Hears how it goes.
        total: How many runs there will be, if that is known.
        skip_existing: As for :func:`sweep`.
        budget_s: As for :func:`sweep`.
    """

    def __init__(
        self,
        observer: Observer,
        *,
        total: int | None = None,
        skip_existing: bool = False,
        budget_s: float | None = None,
    ) -> None:
        recover(observer)  # a run that was killed while it was put away is there, and is indexed now
        self._observer = observer
        self._total = total
        self._skip = skip_existing
        self._end = None if budget_s is None else time.monotonic() + budget_s
        self._prepared: dict[str, tuple[Prepared, list[Tensor] | None] | MlscopeError] = {}
        self._existing: dict[str | None, list[Record]] = {}
        self._keeper = Keeper()
        self._took: list[float] = []
        self._number = 0
        self._warned: set[str] = set()

    def __enter__(self) -> Self:
        """Nothing is running yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker that was kept."""
        self._keeper.close()

    def run(self, point: Point, repetition: int) -> PointRun:
        """One repetition of one point; whatever happens is told in the result."""
        self._number += 1
        if self._end is not None and self._expected() > self._end - time.monotonic():
            return PointRun(point, repetition, "left")
        begin = time.monotonic()
        observer = _Prefixed(self._observer, self._prefix(), self._warned)
        try:
            prepared, inputs = self._prepare(point, observer)
            found = self._there(prepared, repetition) if self._skip else None
            if found is not None:
                return PointRun(point, repetition, "there", found)
            outcome = evaluate_prepared(prepared, inputs, observer, first=repetition, keeper=self._keeper)[0]
        except MlscopeError as error:
            return PointRun(point, repetition, "failed", error=error)
        except KeyboardInterrupt:
            return PointRun(point, repetition, "failed", error=Interrupted("interrupted"))
        self._took.append(time.monotonic() - begin)
        state: State = "measured" if outcome.error is None else "failed"
        return PointRun(point, repetition, state, outcome.record, outcome, outcome.error)

    def _prepare(self, point: Point, observer: Observer) -> tuple[Prepared, list[Tensor] | None]:
        """Resolved once a point; what cannot be prepared fails in the same words each time."""
        key = point.request.model_dump_json()
        if key not in self._prepared:
            try:
                request = point.request.model_copy(update={"repetitions": 1})
                self._prepared[key] = prepare_any(request, observer)
            except MlscopeError as error:
                self._prepared[key] = error
        found = self._prepared[key]
        if isinstance(found, MlscopeError):
            raise found
        return found

    def _there(self, prepared: Prepared, repetition: int) -> Record | None:
        """The run that the experiment holds already."""
        experiment = prepared.request.experiment
        if experiment not in self._existing:
            self._existing[experiment] = open_store(create=True).find(Filter(experiment=experiment, status="complete"))
        host, lock = socket.gethostname(), prepared.stack.lock_sha256
        for record in self._existing[experiment]:
            same = record.plan_id == prepared.plan.plan_id and record.repetition == repetition
            if same and record.system.hostname == host and record.lock_sha256 == lock:
                return record
        return None

    def _expected(self) -> float:
        """Seconds that a run takes: the mean so far."""
        return sum(self._took) / len(self._took) if self._took else 0.0

    def _prefix(self) -> str:
        if self._total == 1:
            return ""
        if self._total is None:
            return f"run {self._number}: "
        left = self._expected() * (self._total - self._number + 1)
        about = f", about {_duration(left)} left" if self._took else ""
        return f"{self._number} of {self._total}{about}: "


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Prefixed:
    """Tells which run of how many it is; says a warning once, though each of the runs has cause for it."""

    def __init__(self, inner: Observer, prefix: str, warned: set[str]) -> None:
        self._inner = inner
        self._prefix = prefix
        self._warned = warned

    def stage(self, name: str, total: int | None = None) -> None:
        """A new stage; see :class:`mlscope.conductor.Observer`."""
        self._inner.stage(f"{self._prefix}{name}", total)

    def advance(self, done: int) -> None:
        """Progress of the stage."""
        self._inner.advance(done)

    def warn(self, text: str) -> None:
        """Something that every user must know."""
        if text not in self._warned:
            self._warned.add(text)
            self._inner.warn(text)

    def note(self, text: str) -> None:
        """Something that a curious user wants to know."""
        self._inner.note(text)
