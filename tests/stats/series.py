"""Series of latencies as machines make them: skewed, and neighbours alike."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def autoregressive(n: int, coefficient: float, seed: int) -> Array:
    """AR(1) with standard normal innovations, beginning with one of them."""
    noise = np.random.default_rng(seed).normal(size=n)
    found = np.empty(n)
    level = 0.0
    for i, step in enumerate(noise.tolist()):
        level = coefficient * level + step
        found[i] = level
    return found


def latencies(n: int, seed: int, *, centre: float = 5e6) -> Array:
    """Latencies round 5 ms: a floor, a long tail, a level that wanders, and now and then a burst of slow ones."""
    random = np.random.default_rng(seed)
    wandering = 0.01 * autoregressive(n, 0.9, seed + 10_000) * np.sqrt(1 - 0.9**2)
    tail = random.lognormal(-3.5, 0.8, n)
    bursts = np.zeros(n)
    for begin in np.flatnonzero(random.random(n) < 0.002).tolist():
        bursts[begin : begin + int(random.integers(1, 6))] += random.exponential(0.5)
    return np.asarray(centre * (1 + wandering + tail + bursts))
