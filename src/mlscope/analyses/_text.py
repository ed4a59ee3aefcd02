"""Tables for people, fitted to the terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from mlscope.analyses._table import BASE_NAMES, Cell, Column, Row, Table, is_equal

_MIB = 2**20
_GAP = 2
_LEAST = 12
"""Places that a text which is cut keeps."""
_IDS = {"id", "source_id"}
_ID_DIGITS = 12  # the time part of a UUIDv7: one millisecond
_STYLES = {"failed": "31", "interrupted": "33", "INVALID": "31"}
"""Red and yellow, as ANSI escapes have them."""
_BOLD = "1"
_RULE = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_TEXT_UNITS = {"fraction": "%", "B": "MiB"}


def to_text(tables: Table | Sequence[Table], header: bool = True, width: int | None = None, color: bool = False) -> str:
    """Tables for people.

    Where a table is wider than `width`, what is equal in all rows is printed once above it; then the less
    telling columns are left out and named below it; if even that is not enough, each row becomes a paragraph.
    Without header rows nothing is left out or moved, so that a script finds every column at its place.

    Args:
        tables: One or several; several get their names as headings.
        header: With column titles, headings and notes.
        width: Of the terminal, in characters; None: as wide as need be.
        color: With colours (ANSI escapes).
    """
    if isinstance(tables, Table):
        tables = [tables]
    texts = [_fitted(table, width, color) if header else _bare(table, color) for table in tables]
    if len(tables) == 1 or not header:
        return "".join(texts)
    return "\n".join(f"{table.name}\n\n{text}" for table, text in zip(tables, texts, strict=True))


def _bare(table: Table, color: bool) -> str:
    columns = [column for column in table.columns if column.shown != "data"]
    return _render(columns, _texts(columns, table.rows), False, color)


def _fitted(table: Table, width: int | None, color: bool) -> str:
    if not table.rows:
        return f"{table.empty}\n"
    empty = _empty(table)
    columns = [column for column in table.columns if column.shown != "data" and column.name not in empty]
    texts = _texts(columns, table.rows)
    if width is None or _needed(columns, texts) <= width:
        return _render(columns, texts, True, color)
    # Ids and measured values always stand in the table.
    movable = [column for column in columns if column.name != "id" and column.unit is None]
    equal = [column for column in movable if is_equal(column, table.rows)]
    columns = [column for column in columns if column not in equal]
    above = _facts(equal, texts[0], width) + "\n" if equal else ""
    shown = list(columns)
    hidden: list[str] = []
    while _needed(shown, texts) > width and any(column.shown == "wide" for column in shown):
        last = next(column for column in reversed(shown) if column.shown == "wide")
        shown.remove(last)
        hidden.insert(0, last.title)
    clipped = _clipped(shown, texts, width)
    if clipped is None:
        return above + "\n".join(_facts(columns, row, width) for row in texts)
    texts = clipped
    note = f"no room for {', '.join(hidden)}: a wider terminal, JSON or CSV has them"
    return above + _render(shown, texts, True, color) + (_wrap(note, width) if hidden else "")


def _clipped(columns: Sequence[Column], texts: list[dict[str, str]], width: int) -> list[dict[str, str]] | None:
    """The texts with the longest ones cut so that the table fits; None where that would leave too little of them."""
    over = _needed(columns, texts) - width
    while over > 0:
        sizes = dict(zip((column.name for column in columns), _widths(columns, texts, True), strict=True))
        long = [column for column in columns if column.unit is None and column.name != "id"]
        if not long:
            return None
        widest = max(long, key=lambda column: sizes[column.name])
        name = widest.name
        room = max(_LEAST, sizes[name] - over, *map(len, _heading(widest)))
        if room >= sizes[name]:
            return None
        texts = [row | {name: f"{row[name][: room - 1]}…"} if _length(row[name]) > room else row for row in texts]
        over = _needed(columns, texts) - width
    return texts


def _empty(table: Table) -> set[str]:
    """Columns that say nothing; where an analysis says nothing at all, its main ones stay and show that."""
    empty = {column.name for column in table.columns if all(row[column.name] is None for row in table.rows)}
    own = {column.name for column in table.columns if column.name not in BASE_NAMES}
    if own <= empty:
        empty -= {column.name for column in table.columns if column.name in own and column.shown == "always"}
    return empty


def _facts(columns: Sequence[Column], texts: Mapping[str, str], width: int) -> str:
    """``title: value`` of every column that has one, wrapped between facts and not inside of them."""
    facts = [f"{' '.join(_heading(column))}: {texts[column.name]}" for column in columns if texts[column.name] != "-"]
    return _wrap(", ".join(fact.replace(" ", "\0") for fact in facts), width).replace("\0", " ")


def _wrap(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False) + "\n"


def _heading(column: Column) -> list[str]:
    """The words of a column's heading, which stand below each other."""
    words = column.title.split()
    return [*words, _TEXT_UNITS.get(column.unit, column.unit)] if column.unit else words


