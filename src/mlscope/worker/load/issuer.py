"""The issuer: ``python -m mlscope.worker.load.issuer ARRIVALS WAKE``, a process of its own beside the worker.

It issues each request of an arrivals file (:data:`mlscope.worker.protocol.ARRIVALS_HEADER`) at its time: stamps it and
writes a byte into the pipe that wakes the worker. It sleeps until shortly before, and where it was given a core to
spare it spins the rest; in the worker a spinning thread would hold the interpreter's lock and ruin the latencies.

It starts when a line comes on stdin, and leaves when nobody reads the pipe any more.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import mmap
import os
import signal
import sys
import time

from mlscope.worker.load.clock import LEAD_NS, wait_until
from mlscope.worker.protocol import ARRIVALS_HEADER

__all__ = ["main"]

_BEGIN, _ISSUED, _, _ENDED, _ = range(len(ARRIVALS_HEADER))
_PR_SET_TIMERSLACK = 29


def main(arguments: list[str]) -> int:
    """Issue everything; 0, or 1 when the worker has gone."""
    parser = argparse.ArgumentParser(prog="mlscope issuer")
    parser.add_argument("arrivals")
    parser.add_argument("wake")
    parser.add_argument("--spin-ns", type=int, default=0, help="spin for so long before a request is due")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _wake_exactly()
    with open(options.arrivals, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        words = memoryview(mapped).cast("q")
        if not sys.stdin.readline():
            return 1  # the core has gone
        wake = os.open(options.wake, os.O_WRONLY | os.O_NONBLOCK)
        gc.disable()
        with contextlib.suppress(BrokenPipeError):
            _issue(words, wake, options.spin_ns)
            words[_ENDED] = 1
        os.close(wake)
        ended = words[_ENDED]
        words.release()
    return 0 if ended else 1


def _wake_exactly() -> None:
    """Linux wakes sleepers up to 50 microseconds late, unless they ask for less."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def _wake_up(wake: int) -> None:
    with contextlib.suppress(BlockingIOError):  # it is full of wake-ups that the worker has not read yet
        os.write(wake, b".")


def _issue(words: memoryview, wake: int, spin_ns: int) -> None:
    head = len(ARRIVALS_HEADER)
    count = (len(words) - head) // 3
    offsets, issued = words[head : head + count], words[head + 2 * count :]
    begin = words[_BEGIN] = time.perf_counter_ns() + LEAD_NS
    for number in range(count):
        issued[number] = wait_until(begin + offsets[number], spin_ns)
        words[_ISSUED] = number + 1
        _wake_up(wake)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
