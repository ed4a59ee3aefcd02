"""Tables, and the columns that every analysis starts with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from mlscope.results import Record

Cell = object
Row = dict[str, Cell]
Shown = Literal["always", "wide", "data"]


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column.

    A cell is a str, int, float, bool, datetime or None. JSON and CSV hold every column under its `name`, which
    carries the unit; `unit` decides how text writes the numbers.
    """

    name: str
    title: str
    """Heading in text, without the unit."""
    unit: str | None = None
    """``ms``, ``samples/s``, ``fraction`` (text: percent) or ``B`` (text: MiB)."""
    shown: Shown = "always"
    """In text: always, only where there is room, or never."""


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """The outcome of an analysis; every row holds a cell, perhaps None, for every column."""

    name: str
    columns: tuple[Column, ...]
    rows: list[Row]


BASE_COLUMNS = (
    Column("id", "id"),
    Column("created_at", "created (UTC)"),
    Column("model_name", "model"),
    Column("model_version", "model version", shown="wide"),
    Column("framework_name", "framework"),
    Column("framework_version", "framework version", shown="wide"),
    Column("machine_architecture", "architecture", shown="wide"),
    Column("hostname", "host", shown="wide"),
    Column("batch_size", "batch"),
    Column("using_gpu", "GPU", shown="wide"),
    Column("trace_level", "trace level", shown="wide"),
    Column("scenario", "scenario"),
    Column("mode", "mode", shown="wide"),
    Column("dataset_name", "data set", shown="wide"),
    Column("status", "status"),
)
BASE_NAMES = frozenset(column.name for column in BASE_COLUMNS)


def build(
    name: str,
    columns: tuple[Column, ...],
    records: Sequence[Record],
    rows_of: Callable[[Record], Iterable[Row]],
) -> Table:
    """A table of the base columns and an analysis' own.

    Args:
        name: Of the analysis.
        columns: Its own columns.
        records: In the order in which the rows shall stand (the store gives the newest first).
        rows_of: Gives a record's rows. A record without rows still gets one, with empty cells: an evaluation
            that failed is not left out.
    """
    empty: Row = dict.fromkeys(column.name for column in columns)
    rows = [_base_row(record) | empty | row for record in records for row in (list(rows_of(record)) or [empty])]
    return Table(name, BASE_COLUMNS + columns, rows)


def to_ms(nanoseconds: float | None) -> float | None:
    """Milliseconds of nanoseconds."""
    return None if nanoseconds is None else nanoseconds / 1e6


def _base_row(record: Record) -> Row:
    machine = {"machine_architecture", "hostname"}
    return {
        column.name: getattr(record.system if column.name in machine else record, column.name)
        for column in BASE_COLUMNS
    }
