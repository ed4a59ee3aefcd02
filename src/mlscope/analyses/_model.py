"""Model: how long a call of the model takes, and how many inputs it answers in a second (XSP's analysis 1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlscope import stats
from mlscope.analyses._runs import Runs, View, mean_of_runs, plans, undisturbed
from mlscope.analyses._sides import calls_of
from mlscope.analyses._table import Column, Row, Table, build, to_us
from mlscope.errors import StoreError
from mlscope.results import Evaluation

__all__ = ["CallTimes", "call_times_of", "model"]

_MOST_LISTED = 1_000

COLUMNS = (
    Column("runs", "runs"),
    Column("calls", "calls"),
    Column("inputs_per_call", "inputs", shown="wide"),
    Column("duration_us", "duration", "us"),
    Column("duration_median_us", "median", "us"),
    Column("duration_low_us", "low", "us", "wide"),
    Column("duration_high_us", "high", "us", "wide"),
    Column("latency_ms", "per input", "ms"),
    Column("throughput_inputs_per_s", "throughput", "inputs/s"),
    Column("durations_us", "durations", shown="data"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class CallTimes:
    """The calls of the model in runs of one plan; nanoseconds."""

    runs: int
    calls: int
    inputs: float
    """Of a call, mean."""
    trimmed: float
    median: float
    low: float | None
    """Lower end of a 95 % interval: of the calls' median in a single run, else of the runs' mean."""
    high: float | None
    listed: tuple[float, ...]
    """The first calls, one by one."""


def model(evaluations: Sequence[Evaluation], view: View) -> Table:
    """A row for the runs of a plan: duration of the model's call, and latency and throughput that follow from it.

    A call is taken alone, without any waiting, of evaluations whose model ran without a profiler. Calls with fewer
    inputs than most are left out.
    """
    return build("model", COLUMNS, plans(undisturbed(evaluations), view), _rows)


def _rows(runs: Runs) -> list[Row]:
    found = call_times_of(runs.each)
    if found is None:
        return []
    return [
        {
            "runs": found.runs,
            "calls": found.calls,
            "inputs_per_call": found.inputs,
            "duration_us": to_us(found.trimmed),
            "duration_median_us": to_us(found.median),
            "duration_low_us": to_us(found.low),
            "duration_high_us": to_us(found.high),
            "latency_ms": found.trimmed / 1e6 / found.inputs,
            "throughput_inputs_per_s": 1e9 * found.inputs / found.trimmed,
            "durations_us": " ".join(f"{value / 1e3:.6g}" for value in found.listed),
        }
    ]


def call_times_of(runs: Sequence[Evaluation]) -> CallTimes | None:
    """What the samples of some runs tell of the model's calls; None where they tell of none."""
    each = [found for run in runs if (found := _durations(run)) is not None]
    if not each:
        return None
    durations = np.concatenate([times for times, _ in each])
    inputs = float(np.mean([rows for _, rows in each]))
    listed = tuple(durations[:_MOST_LISTED].tolist())
    if len(each) == 1:
        ordered = np.sort(durations)
        median, low, high = stats.percentile_with_interval(ordered, 50)
        return CallTimes(1, len(ordered), inputs, stats.trimmed_mean(ordered.tolist()), median, low, high, listed)
    mean = mean_of_runs([stats.trimmed_mean(times.tolist()) for times, _ in each])
    return CallTimes(len(each), len(durations), inputs, mean.trimmed, mean.median, mean.low, mean.high, listed)


def _durations(run: Evaluation) -> tuple[np.ndarray[Any, Any], float] | None:
    """Durations of a run's calls in their order, and inputs of a call; none shorter than the clock can tell."""
    try:
        calls = calls_of(run)
    except StoreError:
        return None
    times = np.maximum(calls.end_ns - calls.start_ns, 1)
    if not len(times):
        return None
    sizes, counts = np.unique(calls.rows, return_counts=True)
    usual = sizes[np.argmax(counts)]
    kept = calls.rows >= usual
    return times[kept], float(calls.rows[kept].mean())
