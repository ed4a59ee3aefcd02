"""MLPerf's early stopping: how many queries a percentile needs before LoadGen trusts it.

A percentile p is met with confidence c when, were it not, so few queries over the bound would be seen with a
probability below 1 - c. Of n queries t lie over the bound; that count is binomial(n, 1 - p) at the worst, so the
condition is ``P(B <= t) < 1 - c``. Source: mlcommons/inference, loadgen/early_stopping.cc and results.cc (the
confidence is 0.99 and there is no tolerance).
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from mlscope.stats._intervals import Values
from mlscope.stats._quantiles import binomial_cdf, binomial_quantiles

__all__ = ["EarlyStopping", "early_stopping_estimate", "early_stopping_passes", "early_stopping_queries"]

_CONFIDENCE = 0.99


@dataclasses.dataclass(frozen=True, slots=True)
class EarlyStopping:
    """What early stopping makes of the latencies of a SingleStream or MultiStream test."""

    percentile: float
    """In percent."""
    queries: int
    needed: int
    """The fewest queries with which there is an estimate at all."""
    discarded: int | None
    """How many of the highest latencies are left out; None where there are too few queries."""
    estimate: float | None
    """Percentile estimate in the unit of the values, on the safe side; None where there are too few queries."""


def early_stopping_queries(over: int, percentile: float, confidence: float = _CONFIDENCE) -> int:
    """The fewest queries of which `over` may lie over the bound.

    Args:
        over: Queries over the latency bound, 0 or more.
        percentile: In percent, strictly between 0 and 100.
        confidence: Strictly between 0 and 1; LoadGen's is 0.99.

    Raises:
        ValueError: An argument out of its range.
    """
    if over < 0:
        raise ValueError(f"{over} queries over the bound")
    above = _above(percentile, confidence)
    low, high = over, over + 1  # `low` is never enough: all queries would be over the bound
    while not _passes(over, high, above, confidence):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _passes(over, middle, above, confidence):
            high = middle
        else:
            low = middle
    return high


def early_stopping_passes(over: int, queries: int, percentile: float, confidence: float = _CONFIDENCE) -> bool:
    """Whether a Server test with so many queries over its latency bound meets the percentile (LoadGen's rule).

    Raises:
        ValueError: An argument out of its range.
    """
    if not 0 <= over <= queries:
        raise ValueError(f"{over} of {queries} queries over the bound")
    return queries > 0 and _passes(over, queries, _above(percentile, confidence), confidence)


def early_stopping_estimate(sorted_values: Values, percentile: float, confidence: float = _CONFIDENCE) -> EarlyStopping:
    """LoadGen's estimate of a percentile from the latencies of a SingleStream or MultiStream test.

    Of n latencies the t highest are given up, where t is the largest count that passes; the estimate is the
    t-th highest, which lies above the plain percentile.

    Args:
        sorted_values: Shape [n], latency of each query, ascending; at least one.
        percentile: In percent: 90 for SingleStream and 99 for MultiStream, unless a conf file says otherwise.
        confidence: Strictly between 0 and 1; LoadGen's is 0.99.

    Raises:
        ValueError: No values, or an argument out of its range.
    """
    n = len(sorted_values)
    if n == 0:
        raise ValueError("early stopping needs at least one query")
    above = _above(percentile, confidence)
    needed = early_stopping_queries(1, percentile, confidence)
    if n < needed:
        return EarlyStopping(percentile, n, needed, None, None)
    # The smallest count that does not pass follows the largest that does.
    over = binomial_quantiles(n, above, (1 - confidence,))[0] - 1
    return EarlyStopping(percentile, n, needed, over - 1, float(sorted_values[n - over]))


def _passes(over: int, queries: int, above: float, confidence: float) -> bool:
    return binomial_cdf(over, queries, above) < 1 - confidence


def _above(percentile: float, confidence: float) -> float:
    """The share of queries that lie over the percentile."""
    if not 0 < percentile < 100:
        raise ValueError(f"a percentile lies strictly between 0 and 100, not at {percentile}")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies strictly between 0 and 1, not at {confidence}")
    return float(1 - Fraction(str(percentile)) / 100)
