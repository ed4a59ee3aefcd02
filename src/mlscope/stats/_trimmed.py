"""The trimmed mean by which MLModelScope averages."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

__all__ = ["trimmed_mean"]

_CUT = 5
"""One in so many values is cut at each end."""


def trimmed_mean(values: Sequence[float]) -> float:
    """Mean without the smallest and the largest fifth (rounded down), cut alike at both ends.

    As in MLModelScope: of three values it is the median, of fewer the plain mean. There, of four values the largest
    alone was cut.

    Args:
        values: Shape [n], at least one.

    Raises:
        ValueError: No values.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    if len(values) == 3:
        return float(statistics.median(values))
    cut = len(values) // _CUT
    kept = sorted(values)[cut : len(values) - cut]
    return float(sum(kept) / len(kept))
