"""Searches over sweeps: the largest value of a flag that is VALID, and the best combination of some."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from mlscope.conductor._calibrate import Trial, calibrate
from mlscope.conductor._judge import Judge
from mlscope.conductor._sweep import Point, PointRun, Sweeper
from mlscope.errors import Interrupted, MlscopeError
from mlscope.results import Record
from mlscope.stats import Observation, ThresholdSearch, Verdict

__all__ = ["Limits", "Search", "Tuned", "maximize", "tune"]


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Where a search begins and what it keeps to."""

    start: float
    low: float
    high: float
    integer: bool
    tolerance: float = 0.02


@dataclasses.dataclass(slots=True)
class Search:
    """A search and what it has seen."""

    verdict: Verdict
    seen: list[tuple[float, Observation, PointRun]] = dataclasses.field(default_factory=list)


def maximize(
    make: Callable[[float, bool], Point], sweeper: Sweeper, limits: Limits, judge: Judge
) -> Iterator[tuple[PointRun, Search]]:
    """Find the largest value that passes, by few runs; short ones, then full ones where it matters.

    What an interrupted search has seen is found again by its plans: the values follow from what was seen, so the same
    search asks for the same runs.

    Args:
        make: The point of a value; the second argument asks for a run of full length.
        sweeper: Runs it.
        limits: Where to begin, and between what.
        judge: What passes.

    Yields:
        Each run, and the search after it. A run that cannot be measured, or was interrupted, is the last.
    """
    search = ThresholdSearch(
        start=limits.start,
        low=limits.low,
        high=limits.high,
        integer=limits.integer,
        tolerance=limits.tolerance,
    )
    state = Search(search.verdict())
    counts: dict[float, int] = {}
    for wanted in search:
        value = wanted if limits.integer else min(float(f"{wanted:.4g}"), limits.high)
        counts[value] = counts.get(value, 0) + 1  # of short and full runs alike: their plans may be equal
        found = sweeper.run(make(value, search.full), counts[value])
        if found.record is None or found.error is not None:
            yield found, state
            return
        seen = judge(found.record, search.full)
        search.tell(value, seen)
        state.verdict = search.verdict()
        state.seen.append((value, seen, found))
        yield found, state
        if found.ends:
            return


@dataclasses.dataclass(frozen=True, slots=True)
class Tuned:
    """The best of some points."""

    winner: Point
    trials: Sequence[Trial[int]]
    """In the order of the points; the candidates are their places."""
    confirmation: PointRun
    """A run of full length of the winner."""
    runs: Sequence[PointRun]


def tune(
    points: Sequence[Point],
    full: Callable[[Point], Point],
    sweeper: Sweeper,
    score: Callable[[Record], float],
    *,
    budget_s: float,
) -> Tuned:
    """Find the best of some points by short runs in turns, and confirm it by a run of full length.

    Args:
        points: Short runs, the preferred of equals first.
        full: The run of full length of a point.
        sweeper: Runs them.
        score: Of a run; larger is better.
        budget_s: For the short runs.

    Raises:
        MlscopeError: None of them can be measured, or Ctrl-C.
    """
    runs: list[PointRun] = []
    counts = [0] * len(points)

    def measure(place: int, _round: int) -> float:
        counts[place] += 1
        found = sweeper.run(points[place], counts[place])
        runs.append(found)
        if found.ends:
            raise KeyboardInterrupt
        if found.record is None or found.error is not None:
            raise found.error or MlscopeError("the time was up")
        return score(found.record)

    try:
        best, trials = calibrate(range(len(points)), measure, budget_s=budget_s)
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted; the same command goes on where it stopped") from error
    confirmation = sweeper.run(full(points[best]), 1)
    return Tuned(points[best], trials, confirmation, [*runs, confirmation])
