"""Tables, and the columns that every analysis starts with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

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
    empty: str = "no evaluations"
    """What text says where there are no rows."""


class Recorded(Protocol):
    """Whatever has a record: an evaluation, or runs of one plan with the newest one's."""

    @property
    def record(self) -> Record:
        """What a row's base columns are of."""


Item = TypeVar("Item", bound=Recorded)

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
    Column("cpu_name", "processor", shown="data"),
    Column("machine_memory_bytes", "machine's memory", "B", "data"),
    Column("gpu_name", "GPU's name", shown="data"),
    Column("gpu_driver", "GPU's driver", shown="data"),
)
BASE_NAMES = frozenset(column.name for column in BASE_COLUMNS)


def build(
    name: str,
    columns: tuple[Column, ...],
    items: Sequence[Item],
    rows_of: Callable[[Item], Iterable[Row]],
    *,
    empty: str = "no evaluations",
) -> Table:
    """A table of the base columns and an analysis' own.

    Args:
        name: Of the analysis.
        columns: Its own columns.
        items: In the order in which the rows shall stand (the store gives the newest first).
        rows_of: Gives an item's rows. One without rows still gets one, with empty cells: an evaluation that failed is
            not left out.
        empty: What text says where there are no items.
    """
    none: Row = dict.fromkeys(column.name for column in columns)
    rows: list[Row] = []
    for item in items:
        base = _base_row(item.record) | none
        rows += [base | row for row in (list(rows_of(item)) or [none])]
    return Table(name, BASE_COLUMNS + columns, rows, empty)


def is_equal(column: Column, rows: Sequence[Row]) -> bool:
    """Whether a column says the same in all rows."""
    return all(row[column.name] == rows[0][column.name] for row in rows)


def to_ms(nanoseconds: float | None) -> float | None:
    """Milliseconds of nanoseconds."""
    return None if nanoseconds is None else nanoseconds / 1e6


def to_us(nanoseconds: float | None) -> float | None:
    """Microseconds of nanoseconds."""
    return None if nanoseconds is None else nanoseconds / 1e3


_OF_SYSTEM = {"machine_architecture", "hostname", "cpu_name"}
_OF_RECORD = [
    column.name
    for column in BASE_COLUMNS
    if column.name not in _OF_SYSTEM | {"machine_memory_bytes", "gpu_name", "gpu_driver"}
]


def _base_row(record: Record) -> Row:
    system = record.system
    row: Row = {column.name: None for column in BASE_COLUMNS}
    row |= {name: getattr(record, name) for name in _OF_RECORD}
    row |= {name: getattr(system, name) for name in _OF_SYSTEM}
    gpus = [gpu for gpu in system.details.get("gpus") or () if isinstance(gpu, Mapping)]
    row["machine_memory_bytes"] = system.memory_bytes
    row["gpu_name"] = ", ".join(system.gpu_names) or None
    row["gpu_driver"] = next((str(gpu["driver_version"]) for gpu in gpus if gpu.get("driver_version")), None)
    return row
