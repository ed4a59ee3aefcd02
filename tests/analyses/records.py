"""Records to analyse: one complete prediction, one benchmark, one that failed before it measured anything."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np

from mlscope.analyses import Table, accuracy_result, latency_result, run
from mlscope.results import AccuracyResult, Evaluation, LatencyResult, LoadGenResult, Record, System, Timings

Result = TypeVar("Result", AccuracyResult, LatencyResult)

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def accuracy(good: int = 376, total: int = 500, classes: int = 10, failed: int = 0) -> AccuracyResult:
    labels = np.zeros(total, dtype=np.int64)
    predicted = np.tile(np.arange(classes)[:5], (total, 1))
    predicted[good:] = np.roll(predicted[good:], 1, axis=1)
    lost = np.zeros(total, dtype=np.bool_)
    lost[total - failed :] = True
    result = accuracy_result(predicted, labels, lost)
    assert result is not None
    return result


def latency(of: Any = "sample", scale: int = 1) -> LatencyResult:
    values = np.arange(1, 1001) * 10_000 * scale
    ends = np.arange(1, 1001) * 5_005_000 - np.arange(1000) % 7 * 30_000
    result = latency_result(values, of=of, clock="issued", failed=2, completions_ns=ends, begin_ns=0)
    assert result is not None
    return result


def rounded(result: Result) -> Result:
    """The same with six digits: golden files shall not hang on the last bit of another machine's sums."""
    values = {name: float(f"{value:.6g}") for name, value in result if isinstance(value, float)}
    return result.model_copy(update=values)


def record(number: int = 1, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": f"{0x0199ABCD0000 + number:012x}70008000000000000000",
        "status": "complete",
        "created_at": START + timedelta(minutes=number),
        "command": "predict dataset",
        "plan_id": "0123456789abcdef",
        "model_name": "Digits_CNN",
        "model_version": "1.0",
        "dataset_name": "digits",
        "framework_name": "onnxruntime",
        "framework_version": "1.31.1",
        "batch_size": 1,
        "using_gpu": False,
        "trace_level": "APPLICATION_TRACE",
        "system": System(
            hostname="lab-7",
            machine_architecture="amd64",
            cpu_name="A CPU",
            cpu_count=2,
            memory_bytes=2**33,
            operating_system="Linux",
            kernel="6.1",
            python="3.11.7",
        ),
        "lock_sha256": "0" * 64,
        "mlscope_version": "0.1.0",
        "timings": Timings(total_ns=1_234_567_890),
    }
    return Record.model_validate(fields | changes)


def three() -> list[Record]:
    """Newest first: a failed run, a benchmark, a prediction."""
    timings = Timings(
        total_ns=2_500_000_000,
        load_ns=12_345_678,
        first_inference_ns=456_789,
        preprocess_mean_ns=98_765.4,
        inference_ns=1_000_000_000,
        postprocess_ns=2_000_000,
        wait_share=0.0625,
        peak_memory_bytes=150 * 2**20,
    )
    loadgen = LoadGenResult(version="6.0.17", scenario="MultiStream", mode="PerformanceOnly", validity="INVALID")
    return [
        record(3, status="failed", model_name='Odd, "quoted"'),
        record(
            2,
            command="benchmark",
            scenario="MultiStream",
            mode="PerformanceOnly",
            latency=(rounded(latency("query", 8)), rounded(latency("sample"))),
            loadgen=loadgen,
            timings=timings,
        ),
        record(1, accuracy=rounded(accuracy()), latency=(rounded(latency("batch")),), timings=timings),
    ]


def bare(records: Sequence[Record]) -> list[Evaluation]:
    """Evaluations without any files."""

    def nothing(name: str) -> Any:
        raise AssertionError(f"{name} is not needed")

    return [Evaluation(each, nothing) for each in records]


def report(name: str, records: Sequence[Record]) -> list[Table]:
    """A report that needs the records alone; `all`: accuracy, latency and duration."""
    names = ("accuracy", "latency", "duration") if name == "all" else (name,)
    return [run(each, bare(records))[0] for each in names]
