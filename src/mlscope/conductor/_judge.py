"""Whether a run passes, as searches see it, and what they have found, as records hold it."""

from __future__ import annotations

import dataclasses

from mlscope.results import LatencyResult, LoadGenResult, Record, SearchResult, SearchStep
from mlscope.stats import Observation, ThresholdSearch

__all__ = ["Judge", "search_result"]

_CONFIDENT = 1.96
_FAR_OFF = -0.9
"""Margin of a run that failed without a latency to tell by how much."""


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


def search_result(of: str, search: ThresholdSearch, summary: str, *, hopeless: bool = False) -> SearchResult:
    """What a search has found so far.

    Args:
        of: What was searched.
        search: The search.
        summary: The answer in one sentence.
        hopeless: Nothing meets the bound, though the search has not asked for every value.
    """
    verdict = search.verdict()
    return SearchResult(
        of=of,
        outcome="nothing" if hopeless else verdict.outcome,
        best=verdict.best,
        first_failing=verdict.first_failing,
        low=verdict.low,
        high=verdict.high,
        confirmed=verdict.confirmed,
        summary=summary,
        steps=tuple(SearchStep(value=value, **dataclasses.asdict(seen)) for value, seen in search.observations),
    )
