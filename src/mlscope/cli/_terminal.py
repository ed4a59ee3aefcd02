"""What goes to the user's eyes: notes and warnings on stderr, results on stdout."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from typing import IO

__all__ = ["Context", "clean", "emit", "note", "say", "uses_color", "warn", "width"]

_WIDEST = 100  # longer lines of prose are hard to read


class Context:
    """What the process boundary must know of the command that it runs."""

    debug = False
    """Whether tracebacks are wanted."""


def uses_color(stream: IO[str]) -> bool:
    """Whether colours are wanted there: a terminal, and nobody said otherwise (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width(stream: IO[str]) -> int:
    """Columns for prose."""
    if not stream.isatty() and "COLUMNS" not in os.environ:
        return _WIDEST
    return min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)


def emit(text: str) -> None:
    """Write a result to stdout, with a line's end."""
    sys.stdout.write(text if text.endswith("\n") or not text else f"{text}\n")


def say(text: str, end: str = "\n") -> None:
    """Write to stderr; that nobody reads it is no error."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text + end)
        sys.stderr.flush()


def warn(text: str) -> None:
    """Say what every user must know."""
    say(f"mlscope: warning: {text}")


def note(text: str) -> None:
    """Say what a curious user wants to know."""
    say(f"mlscope: {text}")


def clean(text: object) -> str:
    """Text from elsewhere without characters that steer the terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text))
