"""Searches over sweeps: the largest value of a flag that is VALID, and the best combination of some."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from mlscope.conductor._calibrate import Trial, calibrate
from mlscope.conductor._sweep import Point, PointRun, Sweeper
from mlscope.errors import Interrupted, MlscopeError
from mlscope.results import LatencyResult, LoadGenResult, Record
from mlscope.stats import Observation, ThresholdSearch, Verdict

__all__ = ["Judge", "Limits", "Tuned", "maximize", "tune"]

_CONFIDENT = 1.96
_FAR_OFF = -0.9
"""Margin of a run that failed without a latency to tell by how much."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Where a search begins and what it keeps to."""

    start: float
    low: float
    high: float
    integer: bool
    tolerance: float = 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class Judge:
    """Tells whether a run passes.

    LoadGen must call it VALID; where there is a bound, the latency at the scenario's percentile must keep it as well.
    """

    bound_ns: float | None = None
    """None: the scenario's own (Server's target latency, the interval of v0.5's MultiStream), if it has one."""

    def __call__(self, record: Record, full: bool) -> Observation:
        """What a run has shown."""
        latency = record.latency[0] if record.latency else None
        if record.loadgen is None:
            return Observation(False, _FAR_OFF, None, full, "the run has no verdict of LoadGen's")
        return self.of(record.loadgen, latency, full)

    def of(self, test: LoadGenResult, latency: LatencyResult | None, full: bool) -> Observation:
        """What a test has shown; `latency` is that of its queries."""
        if test.validity is None:
            return Observation(False, _FAR_OFF, None, full, "the test has no verdict of LoadGen's")
        seen, percentile = _bounded_latency(test, latency)
        bound = self.bound_ns or _own_bound(test)
        margin = error = None
        note: str = test.validity
        if bound is not None and seen is not None:
            value, error_ns = seen
            margin, error = (bound - value) / bound, error_ns / bound if error_ns else None
            note += f", p{percentile:g} {value / 1e6:.4g} ms"
        reasons = "; ".join(test.failed_conditions)
        passed = test.validity == "VALID" and (self.bound_ns is None or (margin is not None and margin >= 0))
        if not passed and margin is not None and margin >= 0:
            margin, error = -0.01, None  # it failed for another reason than the latency
        if passed and margin is not None and margin < 0:
            margin, error = 0.01, None
        return Observation(passed, margin, error, full, f"{note} ({reasons})" if reasons else note)


def _own_bound(test: LoadGenResult) -> float | None:
    """The latency bound of a scenario that has one."""
    settings = test.effective_settings
    if test.scenario == "Server":
        return float(settings.get("server_target_latency_ns", 0)) or None
    rate = settings.get("multi_stream_target_qps")  # of v0.5's ticks; today's MultiStream has none
    return 1e9 / float(rate) if rate else None


def _bounded_latency(
    test: LoadGenResult, latency: LatencyResult | None
) -> tuple[tuple[float, float | None] | None, float]:
    """The latency at the scenario's percentile with its standard error, and the percentile."""
    names = {"SingleStream": "single_stream", "MultiStream": "multi_stream", "Server": "server"}
    key = f"{names.get(test.scenario, '')}_target_latency_percentile"
    percentile = round(100 * float(test.effective_settings.get(key, 0.99)), 6)
    return (_at(latency, percentile) if latency else None), percentile


def _at(latency: LatencyResult, percentile: float) -> tuple[float, float | None] | None:
    entry = next((each for each in latency.percentiles if each.percentile == percentile), None)
    if entry is None:
        return None
    if entry.low_ns is None or entry.high_ns is None:
        return entry.value_ns, None
    return entry.value_ns, (entry.high_ns - entry.low_ns) / (2 * _CONFIDENT)


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
    counts: dict[tuple[float, bool], int] = {}
    for wanted in search:
        value = wanted if limits.integer else min(float(f"{wanted:.4g}"), limits.high)
        key = (value, search.full)
        counts[key] = counts.get(key, 0) + 1
        found = sweeper.run(make(*key), counts[key])
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

    def measure(place: int) -> float:
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
