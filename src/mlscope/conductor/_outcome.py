"""What an evaluation gives back, and how it reports while it runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Protocol

from mlscope.errors import MlscopeError
from mlscope.results import Record

__all__ = ["Observer", "Outcome", "Prediction", "SilentObserver"]


class Observer(Protocol):
    """Hears how an evaluation is going; implemented by the terminal."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A new stage begins; `total` is how many steps it has, where that is known."""

    def advance(self, done: int) -> None:
        """`done` steps of the current stage are through."""

    def note(self, text: str) -> None:
        """Something that a curious user wants to know (``--verbose``)."""

    def warn(self, text: str) -> None:
        """Something that every user must know."""


class SilentObserver:
    """Hears and says nothing."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Ignore it."""

    def advance(self, done: int) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""

    def warn(self, text: str) -> None:
        """Ignore it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one picture of ``predict urls``."""

    source: str
    error: str | None
    top: tuple[tuple[int, str, float], ...]
    """(class index, label, probability), best first, at most five."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """One repetition of an evaluation."""

    record: Record
    folder: Path | None
    """The sealed run folder; None with ``--no-record``."""
    error: MlscopeError | None = None
    """Why it did not complete; the record holds what was measured until then."""
    publish_error: MlscopeError | None = None
    """Why it could not be published; the run folder stays."""
    loadgen_summary: str | None = None
    """LoadGen's own summary file, whole."""
    predictions: tuple[Prediction, ...] = ()
    interrupted: bool = False
    """Whether Ctrl-C was pressed, be it only while the run was put away."""
