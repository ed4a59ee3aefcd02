"""The one error that the worker raises on purpose; it becomes a :class:`~mlscope.worker.protocol.Failed`."""

from __future__ import annotations

__all__ = ["Problem"]


class Problem(Exception):
    """What is wrong, and of which `kind` (see :class:`~mlscope.worker.protocol.Failed`)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
