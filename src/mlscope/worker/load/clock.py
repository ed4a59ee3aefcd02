"""Waiting for a time, exactly."""

from __future__ import annotations

import time

__all__ = ["LEAD_NS", "wait_until"]

LEAD_NS = 20_000_000
"""From the start of a run to its schedule's beginning: longer than it takes to set out."""


def wait_until(due: int, spin_ns: int) -> int:
    """Sleep, and spin the last `spin_ns`, until ``perf_counter_ns`` is `due`; returns the time that it is."""
    now = time.perf_counter_ns()
    rest = due - now - spin_ns
    if rest > 0:
        time.sleep(rest / 1e9)
        now = time.perf_counter_ns()
    while now < due:
        now = time.perf_counter_ns()
    return now
