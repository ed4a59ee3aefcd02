"""What looking at the clock and sleeping cost on this machine, measured."""

from __future__ import annotations

import itertools
import statistics
import time

__all__ = ["measure_clocks"]

_LOOKS = 2000
_SLEEPS = 15
_SLEEP_S = 0.001


def measure_clocks() -> dict[str, float]:
    """Measure the clock that all samples are taken with; takes some 20 ms.

    Returns:
        ``timer_cost_ns``: median time of one ``perf_counter_ns``, read back to back; ``timer_step_ns``: the smallest
        step that it was seen to make; ``sleep_overshoot_ns`` and ``sleep_overshoot_max_ns``: by how much a sleep of
        1 ms takes longer, median and longest.
    """
    now = time.perf_counter_ns
    looks = [now() for _ in range(_LOOKS)]
    steps = [after - before for before, after in itertools.pairwise(looks)]
    late = []
    for _ in range(_SLEEPS):
        begin = now()
        time.sleep(_SLEEP_S)
        late.append(now() - begin - _SLEEP_S * 1e9)
    return {
        "timer_cost_ns": float(statistics.median(steps)),
        "timer_step_ns": float(min((step for step in steps if step > 0), default=0)),
        "sleep_overshoot_ns": float(statistics.median(late)),
        "sleep_overshoot_max_ns": float(max(late)),
    }
