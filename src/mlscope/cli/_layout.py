"""Plain two-column text, for help pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["columns", "example_lines", "rows", "wrap"]

_NAMES = 30  # columns of the names; a longer name stands on a line of its own


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns; words are never broken, not even at a hyphen."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line] if line else lines


def rows(entries: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Names in a left column, their wrapped texts in a right one."""
    entries = list(entries)
    column = 4 + min(_NAMES, max((len(name) for name, _ in entries), default=0))
    lines = []
    for name, text in entries:
        wrapped = wrap(text, max(width - column, 20)) or [""]
        first = f"  {name}"
        if len(first) + 2 > column:
            lines.append(first)
        else:
            lines.append(f"{first:<{column}}{wrapped.pop(0)}".rstrip())
        lines += [f"{'':<{column}}{line}" for line in wrapped]
    return lines


def example_lines(examples: Sequence[str]) -> list[str]:
    """The lines ``Example:`` and below."""
    return [f"Example{'s' if len(examples) > 1 else ''}:", *(f"  {each}" for each in examples)]


def columns(headings: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> list[str]:
    """A table whose last column is wrapped to `width`; the others are as wide as need be."""
    table = [*([headings] if headings else []), *cells]
    if not table:
        return []
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
    start = sum(each + 2 for each in widths[:-1])
    lines = []
    for row in table:
        first, *more = wrap(row[-1], max(width - start, 20)) or [""]
        left = "".join(f"{cell:<{each + 2}}" for cell, each in zip(row[:-1], widths, strict=False))
        lines += [f"{left}{first}".rstrip(), *(f"{'':<{start}}{line}" for line in more)]
    return lines
