"""Open loops judged from their raw rows: counts, percentiles over lost requests, overload, margins, ticks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.analyses import latency_results, margin_error, ticks_result, workload_result
from mlscope.results import LoadGenResult, WorkloadResult
from mlscope.worker.protocol import FLAG_DROPPED, FLAG_FAILED, FLAG_UNFINISHED, FLAG_VALID

Array = np.ndarray[Any, Any]
MS = 1_000_000


def table(latencies_ms: Array, *, gap_ms: float = 10, flags: Array | int = FLAG_VALID, slip_ms: float = 0) -> Array:
    """Rows of requests that came every `gap_ms` and took so long from then."""
    count = len(latencies_ms)
    rows = np.zeros((count, 8), np.int64)
    due = np.arange(count) * round(gap_ms * MS)
    rows[:, 1] = rows[:, 2] = np.arange(count)
    rows[:, 3], rows[:, 4], rows[:, 5] = due, due + round(slip_ms * MS), due + round(slip_ms * MS)
    rows[:, 6] = due + np.rint(np.asarray(latencies_ms) * MS).astype(np.int64)
    rows[:, 7] = flags
    return rows


def judged(
    rows: Array, *, percentile: float = 95, bound_ms: float = 100, requests: int | None = None
) -> WorkloadResult:
    return workload_result(
        rows,
        arrival="constant",
        requests=len(rows) if requests is None else requests,
        offered_qps=100,
        schedule_sha256="",
        percentile=percentile,
        latency_bound_ns=round(bound_ms * MS),
    )


def test_the_bound_is_honoured() -> None:
    """The original compared with 100 ms, whatever --latency_bound said."""
    rows = table(np.full(100, 30.0))
    assert judged(rows, bound_ms=31).bound_met is True
    assert judged(rows, bound_ms=29).bound_met is False
    assert judged(rows).verdict == "ok"


@pytest.mark.parametrize(("lost", "known"), [(0, True), (5, True), (6, False)])
def test_lost_requests_are_later_than_every_other(lost: int, known: bool) -> None:
    flags = np.full(100, FLAG_VALID)
    flags[:lost] |= FLAG_FAILED | FLAG_DROPPED
    result = judged(table(np.full(100, 30.0), flags=flags))
    assert (result.latency_ns is not None) == known
    assert result.bound_met == known
    assert result.dropped == lost
    assert result.verdict == ("overload" if lost else "ok")


@given(st.lists(st.tuples(st.floats(0.001, 900), st.booleans()), min_size=20, max_size=300))
def test_no_percentile_is_better_for_a_lost_request(requests: list[tuple[float, bool]]) -> None:
    latencies = np.array([latency for latency, _ in requests])
    lost = np.array([failed for _, failed in requests])
    rows = table(latencies, flags=np.where(lost, FLAG_VALID | FLAG_FAILED, FLAG_VALID))
    every = np.sort(np.where(lost, np.inf, rows[:, 6] - rows[:, 3]))
    found = latency_results(rows, ("query",), lost_is_late=True)
    if lost.all():
        assert found == ()
        return
    (result,) = found
    assert (result.count, result.failed) == (int((~lost).sum()), int(lost.sum()))
    values = {entry.percentile: entry.value_ns for entry in result.percentiles}
    for percentile in (50, 90, 95, 97, 99):
        wanted = every[-(-percentile * len(every) // 100) - 1]
        assert values.get(percentile, np.inf) == wanted
    assert all(entry.high_ns is None or math.isfinite(entry.high_ns) for entry in result.percentiles)


def test_every_kind_of_loss_is_counted() -> None:
    flags = np.full(20, FLAG_VALID)
    flags[:2] |= FLAG_FAILED
    flags[2:5] |= FLAG_FAILED | FLAG_DROPPED
    flags[5:9] |= FLAG_FAILED | FLAG_UNFINISHED
    result = judged(table(np.ones(20), flags=flags), requests=25)
    assert (result.failed, result.dropped, result.unfinished, result.not_issued, result.answered) == (2, 3, 4, 5, 11)
    assert len(result.reasons) == 2


def test_a_server_that_falls_behind_is_overloaded() -> None:
    behind = table(10.0 * np.arange(200))  # one every 10 ms, answered one every 20 ms
    assert judged(behind).verdict == "overload"
    assert "were waiting" in judged(behind).reasons[0]
    assert judged(table(np.full(200, 90.0))).verdict == "ok"


def test_slip_stands_beside_the_latency() -> None:
    result = judged(table(np.full(1000, 5.0), slip_ms=0.25))
    assert {entry.percentile: entry.value_ns for entry in result.slip} == {
        50: 0.25 * MS,
        99: 0.25 * MS,
        99.9: 0.25 * MS,
    }
    assert result.max_slip_ns == 0.25 * MS
    assert result.latency_ns == 5 * MS


def test_nothing_issued_is_no_success() -> None:
    result = judged(np.zeros((0, 8), np.int64), requests=10)
    assert (result.answered, result.not_issued, result.latency_ns, result.bound_met) == (0, 10, None, False)


def test_a_margin_knows_its_error() -> None:
    """Of independent latencies the error must be the scatter between runs."""
    random = np.random.default_rng(8)
    found = [margin_error(table(random.exponential(20, 3000)), 95, 60 * MS) for _ in range(200)]
    margins = np.array([margin for margin, _ in found])
    errors = np.array([error or 0 for _, error in found])
    assert margins.mean() == pytest.approx(60 / (20 * math.log(20)) - 1, abs=0.01)
    assert np.median(errors) == pytest.approx(margins.std(), rel=0.3)


def test_margins_of_extremes() -> None:
    assert margin_error(table(np.full(10, 30.0)), 95, 60 * MS) == (1.0, None)
    lost = table(np.full(100, 30.0), flags=FLAG_VALID | FLAG_FAILED)
    assert margin_error(lost, 95, 60 * MS) == (-1.0, None)
    assert margin_error(np.zeros((0, 8), np.int64), 95, MS)[0] == -1.0


def ticks(latencies_ms: Array, *, samples: int = 4, interval_ms: float = 50, **fields: Any) -> LoadGenResult:
    """Queries of `samples`, each issued at the first tick at which the one before is answered."""
    latencies = np.asarray(latencies_ms, float)
    taken = np.maximum(np.ceil(latencies / interval_ms), 1)
    due = np.concatenate(([0], np.cumsum(taken[:-1]))) * interval_ms
    rows = np.repeat(table(latencies), samples, axis=0)
    rows[:, 3] = np.repeat(due * MS, samples)
    rows[:, 6] = rows[:, 3] + np.repeat(latencies * MS, samples)
    rows[:, 7] |= fields.pop("flags", 0)
    settings = {"queries": len(latencies), "min_queries": len(latencies), "min_duration_ns": 0, "percentile": 0.99}
    return ticks_result(
        rows,
        samples_per_query=samples,
        interval_ns=round(interval_ms * MS),
        version="1",
        settings={},
        **{**settings, **fields},
    )


def test_valid_as_in_v0_5() -> None:
    result = ticks(np.full(200, 49.9))
    assert (result.validity, result.failed_conditions, result.by) == ("VALID", (), "mlscope")
    assert (result.metric, result.metric_value) == ("Samples per query", 4)
    assert result.summary["Skipped intervals"] == "0"


@pytest.mark.parametrize(("slow", "validity"), [(1, "VALID"), (2, "VALID"), (3, "INVALID")])
def test_the_99th_percentile_query_decides(slow: int, validity: str) -> None:
    """LoadGen looks at position floor(0.99 n), 297 of 300 from 0: two of the slowest lie beyond it."""
    latencies = np.full(300, 40.0)
    latencies[10 : 10 + slow] = 70
    result = ticks(latencies)
    assert result.validity == validity
    assert result.summary["Skipped intervals"] == str(slow)


def test_an_invalid_run_says_why() -> None:
    result = ticks(np.full(100, 50.72))
    assert result.validity == "INVALID"
    (reason,) = result.failed_conditions
    assert "the 99th percentile query took 2 intervals of 50 ms (latency 50.72 ms)" in reason
    assert reason.endswith("Reduce samples per query to improve latency.")
    assert result.summary["Skipped intervals"] == "100"


def test_short_runs_and_failures_are_invalid() -> None:
    assert "Min queries" in ticks(np.full(50, 10.0), min_queries=60, queries=60).failed_conditions[0]
    assert "Min duration" in ticks(np.full(50, 10.0), min_duration_ns=10**10).failed_conditions[0]
    assert "without an answer" in ticks(np.full(50, 10.0), flags=FLAG_FAILED).failed_conditions[0]
