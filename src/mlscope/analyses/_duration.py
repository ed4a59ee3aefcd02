"""Duration: where the time of an evaluation went."""

from __future__ import annotations

from collections.abc import Sequence

from mlscope.analyses._runs import View
from mlscope.analyses._table import Column, Row, Table, build, to_ms
from mlscope.results import Evaluation

COLUMNS = (
    Column("total_ms", "total", "ms"),
    Column("load_ms", "load", "ms"),
    Column("first_inference_ms", "first inference", "ms"),
    Column("preprocess_per_sample_ms", "preprocess a sample", "ms"),
    Column("inference_ms", "inference", "ms"),
    Column("postprocess_ms", "postprocess", "ms"),
    Column("model_wait_share", "model waits", "fraction"),
    Column("peak_memory_bytes", "peak memory", "B"),
)


def duration(evaluations: Sequence[Evaluation], _: View) -> Table:
    """One row an evaluation: total, load, first inference, each part's time, waiting and peak memory."""
    return build("duration", COLUMNS, evaluations, _rows)


def _rows(evaluation: Evaluation) -> list[Row]:
    timings = evaluation.record.timings
    return [
        {
            "total_ms": to_ms(timings.total_ns),
            "load_ms": to_ms(timings.load_ns),
            "first_inference_ms": to_ms(timings.first_inference_ns),
            "preprocess_per_sample_ms": to_ms(timings.preprocess_mean_ns),
            "inference_ms": to_ms(timings.inference_ns),
            "postprocess_ms": to_ms(timings.postprocess_ns),
            "model_wait_share": timings.wait_share,
            "peak_memory_bytes": timings.peak_memory_bytes,
        }
    ]
