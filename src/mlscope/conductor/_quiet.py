"""Whether anything but the measured processes takes processor time."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["BlockWatch", "wait_for_rest"]

_FOREIGN = 0.06
"""Share of one core that others may take."""
_GRAIN_S = 0.04
"""The kernel counts in ticks of 10 ms on each core: so much may be an error of counting."""
_DELAYED = 0.03
"""Share of a block in which the measured processes may have waited for a core."""
_PAUSE_S = 0.02
"""Longer than two of the kernel's ticks: what a running thread has taken is counted at a tick."""
_AT_REST = 0.1
"""Share of a pause that a process may take that is at rest."""
_LONGEST_SPIN_S = 0.5


def wait_for_rest(pids: Sequence[int]) -> None:
    """Wait, half a second at most, until the threads of these processes are at rest.

    ONNX Runtime's threads go on spinning for some 80 ms after a call (seen): the next process' block would share its
    cores with them. Where the kernel does not tell what a process ran, one pause is waited.
    """
    end, ran = time.perf_counter() + _LONGEST_SPIN_S, _ran(pids)
    while pids and time.perf_counter() < end:
        time.sleep(_PAUSE_S)
        now = _ran(pids)
        if now - ran < _AT_REST * _PAUSE_S:
            return
        ran = now


class BlockWatch:
    """Looks at the machine before and after a block.

    What others take shows in two ways: as busy or stolen time of the cores that is not that of the measured
    processes (``/proc/stat``, ticks of 10 ms), and as time in which the measured processes were ready and had no
    core (``schedstat``, nanoseconds, where the kernel keeps it). Where neither can be read, nothing is seen.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = (*pids, os.getpid())
        self._measured = tuple(pids)
        self._tick = 1 / os.sysconf("SC_CLK_TCK")
        self._before = self._look()

    def begin(self) -> None:
        """A block begins."""
        self._before = self._look()

    def settle(self, pids: Sequence[int]) -> None:
        """:func:`wait_for_rest` of these processes, which is no part of the block."""
        then = self._look()
        wait_for_rest(pids)
        busy, own, waited, at = (
            before + now - past for before, now, past in zip(self._before, self._look(), then, strict=True)
        )
        self._before = (busy, own, waited, at)

    def disturbed(self) -> bool:
        """Whether others took more than a little since :meth:`begin`."""
        busy, ran, waited, at = (now - then for now, then in zip(self._look(), self._before, strict=True))
        if ran <= 0:  # another kernel, or processes in a container: what is foreign cannot be told
            return False
        return busy - ran > _FOREIGN * at + _GRAIN_S or waited > _DELAYED * at

    def _look(self) -> tuple[float, float, float, float]:
        """Busy and stolen seconds of all cores, seconds of our processes, seconds that they waited, the time."""
        ran = [_scheduled(pid) for pid in self._pids]
        waited = sum(pair[1] for pid, pair in zip(self._pids, ran, strict=True) if pid in self._measured)
        return self._busy(), sum(pair[0] for pair in ran), waited, time.perf_counter()

    def _busy(self) -> float:
        try:
            fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
        except (OSError, IndexError):
            return 0.0
        user, nice, system, _, _, interrupts, soft, stolen = map(int, fields)
        return (user + nice + system + interrupts + soft + stolen) * self._tick


def _ran(pids: Sequence[int]) -> float:
    """Seconds that these processes ran."""
    return sum(_scheduled(pid)[0] for pid in pids)


def _scheduled(pid: int) -> tuple[float, float]:
    """Seconds that a process' threads ran, and that they waited for a core."""
    ran = waited = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            numbers = path.read_text(encoding="ascii").split()
            ran, waited = ran + int(numbers[0]), waited + int(numbers[1])
        except (OSError, ValueError, IndexError):  # the thread has just ended, or there is no such statistic
            continue
    return ran / 1e9, waited / 1e9
