import json

import pytest

from mlscope.analyses import ANALYSES, run, to_json
from mlscope.errors import UsageError
from tests.analyses.records import accuracy, bare, latency, record, report, three

BASE = [
    "id",
    "created_at",
    "model_name",
    "model_version",
    "framework_name",
    "framework_version",
    "machine_architecture",
    "hostname",
    "batch_size",
    "using_gpu",
    "trace_level",
    "scenario",
    "mode",
    "dataset_name",
    "status",
    "cpu_name",
    "machine_memory_bytes",
    "gpu_name",
    "gpu_driver",
]


@pytest.mark.parametrize("name", ["accuracy", "latency", "duration"])
def test_every_row_starts_with_the_base_columns_and_fills_every_column(name: str) -> None:
    (table,) = run(name, bare(three()))
    names = [column.name for column in table.columns]
    assert names[: len(BASE)] == BASE
    assert len(set(names)) == len(names)
    for row in table.rows:
        assert set(row) == set(names)


@pytest.mark.parametrize("name", ["accuracy", "latency", "duration"])
def test_rows_keep_the_order_of_the_records_and_leave_none_out(name: str) -> None:
    records = three()
    (table,) = report(name, records)
    assert list(dict.fromkeys(row["id"] for row in table.rows)) == [each.id for each in records]
    assert table.rows[0]["status"] == "failed"


def test_all_runs_every_analysis_but_the_event_flow() -> None:
    assert [table.name for table in run("all", [])] == [name for name in ANALYSES if name != "eventflow"]


@pytest.mark.parametrize("name", ANALYSES)
def test_without_evaluations_there_are_columns_and_no_rows(name: str) -> None:
    (table,) = run(name, [])
    assert (table.name, table.rows) == (name, [])
    assert [column.name for column in table.columns][: len(BASE)] == BASE


def test_an_unknown_analysis_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match='did you mean "latency"'):
        run("latencies", [])
    with pytest.raises(UsageError, match=r"choose one of accuracy, latency, duration, .*, all"):
        run("xyz", [])


def test_accuracy_gives_fractions_with_their_interval() -> None:
    (row,) = report("accuracy", [record(accuracy=accuracy(376, 500, failed=3))])[0].rows
    assert (row["evaluated"], row["failed"], row["top1_good"], row["top5_good"]) == (500, 3, 376, 497)
    assert row["top1_accuracy"] == 0.752
    assert row["top5_accuracy"] == 0.994
    assert row["top1_low"] == pytest.approx(0.7123, abs=1e-4)
    assert row["top1_high"] == pytest.approx(0.7878, abs=1e-4)


def test_latency_gives_a_row_for_each_distribution_in_milliseconds() -> None:
    (table,) = report("latency", [record(latency=(latency("query", 8), latency("sample")))])
    assert [row["of"] for row in table.rows] == ["query", "sample"]
    row = table.rows[1]
    assert row["clock"] == "issued"
    assert (row["count"], row["failed"]) == (1000, 2)
    assert (row["min_ms"], row["p50_ms"], row["p99_ms"], row["p99_9_ms"], row["max_ms"]) == (
        0.01,
        5.0,
        9.9,
        9.99,
        10.0,
    )
    assert row["mean_ms"] == pytest.approx(5.005)
    low, high = row["p99_low_ms"], row["p99_high_ms"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low < 9.9 < high
    assert row["p99_99_high_ms"] is None
    assert row["throughput_samples_per_s"] == pytest.approx(199.8, abs=0.1)
    slow, fast = row["throughput_low_samples_per_s"], row["throughput_high_samples_per_s"]
    assert isinstance(slow, float)
    assert isinstance(fast, float)
    assert slow < 199.8 < fast


def test_latency_of_an_invalid_loadgen_result_says_so() -> None:
    (table,) = report("latency", three())
    assert [row["validity"] for row in table.rows] == [None, "INVALID", "INVALID", None]


def test_duration_gives_every_part_of_the_time() -> None:
    (table,) = report("duration", three())
    own = {name: value for name, value in table.rows[1].items() if name not in BASE}
    assert own == {
        "total_ms": 2500.0,
        "load_ms": 12.345678,
        "first_inference_ms": 0.456789,
        "preprocess_per_sample_ms": pytest.approx(0.0987654),
        "inference_ms": 1000.0,
        "postprocess_ms": 2.0,
        "model_wait_share": 0.0625,
        "peak_memory_bytes": 157286400,
    }
    assert table.rows[0]["total_ms"] == pytest.approx(1234.56789)
    assert table.rows[0]["load_ms"] is None


def test_equal_records_give_equal_bytes() -> None:
    assert to_json(report("all", three())) == to_json(report("all", three()))
    assert json.loads(to_json(report("all", three())))["latency"][3]["p50_ms"] == 5.0
