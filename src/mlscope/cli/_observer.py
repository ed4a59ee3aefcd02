"""How an evaluation reports while it runs: a progress bar on a terminal, lines with ``--verbose`` elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mlscope.cli._terminal import note, warn

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["TerminalObserver"]

_REFRESHES_PER_S = 4  # the bar shares the cores with the model


class TerminalObserver:
    """The conductor's Observer for people; everything goes to stderr.

    Args:
        verbose: Also show notes, and stages where there is no terminal.
    """

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._total: int | None = None
        self._tenth = 0

    def __enter__(self) -> Self:
        """Show the bar, on a terminal."""
        if sys.stderr.isatty():
            self._bar = _bar()
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def stage(self, name: str, total: int | None = None) -> None:
        """A new stage begins."""
        self._stage, self._total, self._tenth = name, total, 0
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=total)
        elif self._verbose:
            note(name if total is None else f"{name} ({total})")

    def advance(self, done: int) -> None:
        """`done` steps of the stage are through, all told."""
        if self._bar is not None:
            if self._task is not None:
                self._bar.update(self._task, completed=done)
        elif self._verbose and self._total and done * 10 // self._total > self._tenth:
            self._tenth = done * 10 // self._total
            note(f"{self._stage}: {done} of {self._total}")

    def note(self, text: str) -> None:
        """For the curious."""
        if self._verbose:
            self._above(note, text)

    def warn(self, text: str) -> None:
        """For everybody."""
        self._above(warn, text)

    def _above(self, say: Callable[[str], None], text: str) -> None:
        """Say it without tearing the bar."""
        if self._bar is None:
            say(text)
            return
        self._bar.stop()
        say(text)
        self._bar.start()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        refresh_per_second=_REFRESHES_PER_S,
        transient=True,
    )
