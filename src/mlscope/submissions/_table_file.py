"""Tables of results as files: CSV, JSON and Parquet; and the official results that come with mlscope."""

from __future__ import annotations

import csv
import importlib.resources
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlscope._files import explain_os_errors
from mlscope.analyses import Table
from mlscope.errors import DataError
from mlscope.submissions._table import COLUMNS, Row
from mlscope.submissions._values import number, read_json, tidy

__all__ = ["published_rows", "read_rows", "write_parquet"]

_MOST_BYTES = 256 << 20
_TEXTS = {
    *("ID", "Division", "Category", "Submitter", "System", "Benchmark", "Processor", "Accelerator", "Software"),
    *("FF_M", "FF_D", "FF_S", "FF_E", "Details", "Code", "Notes", "Task", "Scenario", "Round", "Kind", "Validity"),
    *("Metric", "Unit", "Accuracy measure", "Record"),
}
"""The columns that hold texts; the others hold numbers."""
_WHOLE = {"Processor #", "Accelerator #"}
_NEEDED = ("System", "Benchmark", "Scenario")
_PICKLE = "a pickle is a program that would run as soon as it is read, so mlscope never reads one"
_PUBLISHED = "v0.5.csv"

Warn = Callable[[str], None]


def read_rows(path: Path, warn: Warn) -> list[Row]:
    """The rows of a table of results.

    Args:
        path: CSV, JSON (a list of objects) or Parquet, told apart by their content.
        warn: Hears of columns that are not known and of rows that are left out.

    Raises:
        DataError: It is no such table, or a pickle.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if data is None:
        raise DataError("larger than 256 MB; that is no table of results", where=str(path))
    _refuse_pickles(path, data)
    if data.startswith(b"PAR1"):
        found = _parquet(path, data)
    elif data.lstrip()[:1] in (b"[", b"{"):
        found = _json(path, data)
    else:
        found = _csv(path, data)
    return list(_checked(path, found, warn))


def _refuse_pickles(path: Path, data: bytes) -> None:
    hint = "let its owner write it as CSV, JSON or Parquet"
    names = "".join(path.suffixes).lower()
    if data[:1] == b"\x80" or ".pkl" in names or ".pickle" in names or data[:2] in (b"(l", b"(d", b"ci", b"cp"):
        raise DataError(_PICKLE, where=str(path), hint=hint)
    if data.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as package:
                for name in package.namelist()[:10]:
                    with package.open(name) as member:
                        if member.read(1) == b"\x80":
                            raise DataError(_PICKLE, where=str(path), hint=hint)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
            pass  # whatever it is, it is refused below
        raise DataError("an archive is no table of results", where=str(path), hint="unpack it first")


def _parquet(path: Path, data: bytes) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found: list[dict[str, Any]] = pq.read_table(pa.BufferReader(data), use_threads=False).to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"damaged, no Parquet ({first})", where=str(path)) from error
    return [tidy({key: each for key, each in row.items() if not isinstance(each, bytes)}) for row in found]


def _json(path: Path, data: bytes) -> list[dict[str, Any]]:
    try:
        found = read_json(data)
    except ValueError as error:
        raise DataError(f"damaged, no JSON ({error})", where=str(path)) from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise DataError("no table of results: a list of objects is expected", where=str(path))
    return found


def _csv(path: Path, data: bytes) -> list[dict[str, Any]]:
    try:
        text = data.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise DataError("no text in UTF-8", where=str(path), hint="save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"no CSV ({error})", where=str(path)) from error
    return [tidy({key: each for key, each in row.items() if isinstance(key, str)}) for row in rows]


def _checked(path: Path, rows: list[dict[str, Any]], warn: Warn) -> Iterator[Row]:
    """The rows with every column and its type."""
    if not rows:
        raise DataError("no table of results: it has no row", where=str(path))
    names = {column.name for column in COLUMNS}
    present = set().union(*rows)
    if missing := [name for name in _NEEDED if name not in present]:
        raise DataError(
            f"no table of results: it has no column {missing[0]}",
            where=str(path),
            hint="mlscope results table --format csv writes one",
        )
    if unknown := sorted(str(name) for name in present - names):
        warn(f"{path}: columns that are not known are left out: {', '.join(unknown)}")
    for index, row in enumerate(rows, start=1):
        if not all(row.get(name) for name in _NEEDED):
            warn(f"{path}: row {index}: without {next(name for name in _NEEDED if not row.get(name))}; left out")
            continue
        yield {column.name: _cell(column.name, row.get(column.name)) for column in COLUMNS}


def _cell(name: str, value: object) -> object:
    if value is None or value == "":
        return None
    if name in _TEXTS:
        return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    found = number(str(value)) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return (int(found) if abs(found) < 1 << 31 else None) if name in _WHOLE else float(found)


def write_parquet(table: Table, out: Path) -> None:
    """Write a table of results as Parquet.

    Raises:
        ResourceError: The disk is full or the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        column.name: pa.string()
        if column.name in _TEXTS
        else pa.int64()
        if column.name in _WHOLE
        else pa.float32()
        if column.name[:2] in ("P_", "A_")
        else pa.float64()
        for column in COLUMNS
    }
    with explain_os_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        schema = pa.schema(list(types.items()))
        pq.write_table(pa.Table.from_pylist([dict(row) for row in table.rows], schema=schema), out)


def published_rows() -> list[Row]:
    """Official results of image classification in v0.5 that come with mlscope; scripts/official-results made them."""
    text = importlib.resources.files("mlscope.submissions").joinpath("official", _PUBLISHED).read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{column.name: _cell(column.name, row.get(column.name)) for column in COLUMNS} for row in rows]
