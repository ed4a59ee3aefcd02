"""Things of the cache that are in use: not removed as long as somebody holds a lease of them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mlscope._files import explain_os_errors

__all__ = ["Lease"]


class Lease:
    """A lock (flock) on a file that stands for a thing; given back when this object dies."""

    def __init__(self, path: Path) -> None:
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def take(self, how: int, *, wait: bool) -> bool:
        """Take the lock, ``fcntl.LOCK_SH`` or ``LOCK_EX``; False where somebody else has it."""
        try:
            fcntl.flock(self._handle, how if wait else how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give it back."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            self.close()
