"""Why the slowest requests were slow: what happened on the machine at those times."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlscope.analyses._evidence import Array, Calls, Evidence

__all__ = ["TIMES", "explain_tail"]

TIMES = "\N{MULTIPLICATION SIGN}"

TAIL = 3.0
"""p99 / p50 from which the tail is worth a sentence."""
FEWEST = 100
"""Requests from which a 99th percentile says something."""
FEWEST_SLOW = 3
COINCIDES = 0.5
"""Share of the slow requests that must fall into disturbed intervals,"""
LIFT = 2.0
"""and how many times the share of all requests that must be."""
ALWAYS = 0.9
"""Share of all requests in disturbed intervals from which it was so all the time."""
STEAL_CORES = 0.05
FOREIGN_CORES = 0.3
SLOWER_CLOCK = 0.9
"""Frequency, as a share of the highest that was seen, below which the processor was slow."""

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Cause:
    name: str
    always: str
    """The same as a clause, for when it never ends."""
    disturbed: Callable[[Row], bool]


def explain_tail(evidence: Evidence) -> str | None:
    """``p99 is 4.1 x p50 and coincides with CPU steal``; None where the tail is short or there is too little data."""
    calls, record = evidence.calls, evidence.record
    if calls is None or record.scenario == "Offline" or len(calls.end_ns) < FEWEST:
        return None
    latency = calls.latency_ns
    p50, p99 = np.percentile(latency, [50, 99], method="inverted_cdf")
    if p50 <= 0 or p99 < TAIL * p50:
        return None
    return f"p99 is {p99 / p50:.1f} {TIMES} p50{_why(evidence, calls, latency >= p99)}"


def _why(evidence: Evidence, calls: Calls, slow: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    series = evidence.series
    if not series or int(slow.sum()) < FEWEST_SLOW:
        return ""
    always = ""
    for cause in _causes(evidence):
        met = _overlaps(series, [cause.disturbed(row) for row in series], calls)
        of_slow, of_all = float(met[slow].mean()), float(met.mean())
        if of_all >= ALWAYS:
            always = always or f" while {cause.always} all the time"
        elif of_slow >= COINCIDES and of_slow >= LIFT * of_all:
            return (
                f" and coincides with {cause.name} "
                f"({100 * of_slow:.0f} % of the slowest 1 %, {100 * of_all:.0f} % of all requests)"
            )
    return always or "; nothing that was seen of the machine coincides with it"


def _causes(evidence: Evidence) -> Sequence[_Cause]:
    """The likeliest first: what takes the CPU away altogether."""
    passport = evidence.record.passport
    process = passport.foreign_process if passport else None
    who = f" (most of all {process.name}, pid {process.pid})" if process else ""
    known = [row["frequency_khz"] for row in evidence.series if row["frequency_khz"]]
    slow_khz = SLOWER_CLOCK * max(known, default=0)
    causes = [
        _Cause(
            "CPU steal", "the hypervisor gave CPU time to others (steal)", lambda row: row["steal_cores"] >= STEAL_CORES
        ),
        _Cause(
            "the control group's CPU limit",
            "the control group's CPU limit held processes back",
            lambda row: bool(row["throttled_periods"]),
        ),
        _Cause(
            "a lower frequency of the processor",
            "the processor ran below its highest frequency",
            lambda row: 0 < (row["frequency_khz"] or 0) < slow_khz,
        ),
    ]
    if passport and passport.foreign_cores is not None:  # a container's own processes look like foreign ones
        clause = f"other programs{who} used the CPU"
        name = f"the CPU use of other programs{who}"
        causes.insert(2, _Cause(name, clause, lambda row: row["foreign_cores"] >= FOREIGN_CORES))
    return causes


def _overlaps(series: Sequence[Row], disturbed: Sequence[bool], calls: Calls) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which requests were under way in a disturbed interval; intervals follow each other without gaps."""
    starts: Array = np.array([row["start_ns"] for row in series], np.int64)
    counted = np.concatenate(([0], np.cumsum(disturbed)))
    first = np.clip(np.searchsorted(starts, calls.begin_ns, "right") - 1, 0, len(starts) - 1)
    last = np.clip(np.searchsorted(starts, calls.end_ns, "right") - 1, 0, len(starts) - 1)
    return np.asarray(counted[last + 1] - counted[first] > 0)
