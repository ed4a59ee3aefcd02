"""Recorded arrivals, to be replayed: CSV or Parquet with a column of times, perhaps one of inputs."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import itertools
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlscope.errors import DataError

__all__ = ["Recorded", "Unit", "read_trace"]

Unit = Literal["s", "ms", "us", "ns"]
Array = np.ndarray[Any, np.dtype[np.int64]]

_SCALE: dict[str, int] = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_TIMES = ("timestamp", "timestamps", "time", "arrival", "arrival_time", "arrived_at", "offset", "ts", "t")
_INPUTS = ("input", "input_index", "inputs", "index", "sample", "sample_index", "sample_id")
_UNIT = re.compile(r"(.+)[_ (](s|ms|us|ns)\)?")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MOST_S = 1_000_000
"""Longest replay: eleven days."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """Arrivals of a trace, the first one at 0."""

    offsets_ns: Array
    """Shape [n], ascending."""
    inputs: Array | None
    """Shape [n]; None where the trace names none."""
    longest_gap_ns: int
    gap_where: str
    """Behind which line or row the longest gap is."""


def read_trace(path: Path, *, unit: Unit = "s", scale: float = 1.0, samples: int | None = None) -> Recorded:
    """Read a trace.

    The column of times is called ``timestamp``, ``time``, ``arrival`` or ``offset``, with its unit behind it
    (``timestamp_ms``) or else in `unit`; it holds numbers, or dates with times of day. ``input`` or ``sample`` is the
    column of inputs. A CSV file without a header has times in its first column and inputs in its second.

    Args:
        path: ``.csv`` or ``.parquet``.
        unit: Of times whose column does not name one.
        scale: All times are multiplied by it: 0.5 replays twice as fast.
        samples: Inputs must be below it.

    Raises:
        DataError: It cannot be read, has no such column, is empty or not in order, or a value is no time or input;
            the message names the line.
    """
    place, lines, times, inputs = _parquet(path, unit) if path.suffix == ".parquet" else _csv(path, unit)
    if not times:
        raise DataError("the trace is empty", where=str(path))
    for number, (before, now) in enumerate(itertools.pairwise(times), 1):
        if now < before:
            raise DataError(
                "the times are not in order: this one lies before the one before it",
                where=f"{path}:{lines[number]}",
                hint="sort the trace by time",
            )
    for number, value in enumerate(inputs or ()):
        if samples is not None and value >= samples:
            raise DataError(f"there is no input {value}: {samples} samples are used", where=f"{path}:{lines[number]}")
    factor = Decimal(repr(scale))
    seconds = (times[-1] - times[0]) * factor / _SCALE["s"]
    if seconds > _MOST_S:
        raise DataError(
            f"the trace would take {seconds:,.0f} seconds",
            where=str(path),
            hint="give the unit of its times with --trace-unit, or replay it faster with --time-scale",
        )
    offsets = np.array([round((time - times[0]) * factor) for time in times], np.int64)
    gaps = np.diff(offsets, prepend=0)
    longest = int(gaps.argmax())
    return Recorded(
        offsets,
        np.array(inputs, np.int64) if inputs is not None else None,
        int(gaps[longest]),
        f"{place} {lines[longest - 1] if longest else lines[0]}",
    )


Columns = tuple[str, Sequence[int], list[Decimal], list[int] | None]
"""What a place is called, the place of each arrival, its time in nanoseconds, its input."""


def _csv(path: Path, unit: Unit) -> Columns:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _rows(path, csv.reader(file), unit)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "no CSV text"
        raise DataError(f"cannot be read: {reason}", where=str(path)) from error


def _rows(path: Path, rows: Any, unit: Unit) -> Columns:
    lines: list[int] = []
    times: list[Decimal] = []
    inputs: list[int] = []
    columns: tuple[int, int | None, Unit] | None = None
    for row in _filled(rows):
        if columns is None:
            columns = _header(row, path, unit)
            if columns is None:  # no header: this is the first arrival
                columns = (0, 1 if len(row) > 1 else None, unit)
            else:
                continue
        when, which, named = columns
        where = f"{path}:{rows.line_num}"
        if when >= len(row):
            raise DataError("the time is missing", where=where)
        lines.append(rows.line_num)
        times.append(_time(row[when], named, where))
        if which is not None:
            inputs.append(_input(row[which] if which < len(row) else "", where))
    return "line", lines, times, inputs if columns and columns[1] is not None else None


def _filled(rows: Any) -> Iterator[list[str]]:
    for row in rows:
        if any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#"):
            yield row


def _header(row: list[str], path: Path, unit: Unit) -> tuple[int, int | None, Unit] | None:
    """Positions of times and inputs, and the unit; None where the row is no header."""
    names = [cell.strip().lower() for cell in row]
    try:
        Decimal(names[0])
    except InvalidOperation:
        return _choose(names, path, unit)
    return None


def _choose(names: list[str], path: Path, unit: Unit) -> tuple[int, int | None, Unit]:
    which = next((names.index(name) for name in _INPUTS if name in names), None)
    for wanted in _TIMES:
        for number, name in enumerate(names):
            if name == wanted:
                return number, which, unit
            with_unit = _UNIT.fullmatch(name)
            if with_unit and with_unit[1].strip() == wanted:
                named: Any = with_unit[2]
                return number, which, named
    raise DataError(
        f"no column holds times; there are: {', '.join(names)}",
        where=f"{path}:1",
        hint="call it timestamp, or timestamp_ms where the times are milliseconds",
    )


def _time(text: str, unit: Unit, where: str) -> Decimal:
    """Nanoseconds."""
    text = text.strip()
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = _date(text, where)
        unit = "ns"
    if not value.is_finite():
        raise DataError(f'"{text}" is no time', where=where)
    if value < 0:
        raise DataError(f"{text} is a negative time", where=where)
    return value * _SCALE[unit]


def _date(text: str, where: str) -> Decimal:
    """Nanoseconds since 1970 of a date with a time of day; digits beyond microseconds count too."""
    match = re.fullmatch(r"(.+:\d\d)(\.\d+)?(.*)", text)
    try:
        if match is None:
            raise ValueError
        moment = datetime.datetime.fromisoformat(match[1] + match[3])
    except ValueError:
        raise DataError(f'"{text}" is no time', where=where) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    seconds = (moment - _EPOCH) // datetime.timedelta(seconds=1)
    return (Decimal(seconds) + Decimal(match[2] or 0)) * _SCALE["s"]


def _input(text: str, where: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        raise DataError(f'"{text}" is no input, a whole number from 0', where=where)
    return int(text)


def _parquet(path: Path, unit: Unit) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            table = file.read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot be read as Parquet: {str(error).splitlines()[0]}", where=str(path)) from error
    when, which, unit = _choose([name.lower() for name in table.column_names], path, unit)
    column = table.column(when)
    if pa.types.is_timestamp(column.type):
        unit = column.type.unit
        column = column.cast(pa.int64())
    numbers = range(table.num_rows)
    times = [
        _time(str(value), unit, f"{path}:{row + 1}") for row, value in zip(numbers, column.to_pylist(), strict=True)
    ]
    if which is None:
        return "row", [row + 1 for row in numbers], times, None
    cells = table.column(which).to_pylist()
    inputs = [_input(str(value), f"{path}:{row + 1}") for row, value in zip(numbers, cells, strict=True)]
    return "row", [row + 1 for row in numbers], times, inputs
