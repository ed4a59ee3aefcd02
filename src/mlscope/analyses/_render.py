"""Tables as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from mlscope.analyses._table import Cell, Table

ANALYSIS_COLUMN = "analysis"


def to_json(tables: Table | Sequence[Table]) -> str:
    """One strict JSON document: a list of row objects, or for several tables an object of such lists by name.

    Times are ISO 8601 in UTC; a number that is not finite is null.
    """
    if isinstance(tables, Table):
        tables = [tables]
    lists = {
        table.name: [{column.name: plain(row[column.name]) for column in table.columns} for row in table.rows]
        for table in tables
    }
    return dump_json(next(iter(lists.values())) if len(lists) == 1 else lists)


def dump_json(document: object) -> str:
    """JSON as :func:`to_json` writes it."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def dump_line(document: object) -> str:
    """JSON in one line, for a cell."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def to_csv(tables: Table | Sequence[Table], header: bool = True) -> str:
    """CSV by RFC 4180 (comma, CRLF, quotes where needed); an empty cell is None.

    Several tables become one: the first column names the analysis, then follow the columns of all.
    """
    if isinstance(tables, Table):
        tables = [tables]
    several = len(tables) > 1
    names = list(dict.fromkeys(column.name for table in tables for column in table.columns))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    if header:
        writer.writerow([ANALYSIS_COLUMN, *names] if several else names)
    for table in tables:
        for row in table.rows:
            cells = [_csv_cell(row.get(name)) for name in names]
            writer.writerow([table.name, *cells] if several else cells)
    return buffer.getvalue()


def plain(cell: Cell) -> str | int | float | None:
    """A cell as JSON can hold it."""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    if cell is None or isinstance(cell, (str, int, float)):
        return cell
    raise TypeError(f"a cell cannot be a {type(cell).__name__}")


def _csv_cell(cell: Cell) -> str | int | float | None:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return plain(cell)
