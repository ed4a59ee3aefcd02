"""What is in many files, by sha256; a file that is as it was when it was last read is not read again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlscope._files import digest, write_atomic

__all__ = ["Contents", "memory_of", "signature"]

Signature = list[int]
_SETTLED_NS = 2_000_000_000  # a file that changed just now may change again within one tick of the file system's clock
_STEP = 64


def signature(path: str) -> Signature | None:
    """What changes when a file is written or replaced, though its size and time be set back; None without a file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


class Contents:
    """Digests of files, remembered in a file of the cache.

    Args:
        memory: The file; it may be missing or damaged, which only costs reading.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, tuple[Signature, str]] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            stored = json.loads(memory.read_bytes())
            self._known = {path: (list(entry[0]), str(entry[1])) for path, entry in stored.items()}

    def digests(self, paths: Iterable[str], advance: Callable[[int], None]) -> Mapping[str, str]:
        """Path → sha256 of the file's bytes, or why it cannot be read.

        Args:
            paths: The files.
            advance: Hears how many are through.
        """
        wanted = list(dict.fromkeys(paths))
        found: dict[str, str] = {}
        learnt = False
        with ThreadPoolExecutor() as readers:
            for first in range(0, len(wanted), _STEP):
                some = wanted[first : first + _STEP]
                for path, (now, text) in zip(some, readers.map(self._digest, some), strict=True):
                    found[path] = text
                    settled = now is not None and max(now[1], now[2]) < time.time_ns() - _SETTLED_NS
                    if now is not None and settled and self._known.get(path) != (now, text):
                        self._known[path], learnt = (now, text), True
                advance(min(first + _STEP, len(wanted)))
        if learnt:
            write_atomic(self._memory, json.dumps(self._known, separators=(",", ":")))
        return found

    def _digest(self, path: str) -> tuple[Signature | None, str]:
        """The signature under which the digest may be remembered, and the digest."""
        now = signature(path)
        known = self._known.get(path)
        if now is not None and known is not None and known[0] == now:
            return now, known[1]
        try:
            text = digest(Path(path))
        except OSError as error:
            return None, f"unreadable: {error.strerror}"
        return (now if now == signature(path) else None), text


def memory_of(root: Path, folder: Path) -> Path:
    """The file that remembers the digests of a folder's files."""
    return folder / f"{hashlib.sha256(str(root).encode()).hexdigest()[:32]}.json"
