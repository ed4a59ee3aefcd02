"""Downloads as stages of an observer."""

from __future__ import annotations

from mlscope.conductor._outcome import Observer

__all__ = ["DownloadProgress"]


class DownloadProgress:
    """Reports a download (bytes) to an observer; implements :class:`mlscope.assets.Progress`."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def start(self, name: str, total: int | None) -> None:
        """A download of `total` bytes begins."""
        self._observer.stage(f"download {name}", total)

    def advance(self, done: int) -> None:
        """`done` bytes are here."""
        self._observer.advance(done)

    def finish(self) -> None:
        """The download is over."""
