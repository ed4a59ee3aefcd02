"""Records and sealed runs for the tests of this room."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from mlscope import results
from mlscope.results import Record, RunFolder, System, Timings
from mlscope.worker.protocol import FLAG_FAILED, FLAG_VALID, FLAG_WARMUP, SAMPLE_ROW

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

Row = tuple[int, int, int, int, int, int, int, int]
ROWS: tuple[Row, ...] = (
    # sample, query, batch, scheduled, issued, start, end, flags
    (0, 0, 0, -1, 100, 110, 900, FLAG_VALID | FLAG_WARMUP),
    (0, 1, 1, -1, 1_000, 1_010, 1_500, FLAG_VALID),
    (1, 1, 1, -1, 1_000, 1_010, 1_700, FLAG_VALID),
    (2, 2, 2, 1_900, 2_000, 2_010, 2_600, FLAG_VALID),
    (3, 3, 3, 2_900, 3_000, 3_010, 3_600, FLAG_VALID),
    (4, 3, 3, 2_900, 3_000, 3_010, 3_610, FLAG_VALID | FLAG_FAILED),
    (0, 0, 0, 0, 0, 0, 0, 0),  # never written
)


def make_record(record_id: str | None = None, **changes: Any) -> Record:
    """A small complete record; `changes` replace its fields (``hostname`` and ``arch`` those of the system)."""
    system = System(
        hostname=changes.pop("hostname", "lab1"),
        machine_architecture=changes.pop("arch", "amd64"),
        cpu_name="Test CPU",
        cpu_count=2,
        memory_bytes=1 << 33,
        operating_system="Linux",
        kernel="6.1",
        python="3.11.7",
    )
    fields: dict[str, Any] = {
        "id": record_id or results.new_id(),
        "status": "complete",
        "created_at": START,
        "command": "predict dataset",
        "plan_id": "0123456789abcdef",
        "model_name": "Digits_CNN",
        "model_version": "1.0",
        "dataset_name": "digits",
        "framework_name": "onnxruntime",
        "framework_version": "1.20.0",
        "batch_size": 1,
        "using_gpu": False,
        "trace_level": "APPLICATION_TRACE",
        "system": system,
        "lock_sha256": "0" * 64,
        "mlscope_version": "0.1.0",
        "timings": Timings(total_ns=1_000_000),
    }
    return Record(**{**fields, **changes})


def write_raw(path: Path, rows: tuple[Row, ...] = ROWS) -> Path:
    """A raw samples file as a worker leaves it."""
    path.write_bytes(b"".join(SAMPLE_ROW.pack(*row) for row in rows))
    return path


def seal_run(home: Path, record: Record | None = None, *, big: int = 0) -> tuple[Record, Path]:
    """A sealed run below a home with samples, predictions, a log, LoadGen's summary and `big` random bytes."""
    record = record or make_record()
    run = RunFolder.create(home / "runs", record.id)
    raw = write_raw(run.path / "raw")
    results.seal_samples(raw, {"wait_ns": np.arange(len(ROWS))}, run.path / "samples.parquet")
    raw.unlink()
    results.write_predictions(run.path / "predictions.parquet", predictions())
    (run.path / "logs").mkdir()
    (run.path / "logs" / "worker.log").write_text("hello\n")
    (run.path / "loadgen").mkdir()
    (run.path / "loadgen" / "mlperf_log_summary.txt").write_text("Result is : VALID\n")
    np.save(run.path / "outputs-0.npy", np.zeros((5, 10), dtype=np.float32))
    if big:
        (run.path / "logs" / "big.log").write_bytes(os.urandom(big))
    return run.seal(record)


def predictions() -> dict[str, np.ndarray[Any, Any]]:
    """Five predictions."""
    return {
        "sample_index": np.arange(5),
        "top5": np.arange(25, dtype=np.int32).reshape(5, 5),
        "probabilities": np.linspace(0, 1, 25, dtype=np.float32).reshape(5, 5),
        "correct": np.array([True, False, True, True, False]),
    }


def store_run(home: Path, number: int = 0, **changes: Any) -> Record:
    """Seal a run and put it into the local index of the current home."""
    changes.setdefault("created_at", START + timedelta(seconds=number))
    record, folder = seal_run(home, make_record(**changes))
    results.open_store().put(record, folder, blobs=[])
    return record
