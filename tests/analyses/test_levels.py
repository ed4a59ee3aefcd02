"""What each level of tracing costs, of medians that are known."""

from __future__ import annotations

import numpy as np
import pytest

from mlscope.analyses import comparison, latency_result, overheads
from mlscope.results import Record
from tests.analyses.records import record, report


def traced(number: int, level: str, median_us: int, **changes: object) -> Record:
    values = np.full(21, median_us * 1000)
    found = latency_result(values, of="batch", clock="issued", failed=0, completions_ns=np.cumsum(values), begin_ns=0)
    assert found is not None
    return record(number, trace_level=level, latency=(found,), experiment="levels-1", **changes)


def test_each_level_is_set_against_the_least() -> None:
    records = [
        traced(1, "FRAMEWORK_TRACE", 150), traced(2, "MODEL_TRACE", 101), traced(3, "APPLICATION_TRACE", 100),
    ]  # fmt: skip
    rows = report("levels", records)[0].rows
    assert [row["trace_level"] for row in rows] == ["FRAMEWORK_TRACE", "MODEL_TRACE", "APPLICATION_TRACE"]
    assert [row["baseline_level"] for row in rows] == ["APPLICATION_TRACE", "APPLICATION_TRACE", None]
    assert [row["tracing_overhead"] for row in rows] == [pytest.approx(0.5), pytest.approx(0.01), None]
    assert [row["tracing_overhead_ms"] for row in rows] == [pytest.approx(0.05), pytest.approx(0.001), None]
    assert {row["tracing_overhead_low"] for row in rows} == {None}, "one run of each says nothing of runs"
    shown = comparison(records).rows
    assert [row["tracing_overhead"] for row in shown] == [row["tracing_overhead"] for row in rows]


def test_runs_of_a_level_count_together_and_give_an_interval() -> None:
    medians = {"MODEL_TRACE": (100, 102, 104), "FULL_TRACE": (200, 206, 204)}
    records = [
        traced(10 * place + number, level, median)
        for place, (level, values) in enumerate(medians.items())
        for number, median in enumerate(values)
    ]
    found = overheads(records)
    assert set(found) == {each.id for each in records[3:]}
    ratio = found[records[3].id].ratio
    assert ratio.value == pytest.approx(2)
    assert ratio.low is not None
    assert ratio.high is not None
    assert 1.9 < ratio.low < 2 < ratio.high < 2.1
    assert [row["level_runs"] for row in report("levels", records)[0].rows] == [3] * 6


def test_only_runs_that_differ_in_their_level_alone_are_set_against_each_other() -> None:
    base = traced(1, "MODEL_TRACE", 100)
    for changes in (
        {"batch_size": 2},
        {"framework_version": "2"},
        {"effective": {"threads": 2}},
        {"scenario": "Server"},
    ):
        assert overheads([base, traced(2, "FRAMEWORK_TRACE", 150, **changes)]) == {}
    other = traced(2, "FRAMEWORK_TRACE", 150).model_copy(update={"experiment": "levels-2"})
    assert overheads([base, other]) == {}


def test_a_run_without_latencies_has_a_row_and_no_cost() -> None:
    failed = record(2, status="failed", trace_level="FRAMEWORK_TRACE", experiment="levels-1")
    (first, second) = report("levels", [traced(1, "MODEL_TRACE", 100), failed])[0].rows
    assert first["p50_ms"] == pytest.approx(0.1)
    assert (second["status"], second["p50_ms"]) == ("failed", None)
