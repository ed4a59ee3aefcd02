"""Interleaved pairs: A B A B …, the ratio of each pair, their median with a 95 % interval.

A block during which other processes (or the hypervisor) took processor time is repeated.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import time
from collections.abc import Callable

import numpy as np

from mlscope.stats import percentile_with_interval

__all__ = ["Ratio", "compare", "quiet"]

hurry = False
"""Neither wait for silence nor repeat what was disturbed: to try the code, not to believe the figures."""

_TRIES = 6
_PATIENCE_S = 120.0
_FOREIGN = 0.06
"""Share of one core that others may take during a block."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ratio:
    """Median ratio of pairs A / B."""

    name: str
    median: float
    low: float | None
    high: float | None
    pairs: int
    repeated: int
    a: float
    b: float
    unit: str
    limit: str
    difference: bool = False
    """Whether the figure is A - B instead of A / B."""

    def line(self) -> str:
        """One row of the report."""
        known = self.low is not None and self.high is not None
        interval = f"{self.low:.3f} to {self.high:.3f}" if known else "too few pairs"
        return (
            f"| {self.name} | {self.median:.3f} | {interval} | {self.limit} | "
            f"{self.a:.4g} / {self.b:.4g} {self.unit} | {self.pairs} | {self.repeated} |"
        )


def _ticks() -> tuple[float, float]:
    """Busy and stolen seconds of all cores."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    hertz = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / hertz, steal / hertz


def _own() -> float:
    """Processor seconds of this process and of its children that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def _await_silence() -> None:
    """Wait, two minutes at most, for a second in which the machine does nothing."""
    end = time.perf_counter() + (0.0 if hurry else _PATIENCE_S)
    while time.perf_counter() < end:
        busy, stolen = _ticks()
        time.sleep(1.0)
        busy_now, stolen_now = _ticks()
        if busy_now - busy + stolen_now - stolen < _FOREIGN:
            return


def quiet(block: Callable[[], float]) -> tuple[float, int]:
    """Run a block until nothing disturbed it (at most six times); returns its value and the repetitions.

    The block's own child processes must have ended when it returns.
    """
    value = 0.0
    for attempt in range(1 if hurry else _TRIES):
        _await_silence()
        busy, stolen = _ticks()
        own, begin = _own(), time.perf_counter()
        value = block()
        seconds = time.perf_counter() - begin
        busy_now, stolen_now = _ticks()
        foreign = (busy_now - busy) - (_own() - own) + (stolen_now - stolen)
        if foreign < _FOREIGN * seconds + 0.05:
            return value, attempt
    return value, attempt


def compare(
    name: str,
    a: Callable[[], float],
    b: Callable[[], float],
    *,
    pairs: int,
    unit: str,
    limit: str,
    difference: bool = False,
) -> Ratio:
    """Run `pairs` interleaved pairs, the order within a pair alternating; one pair beforehand is thrown away."""
    a()
    b()
    found: list[tuple[float, float]] = []
    repeated = 0
    for number in range(pairs):
        first, second = (a, b) if number % 2 == 0 else (b, a)
        one, more = quiet(first)
        two, again = quiet(second)
        repeated += more + again
        found.append((one, two) if number % 2 == 0 else (two, one))
    values = np.array(found)
    ratios = np.sort(values[:, 0] - values[:, 1] if difference else values[:, 0] / values[:, 1])
    _, low, high = percentile_with_interval(ratios, 50)
    medians = np.median(values, axis=0)
    return Ratio(
        name,
        float(np.median(ratios)),
        low,
        high,
        pairs,
        repeated,
        float(medians[0]),
        float(medians[1]),
        unit,
        limit,
        difference,
    )
