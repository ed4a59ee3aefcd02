"""Counters of the processor and of the kernel, read after every call: perf_event_open(2), by its number.

They count this process and all threads that it starts afterwards.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import platform
import struct
import sys
import time
from typing import Any

import numpy as np

__all__ = ["Counters"]

_MOST_CALLS = 100_000
_CALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
"""Number of the system call, by machine."""
_HARDWARE, _SOFTWARE = 0, 1
_EVENTS = (
    ("cpu_cycles", _HARDWARE, 0),
    ("instructions", _HARDWARE, 1),
    ("cache_references", _HARDWARE, 2),
    ("cache_misses", _HARDWARE, 3),
    ("branches", _HARDWARE, 4),
    ("branch_misses", _HARDWARE, 5),
    ("stalled_cycles_frontend", _HARDWARE, 7),
    ("stalled_cycles_backend", _HARDWARE, 8),
    ("task_clock_ns", _SOFTWARE, 1),
    ("page_faults", _SOFTWARE, 2),
    ("context_switches", _SOFTWARE, 3),
    ("cpu_migrations", _SOFTWARE, 4),
)
"""Name, type and number, as in linux/perf_event.h."""
_IN_KERNEL = frozenset(("context_switches", "cpu_migrations"))
"""Happen inside of the kernel only: zeros to whoever may not count there."""
_INHERIT, _NO_KERNEL, _NO_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
_TIMES = 1 | 2  # the time that a counter was wanted, and that it ran: there may be more events than registers
_SIZE = 112
_READ = struct.Struct("=3Q")


class Counters:
    """Counts from now on.

    Args:
        folder: For ``counters.npy`` (a row a call: the samples' clock, then what was counted until then) and
            ``counters.json`` (their names, and why others are missing).
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._refused: dict[str, str] = {}
        self._files: dict[str, int] = {}
        for name, kind, number in _EVENTS:
            found = _open(name, kind, number)
            if isinstance(found, str):
                self._refused[name] = found
            else:
                self._files[name] = found
        self._rows = np.zeros((_MOST_CALLS if self._files else 0, 1 + len(self._files)), np.int64)
        self._next = itertools.count()
        self._save(0)
        self.called()

    def called(self) -> None:
        """A call is through: read all counters."""
        row = next(self._next)
        if row < len(self._rows):
            values = [_value(file) for file in self._files.values()]
            self._rows[row] = (time.perf_counter_ns(), *values)

    def close(self) -> None:
        """Write what was read."""
        rows = min(next(self._next), len(self._rows))
        for file in self._files.values():
            os.close(file)
        self._save(rows)

    def _save(self, rows: int) -> None:
        np.save(os.path.join(self._folder, "counters.npy"), self._rows[:rows])
        with open(os.path.join(self._folder, "counters.json"), "w", encoding="utf-8") as file:
            json.dump({"names": list(self._files), "refused": self._refused, "most_calls": _MOST_CALLS}, file)


def _open(name: str, kind: int, number: int) -> Any:
    """A counter's file descriptor, or why there is none."""
    call = _CALLS.get(platform.machine())
    if not sys.platform.startswith("linux") or call is None:
        return "perf_event_open is Linux's"
    system = ctypes.CDLL(None, use_errno=True).syscall
    for flags in (_INHERIT | _NO_HYPERVISOR, _INHERIT | _NO_HYPERVISOR | _NO_KERNEL):
        if flags & _NO_KERNEL and name in _IN_KERNEL:
            continue
        attributes = struct.pack("=IIQQQQQ", kind, _SIZE, number, 0, 0, _TIMES, flags).ljust(_SIZE, b"\0")
        file = system(call, ctypes.create_string_buffer(attributes, _SIZE), 0, -1, -1, 0)
        if file >= 0:
            return file
        error = ctypes.get_errno()
    return f"perf_event_open: {os.strerror(error)}"


def _value(file: int) -> int:
    """What was counted; where the counter had to share its register, what it would have been by the time it ran."""
    value, wanted, ran = _READ.unpack(os.read(file, _READ.size))
    return int(value if wanted == ran or not ran else value * wanted // ran)
