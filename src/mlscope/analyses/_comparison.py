"""Evaluations of one model side by side, as ``--framework A --framework B`` asks for."""

from __future__ import annotations

from collections.abc import Sequence

from mlscope.analyses._table import Column, Table
from mlscope.results import Record

__all__ = ["comparison"]

_COLUMNS = (
    Column("id", "id"),
    Column("model_name", "model"),
    Column("framework_name", "framework"),
    Column("framework_version", "version"),
    Column("python", "Python"),
    Column("precision", "precision"),
    Column("good", "good"),
    Column("evaluated", "of"),
    Column("top1_accuracy", "top-1", "fraction"),
    Column("p50_ms", "p50", "ms"),
    Column("throughput_samples_per_s", "throughput", "samples/s"),
    Column("validity", "validity"),
    Column("status", "status"),
)


def comparison(records: Sequence[Record]) -> Table:
    """One row a record: right answers, median latency, throughput, and with what they were reached."""
    return Table("comparison", _COLUMNS, [_row(record) for record in records])


def _row(record: Record) -> dict[str, object]:
    accuracy = record.accuracy
    latency = record.latency[0] if record.latency else None
    p50 = next((p.value_ns for p in latency.percentiles if p.percentile == 50), None) if latency else None
    return {
        "id": record.id,
        "model_name": record.model_name,
        "framework_name": record.framework_name,
        "framework_version": record.framework_version,
        "python": record.effective.get("python"),
        "precision": record.effective.get("precision"),
        "good": accuracy.top1_good if accuracy else None,
        "evaluated": accuracy.evaluated if accuracy else None,
        "top1_accuracy": accuracy.top1 if accuracy else None,
        "p50_ms": p50 / 1e6 if p50 is not None else None,
        "throughput_samples_per_s": latency.throughput_samples_per_s if latency else None,
        "validity": record.loadgen.validity if record.loadgen else None,
        "status": record.status,
    }
