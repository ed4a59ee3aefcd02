"""Evaluations of one model side by side, as ``--framework A --framework B`` asks for."""

from __future__ import annotations

from collections.abc import Sequence

from mlscope.analyses._agreement import Agreement
from mlscope.analyses._levels import overheads, p50_ns
from mlscope.analyses._table import Column, Table
from mlscope.results import Record

__all__ = ["comparison"]

_COLUMNS = (
    Column("id", "id"),
    Column("model_name", "model"),
    Column("framework_name", "framework"),
    Column("framework_version", "version"),
    Column("python", "Python", shown="wide"),
    Column("precision", "precision"),
    Column("trace_level", "trace level"),
    Column("good", "good"),
    Column("evaluated", "of", shown="wide"),
    Column("top1_accuracy", "top-1", "fraction"),
    Column("top5_accuracy", "top-5", "fraction", shown="wide"),
    Column("same_as_first", "same as first"),
    Column("p50_ms", "p50", "ms"),
    Column("tracing_overhead", "tracing overhead", "fraction"),
    Column("throughput_samples_per_s", "throughput", "samples/s", shown="wide"),
    Column("validity", "validity"),
    Column("status", "status"),
)


def comparison(records: Sequence[Record], agreement: Agreement | None = None) -> Table:
    """One row a record: right answers, median latency, throughput, and with what they were reached.

    Args:
        records: In the order of the rows.
        agreement: Of the same evaluations; without it the column ``same_as_first`` is empty.
    """
    same = agreement.same_as_first if agreement else (None,) * len(records)
    rows = [_row(*each) for each in zip(records, same, strict=True)]
    if len({record.trace_level for record in records}) > 1:
        known = overheads(records)
        for record, row in zip(records, rows, strict=True):
            cost = known.get(record.id)
            row["trace_level"] = record.trace_level
            row["tracing_overhead"] = cost.ratio.value - 1 if cost else None
    return Table("comparison", _COLUMNS, rows)


def _row(record: Record, same: int | None) -> dict[str, object]:
    accuracy = record.accuracy
    latency = record.latency[0] if record.latency else None
    p50 = p50_ns(record)
    return {
        "id": record.id,
        "model_name": record.model_name,
        "framework_name": record.framework_name,
        "framework_version": record.framework_version,
        "python": record.effective.get("python"),
        "precision": record.effective.get("precision"),
        "trace_level": None,
        "tracing_overhead": None,
        "good": accuracy.top1_good if accuracy else None,
        "evaluated": accuracy.evaluated if accuracy else None,
        "top1_accuracy": accuracy.top1 if accuracy else None,
        "top5_accuracy": accuracy.top5 if accuracy else None,
        "same_as_first": same,
        "p50_ms": p50 / 1e6 if p50 is not None else None,
        "throughput_samples_per_s": latency.throughput_samples_per_s if latency else None,
        "validity": record.loadgen.validity if record.loadgen else None,
        "status": record.status,
    }
