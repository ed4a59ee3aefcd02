"""A sweep's points side by side: one row a point, its repetitions summed up."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence

from mlscope.analyses._table import Column, Row, Table
from mlscope.results import Record

__all__ = ["SweepPoint", "sweep_table"]

_COLUMNS = (
    Column("runs", "runs"),
    Column("metric", "metric", shown="wide"),
    Column("metric_value", "value"),
    Column("metric_unit", "unit", shown="wide"),
    Column("p50_ms", "p50", "ms"),
    Column("p90_ms", "p90", "ms", shown="wide"),
    Column("p99_ms", "p99", "ms"),
    Column("throughput_samples_per_s", "throughput", "samples/s"),
    Column("top1_accuracy", "top-1", "fraction"),
    Column("validity", "validity"),
    Column("reason", "reason", shown="wide"),
    Column("state", "state"),
    Column("ids", "runs' ids", shown="data"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class SweepPoint:
    """One combination and its runs."""

    values: Mapping[str, str]
    """Axis → value."""
    records: Sequence[Record]
    """Complete ones."""
    state: str
    """``done``, ``failed`` or ``not run``."""
    reason: str | None = None
    """Why it was not measured."""


def sweep_table(points: Sequence[SweepPoint]) -> Table:
    """One row a point: the axes' values, then medians over its runs.

    ``validity`` is LoadGen's verdict where all runs agree, else ``3 of 5 VALID``; ``reason`` names the conditions that
    failed, or why there is no run.
    """
    axes = tuple(dict.fromkeys(name for point in points for name in point.values))
    columns = (*(Column(_column(axis), axis) for axis in axes), *_COLUMNS)
    return Table("sweep", columns, [_row(point, axes) for point in points])


def _column(axis: str) -> str:
    return axis.replace("-", "_")


def _row(point: SweepPoint, axes: Sequence[str]) -> Row:
    records = point.records
    row: Row = {_column(axis): _number_or_text(point.values.get(axis)) for axis in axes}
    tests = [record.loadgen for record in records if record.loadgen]
    return row | {
        "runs": len(records),
        "metric": tests[0].metric if tests else None,
        "metric_value": _median(records, lambda record: record.loadgen.metric_value if record.loadgen else None),
        "metric_unit": tests[0].metric_unit if tests else None,
        "p50_ms": _percentile(records, 50),
        "p90_ms": _percentile(records, 90),
        "p99_ms": _percentile(records, 99),
        "throughput_samples_per_s": _median(
            records, lambda record: record.latency[0].throughput_samples_per_s if record.latency else None
        ),
        "top1_accuracy": _median(records, lambda record: record.accuracy.top1 if record.accuracy else None),
        "validity": _validity(records),
        "reason": point.reason or _failed_conditions(records),
        "state": point.state,
        "ids": " ".join(record.id for record in records) or None,
    }


def _number_or_text(text: str | None) -> int | float | str | None:
    for kind in (int, float):
        try:
            return kind(text) if text is not None else None
        except ValueError:
            continue
    return text


def _median(records: Sequence[Record], value: Callable[[Record], float | None]) -> float | None:
    found = [each for record in records if (each := value(record)) is not None]
    return statistics.median(found) if found else None


def _percentile(records: Sequence[Record], percentile: float) -> float | None:
    def value(record: Record) -> float | None:
        grid = record.latency[0].percentiles if record.latency else ()
        return next((each.value_ns / 1e6 for each in grid if each.percentile == percentile), None)

    return _median(records, value)


def _validity(records: Sequence[Record]) -> str | None:
    verdicts = [record.loadgen.validity for record in records if record.loadgen and record.loadgen.validity]
    if not verdicts:
        return None
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return f"{verdicts.count('VALID')} of {len(verdicts)} VALID"


def _failed_conditions(records: Sequence[Record]) -> str | None:
    reasons = [text for record in records if record.loadgen for text in record.loadgen.failed_conditions]
    return "; ".join(dict.fromkeys(reasons)) or None
