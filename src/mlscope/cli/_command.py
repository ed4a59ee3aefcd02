"""What the table of commands says of each."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Command", "Path"]

Path = tuple[str, ...]


class Command(NamedTuple):
    """One command or group of commands."""

    summary: str
    """One sentence; the first line of the function's docstring says the same."""
    target: str | None = None
    """``module:function``; None for a mere group."""
    examples: tuple[str, ...] = ()
    """Command lines that work as they stand, apart from file names."""