def _needed(columns: Sequence[Column], texts: Sequence[Mapping[str, str]]) -> int:
    """Width of a table in characters."""
    return sum(_widths(columns, texts, True)) + _GAP * (len(columns) - 1)


def _widths(columns: Sequence[Column], texts: Sequence[Mapping[str, str]], header: bool) -> list[int]:
    headings = [_heading(column) if header else [] for column in columns]
    return [
        max((_length(text) for text in (*heading, *(row[column.name] for row in texts))), default=0)
        for column, heading in zip(columns, headings, strict=True)
    ]


def _length(text: str) -> int:
    """Places that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _render(columns: Sequence[Column], texts: Sequence[Mapping[str, str]], header: bool, color: bool) -> str:
    widths = _widths(columns, texts, header)
    numeric = [column.unit is not None or all(_is_number(row[column.name]) for row in texts) for column in columns]

    def line(cells: Sequence[str], styles: Sequence[str]) -> str:
        parts = []
        for cell, style, width, right in zip(cells, styles, widths, numeric, strict=True):
            room = " " * (width - _length(cell))
            shown = f"\x1b[{style}m{cell}\x1b[0m" if style and cell else cell
            parts.append(room + shown if right else shown + room)
        return (" " * _GAP).join(parts).rstrip() + "\n"

    lines = []
    if header:
        headings = [_heading(column) for column in columns]
        height = max(map(len, headings), default=0)
        stacked = [[""] * (height - len(heading)) + heading for heading in headings]
        lines += [line(cells, [_BOLD if color else ""] * len(columns)) for cells in zip(*stacked, strict=True)]
        lines.append(_RULE * (sum(widths) + _GAP * (len(columns) - 1)) + "\n")
    for row in texts:
        cells = [row[column.name] for column in columns]
        lines.append(line(cells, [_STYLES.get(cell, "") if color else "" for cell in cells]))
    return "".join(lines)


def _is_number(text: str) -> bool:
    return text == "-" or text.isdecimal()


def _texts(columns: Sequence[Column], rows: Sequence[Row]) -> list[dict[str, str]]:
    """Every cell for people."""
    digits = _id_digits(rows)
    texts = [{column.name: _text(column, row[column.name]) for column in columns} for row in rows]
    for row in texts:
        for name in _IDS & row.keys():
            row[name] = row[name][:digits]
    return texts


def _id_digits(rows: Sequence[Row]) -> int:
    """How many digits of an id tell it from the others; commands take such a prefix."""
    ids = {str(row.get("id")) for row in rows}
    digits = _ID_DIGITS
    while len({value[:digits] for value in ids}) < len(ids):
        digits += 1
    return digits


def _text(column: Column, cell: Cell) -> str:
    match cell:
        case None:
            return "-"
        case bool():
            return "yes" if cell else "no"
        case datetime():
            return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        case int() | float():
            return _number(cell, column.unit)
    # A record may come from anywhere: what it says must not steer the terminal.
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(cell))


def _number(value: float, unit: str | None) -> str:
    """Percent, MiB, a whole number, or four significant digits (never fewer than the whole part)."""
    if not math.isfinite(value):
        return "-"
    if unit == "fraction":
        return f"{100 * value:.2f}"
    if unit == "B":
        return f"{value / _MIB:.1f}" if abs(value) >= _MIB or value == 0 else _four_digits(value / _MIB)
    if isinstance(value, int) or value == 0:
        return str(int(value))
    return _four_digits(value)


def _four_digits(value: float) -> str:
    decimals = 3 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(decimals, 0), 6)}f}"
