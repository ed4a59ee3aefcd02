"""How a download tells how far it is."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "SilentProgress"]


class Progress(Protocol):
    """Hears how a download is going; `start` and `finish` come in pairs, one pair a file."""

    def start(self, name: str, total: int | None) -> None:
        """A download begins; `total` is its size in bytes, where the server tells it."""

    def advance(self, done: int) -> None:
        """`done` bytes of the file are here, counted from its beginning."""

    def finish(self) -> None:
        """The download has ended, well or not."""


class SilentProgress:
    """Hears and says nothing."""

    def start(self, name: str, total: int | None) -> None:
        """Ignore it."""

    def advance(self, done: int) -> None:
        """Ignore it."""

    def finish(self) -> None:
        """Ignore it."""
