"""Event flow: the spans of a trace, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, timedelta
from typing import Any

from mlscope.analyses._runs import View, has_file
from mlscope.analyses._table import Column, Row, Table, build
from mlscope.results import SPANS_FILE, Evaluation
from mlscope.worker.protocol import TraceLevel

__all__ = ["eventflow"]

COLUMNS = (
    Column("event_id", "event"),
    Column("parent_id", "parent"),
    Column("event_name", "name"),
    Column("event_level", "level", shown="wide"),
    Column("timestamp", "time (UTC)", shown="data"),
    Column("start_us", "begin", "us"),
    Column("duration_us", "duration", "us"),
    Column("metadata", "metadata"),
)


def eventflow(evaluations: Sequence[Evaluation], _: View) -> Table:
    """A row for each span, in the order of their begin.

    ``start_us`` counts from the run's first span; ``timestamp`` is the same by the wall clock at the run's begin.
    """
    traced = [each for each in evaluations if has_file(each, SPANS_FILE)]
    return build("eventflow", COLUMNS, traced, _rows, empty="no traces in these evaluations")


def _rows(evaluation: Evaluation) -> Iterable[Row]:
    rows: list[dict[str, Any]] = evaluation.spans().to_pylist()
    rows.sort(key=lambda row: int(row["start_ns"]))
    levels = {level.value: level.name for level in TraceLevel}
    began = evaluation.record.created_at.astimezone(UTC)
    first = rows[0]["start_ns"] if rows else 0
    for row in rows:
        since = (row["start_ns"] - first) / 1e3
        yield {
            "event_id": row["span_id"],
            "parent_id": row["parent_id"],
            "event_name": row["name"],
            "event_level": levels.get(row["level"], str(row["level"])),
            "timestamp": began + timedelta(microseconds=since),
            "start_us": since,
            "duration_us": max(row["end_ns"] - row["start_ns"], 0) / 1e3,
            "metadata": row["attributes"] if row["attributes"] != "{}" else None,
        }
