"""Intervals: percentiles, proportions, means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mlscope.stats._quantiles import binomial_quantiles, normal_quantile, student_t_quantile

Values = Sequence[float] | np.ndarray[Any, np.dtype[Any]]


def percentile_with_interval(
    sorted_values: Values, p: float, confidence: float = 0.95
) -> tuple[float, float | None, float | None]:
    """A percentile by nearest rank and its interval from order statistics.

    Of n values, the percentile is the one of rank ``ceil(p n / 100)``. The interval makes no assumption about
    the
    distribution: the number of values below the true percentile is binomial(n, p / 100), so its bounds are
    the values of the ranks that leave at most ``(1 - confidence) / 2`` on either side (Hahn and Meeker,
    Statistical Intervals, section 5.2; Conover, Practical Nonparametric Statistics, section 3.2). It covers
    with at least the confidence asked for, provided the values are independent.

    Args:
        sorted_values: Shape [n], ascending, at least one.
        p: Percentile in percent, strictly between 0 and 100.
        confidence: Strictly between 0 and 1.

    Returns:
        Value, lower and upper bound in the unit of the values; a bound is None where no value lies far
        enough out (the upper one of a 99th percentile needs 368 values at 95 %).

    Raises:
        ValueError: No values, or `p` or `confidence` out of range.
    """
    n = len(sorted_values)
    if n == 0:
        raise ValueError("a percentile needs at least one value")
    if not 0 < p < 100:
        raise ValueError(f"a percentile lies strictly between 0 and 100, not at {p}")
    tail = check_confidence(confidence)
    # str, because 99.9 means 999/1000 and not the double next to it, which would shift the rank by one.
    rank = math.ceil(Fraction(str(p)) * n / 100)
    low, below_high = binomial_quantiles(n, p / 100, (tail, 1 - tail))
    high = below_high + 1
    return (
        float(sorted_values[rank - 1]),
        float(sorted_values[low - 1]) if low >= 1 else None,
        float(sorted_values[high - 1]) if high <= n else None,
    )


def wilson_interval(good: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson, JASA 22, 1927, pages 209 to 212).

    Args:
        good: Successes, 0 to `n`.
        n: Trials; with none nothing is known, and the interval is 0 to 1.
        confidence: Strictly between 0 and 1.

    Returns:
        Lower and upper bound, 0 to 1.

    Raises:
        ValueError: `good` or `confidence` out of range.
    """
    if not 0 <= good <= n:
        raise ValueError(f"{good} successes of {n} trials")
    z = normal_quantile(1 - check_confidence(confidence))
    if n == 0:
        return 0.0, 1.0
    share = good / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The bounds are exact at the ends; rounding must not move them past the share itself.
    return (0.0 if good == 0 else max(0.0, centre - half)), (1.0 if good == n else min(1.0, centre + half))


def mean_interval(values: Values, confidence: float = 0.95) -> tuple[float, float | None, float | None]:
    """Mean and its interval by Student's t.

    Right for independent values that are about normal, such as the means of repetitions or of long batches.
    It is not for raw latencies, which follow on each other: see :func:`throughput_interval`.

    Args:
        values: Shape [n], at least one.
        confidence: Strictly between 0 and 1.

    Returns:
        Mean, lower and upper bound; the bounds are None for fewer than two values.

    Raises:
        ValueError: No values, or `confidence` out of range.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError("a mean needs at least one value")
    tail = check_confidence(confidence)
    mean = float(array.mean())
    if array.size < 2:
        return mean, None, None
    half = student_t_quantile(1 - tail, array.size - 1) * float(array.std(ddof=1)) / math.sqrt(array.size)
    return mean, mean - half, mean + half


def check_confidence(confidence: float) -> float:
    """What a two-sided interval leaves on each side.

    Raises:
        ValueError: The confidence does not lie strictly between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies strictly between 0 and 1, not at {confidence}")
    return (1 - confidence) / 2
