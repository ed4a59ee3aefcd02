"""Names of evaluations that sort by the time they were made."""

from __future__ import annotations

import secrets
import threading
import time

__all__ = ["new_id"]

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """32 hex digits of a UUID version 7 (RFC 9562).

    48 bits of Unix milliseconds, 12 bits of the millisecond's fraction (the RFC's method 3), 62 random bits.
    Ids of one process are strictly increasing, even when the clock steps back.
    """
    global _last  # noqa: PLW0603 - the last time that was given out is the process' own
    now_ns = time.time_ns()
    milliseconds, rest_ns = divmod(now_ns, 1_000_000)
    with _lock:
        _last = max(_last + 1, milliseconds << 12 | (rest_ns << 12) // 1_000_000)
        ticks = _last
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return f"{value:032x}"
