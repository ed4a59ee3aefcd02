"""What became of requests that came on a schedule of their own: counts, slip, latency at a percentile, verdict."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from mlscope import stats
from mlscope.results import PercentileResult, WorkloadResult
from mlscope.worker.protocol import FLAG_DROPPED, FLAG_FAILED, FLAG_UNFINISHED, SAMPLE_FIELDS

__all__ = ["margin_error", "workload_result"]

Array = np.ndarray[Any, np.dtype[Any]]
_SLIP_PERCENTILES = (50.0, 99.0, 99.9)
_BEHIND = 0.1
"""Share of the requests that may wait when the last one comes."""
_FEW = 20
"""Requests that may wait then, whatever their share."""
_STRETCHES = 15
_FEWEST_A_STRETCH = 5


def workload_result(
    rows: Array,
    *,
    arrival: str,
    requests: int,
    offered_qps: float,
    schedule_sha256: str,
    percentile: float,
    latency_bound_ns: int | None,
) -> WorkloadResult:
    """Judge a run of one-sample requests.

    A request without an answer counts as later than every other, so that no percentile is better for it. The verdict
    is ``overload`` when the queue was full, when requests were still unanswered at the end of the run, or when more
    than a tenth of them were waiting as the last one came.

    Args:
        rows: Shape [n, 8], columns as in :data:`mlscope.worker.protocol.SAMPLE_FIELDS`, warm-up left out.
        arrival: The law, or ``trace``.
        requests: How many the schedule has; those without a row were never issued.
        offered_qps: Mean rate of the schedule.
        schedule_sha256: Digest of the schedule's file.
        percentile: In percent.
        latency_bound_ns: What the latency at that percentile is compared with.
    """
    field = dict(zip(SAMPLE_FIELDS, rows.T, strict=True))
    flags = field["flags"]
    dropped, unfinished = (int(np.count_nonzero(flags & flag)) for flag in (FLAG_DROPPED, FLAG_UNFINISHED))
    lost = int(np.count_nonzero(flags & FLAG_FAILED))
    latency = latency_at(rows, percentile)
    behind = _behind(field) if len(rows) else 0
    reasons = []
    if dropped:
        reasons.append(f"{dropped} of {requests} requests found the queue full")
    if unfinished:
        reasons.append(f"{unfinished} of {requests} requests had no answer when the run was ended")
    if not reasons and behind > max(_BEHIND * requests, _FEW):
        reasons.append(f"{behind} of {requests} requests were waiting when the last one came")
    return WorkloadResult(
        arrival=arrival,
        offered_qps=offered_qps,
        requests=requests,
        answered=len(rows) - lost,
        failed=lost - dropped - unfinished,
        dropped=dropped,
        unfinished=unfinished,
        not_issued=requests - len(rows),
        schedule_sha256=schedule_sha256,
        slip=_slip(field["issued_ns"] - field["scheduled_ns"]) if len(rows) else (),
        max_slip_ns=int((field["issued_ns"] - field["scheduled_ns"]).max()) if len(rows) else None,
        percentile=percentile,
        latency_ns=None if math.isinf(latency) else latency,
        latency_bound_ns=latency_bound_ns,
        bound_met=None if latency_bound_ns is None else latency <= latency_bound_ns,
        verdict="overload" if reasons else "ok",
        reasons=tuple(reasons),
    )


def _slip(slip: Array) -> tuple[PercentileResult, ...]:
    ordered = np.sort(slip)
    found = [(p, *stats.percentile_with_interval(ordered, p)) for p in _SLIP_PERCENTILES]
    return tuple(PercentileResult(percentile=p, value_ns=v, low_ns=low, high_ns=high) for p, v, low, high in found)


def _behind(field: dict[str, Array]) -> int:
    """Requests that had no answer yet when the last one was due."""
    return int(np.count_nonzero(field["end_ns"] > field["scheduled_ns"].max())) - 1


def latency_at(rows: Array, percentile: float) -> float:
    """Nanoseconds from the scheduled arrival, by nearest rank; infinite where a lost request has that rank."""
    if not len(rows):
        return math.inf
    ordered = np.sort(_latencies(rows))
    return float(ordered[math.ceil(Fraction(str(percentile)) * len(ordered) / 100) - 1])


def _latencies(rows: Array) -> Array:
    field = dict(zip(SAMPLE_FIELDS, rows.T, strict=True))
    lost = (field["flags"] & FLAG_FAILED) != 0
    return np.where(lost, np.inf, field["end_ns"] - field["scheduled_ns"])


def margin_error(rows: Array, percentile: float, bound_ns: float) -> tuple[float, float | None]:
    """How far the bound is from the latency at a percentile: ``bound / latency - 1``, and its standard error.

    The margin is near to linear in the arrival rate (in an M/M/1 queue exactly), over 0 when the bound is met and -1
    when the latency is infinite. Neighbouring requests meet the same queue, so the error comes from stretches of the
    run: the shares of each stretch that lie above the latency vary by how well the percentile is known (batch means,
    as in :func:`mlscope.stats.throughput_interval`), and the latencies one error above and below it give the margin's.

    Returns:
        Margin and error; the error is None where the requests are too few, or too many have no answer.
    """
    latencies = _latencies(rows)
    latency = latency_at(rows, percentile)
    margin = bound_ns / latency - 1 if latency > 0 else math.inf
    count = len(latencies) // _STRETCHES
    if count < _FEWEST_A_STRETCH or math.isinf(latency):
        return margin, None
    in_order = latencies[np.argsort(rows[:, SAMPLE_FIELDS.index("query")], kind="stable")]
    above = (in_order[: count * _STRETCHES] > latency).reshape(_STRETCHES, count).mean(axis=1)
    error = 100 * float(above.std(ddof=1)) / math.sqrt(_STRETCHES)
    low = latency_at(rows, max(percentile - error, 0.01))
    high = latency_at(rows, min(percentile + error, 99.999))
    if math.isinf(high):
        return margin, (bound_ns / low - bound_ns / latency) or None
    return margin, (bound_ns / low - bound_ns / high) / 2 or None
