"""The model's call over one run and several, and throughput over batch sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analyses.traced import calls, layers, rows, sealed


def test_a_call_is_taken_alone_without_warm_up_and_short_batches(home: Path) -> None:
    times = [9000, 100, 110, 120, 130, 140, 10]
    run = sealed(home, calls(times, rows=[4, 4, 4, 4, 4, 4, 1], warmup=1), batch_size=4)
    (row,) = rows("model", run)
    assert (row["runs"], row["calls"], row["inputs_per_call"]) == (1, 5, 4)
    assert (row["duration_us"], row["duration_median_us"]) == (120, 120)
    assert row["latency_ms"] == pytest.approx(0.03)
    assert row["throughput_inputs_per_s"] == pytest.approx(4 / 120e-6)
    assert row["durations_us"] == "100 110 120 130 140"


def test_the_interval_of_one_run_is_that_of_its_median(home: Path) -> None:
    (row,) = rows("model", sealed(home, calls([float(100 + at) for at in range(20)])))
    assert (row["duration_low_us"], row["duration_median_us"], row["duration_high_us"]) == (105, 109, 114)
    (row,) = rows("model", sealed(home, calls([100, 101])))
    assert (row["duration_low_us"], row["duration_high_us"]) == (None, None)


def test_several_runs_are_one_row(home: Path) -> None:
    runs = [sealed(home, calls([time] * 4)) for time in (100, 104, 120)]
    (row,) = rows("model", *runs)
    assert (row["runs"], row["calls"], row["duration_us"], row["duration_median_us"]) == (3, 12, 104, 104)
    low, high = row["duration_low_us"], row["duration_high_us"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert (low + high) / 2 == pytest.approx(108)
    assert len(rows("model", *runs, list_runs=True)) == 3


def test_profiled_runs_and_runs_without_samples(home: Path) -> None:
    assert rows("model", sealed(home, layers(), calls([100]), trace_level="FRAMEWORK_TRACE")) == []
    (row,) = rows("model", sealed(home, status="failed"))
    assert (row["status"], row["duration_us"]) == ("failed", None)


def sizes(home: Path, times_us: dict[int, float], **changes: Any) -> list[dict[str, object]]:
    runs = [
        sealed(home, calls([time] * 3, rows=size), batch_size=size, plan_id=f"{size:016x}", **changes)
        for size, time in times_us.items()
    ]
    return rows("throughput", *runs)


def test_the_best_batch_is_the_smallest_that_no_larger_one_clearly_beats(home: Path) -> None:
    found = sizes(home, {8: 640, 1: 100, 4: 350, 16: 1260, 2: 180})
    assert [row["batch_size"] for row in found] == [1, 2, 4, 8, 16]
    assert [row["optimal"] for row in found] == [False, False, False, True, False]
    assert found[0]["gain"] == 1
    assert found[3]["gain"] == pytest.approx(8 / 6.4)
    found = sizes(home, {1: 100, 2: 192, 4: 382})
    assert [row["optimal"] for row in found] == [True, False, False]


def test_one_batch_size_has_no_best_one(home: Path) -> None:
    (row,) = sizes(home, {4: 100})
    assert row["optimal"] is None


def test_only_what_differs_in_the_batch_alone_is_compared(home: Path) -> None:
    one = sealed(home, calls([100]), batch_size=1)
    two = sealed(home, calls([100], rows=2), batch_size=2, execution={"threads": 2})
    other = sealed(home, calls([100], rows=2), batch_size=2, framework_version="9")
    found = rows("throughput", one, two, other)
    assert [row["gain"] for row in found] == [1, 1, 1]
