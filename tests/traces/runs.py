"""Runs that were never run: records with spans, samples and LoadGen's trace in memory."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from mlscope.errors import StoreError
from mlscope.results import Counter, Evaluation, FileEntry, Span, write_counters, write_spans
from tests.analyses.records import record

RUN = "0199abcd000170008000000000000000"


def span(number: int, parent: int | None, name: str, times: tuple[int, int], level: int = 1, **attributes: Any) -> Span:
    above = None if parent is None else f"{parent:016x}"
    return Span(f"{number:016x}", above, name, level, *times, attributes)


def nested() -> list[Span]:
    """A request with a model call that has two layers, beside a second request that overlaps it."""
    return [
        span(1, None, "predict dataset", (1_000, 100_000)),
        span(2, 1, "predict_step", (10_000, 50_000), batch_index=0),
        span(3, 1, "predict_step", (40_000, 90_000), batch_index=1),
        span(4, 2, "c_predict", (12_000, 48_000), 2, batch_index=0),
        span(5, 4, "conv1", (12_000, 30_000), 3, index=0, type="Conv", shape=[1, 3, 8, 8], synthetic=True),
        span(6, 4, "conv1", (30_000, 48_000), 3, index=1, type="Conv", ratio=0.5),
    ]


def samples(issued: Sequence[int], ends: Sequence[int], due: Sequence[int | None] | None = None) -> pa.Table:
    count = len(issued)
    numbers = pa.array(range(count), pa.int64())
    return pa.table(
        {
            "sample_index": numbers,
            "query": numbers,
            "batch": numbers,
            "scheduled_ns": pa.array(due or [None] * count, pa.int64()),
            "issued_ns": pa.array(issued, pa.int64()),
            "start_ns": pa.array(issued, pa.int64()),
            "end_ns": pa.array(ends, pa.int64()),
            "warmup": pa.array([False] * count),
            "failed": pa.array([False] * count),
            "stream": pa.array([0] * count, pa.int32()),
        }
    )


def evaluation(
    spans: Sequence[Span],
    table: pa.Table | None = None,
    loadgen: bytes | None = None,
    counters: Sequence[Counter] = (),
    **changes: Any,
) -> Evaluation:
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spans.parquet"
        write_spans(path, spans)
        files["spans.parquet"] = path.read_bytes()
        if counters:
            write_counters(path, counters)
            files["counters.parquet"] = path.read_bytes()
    if table is not None:
        sink = io.BytesIO()
        pq.write_table(table, sink)
        files["samples.parquet"] = sink.getvalue()
    if loadgen is not None:
        files["loadgen/mlperf_log_trace.json"] = loadgen
    entries = tuple(FileEntry(path=name, size=len(data), sha256="0" * 64) for name, data in files.items())

    def open_file(name: str) -> BinaryIO:
        if name not in files:
            raise StoreError(f"this evaluation has no {name}")
        return io.BytesIO(files[name])

    return Evaluation(record(**{"id": RUN, "files": entries, **changes}), open_file)
