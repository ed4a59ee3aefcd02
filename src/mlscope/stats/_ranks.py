"""Tests and effect sizes by ranks."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from mlscope.stats._intervals import check_confidence
from mlscope.stats._quantiles import normal_quantile, normal_tail
from mlscope.stats._series import Array, as_series, midranks

__all__ = ["Shift", "cliffs_delta", "hodges_lehmann", "mann_whitney", "signed_rank"]

_EXACT = 60
_MOST_PAIRS = 4_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Shift:
    """A shift with its interval, and the probability of so clear a one where there is none."""

    value: float
    low: float | None
    high: float | None
    """None where there are too few values for the confidence."""
    p: float


def signed_rank(differences: Any, confidence: float = 0.95) -> Shift:
    """Wilcoxon's signed-rank test of pairs, with the Hodges-Lehmann estimate and Tukey's interval.

    The estimate is the median of the means of all pairs of differences (Hodges and Lehmann, Annals of Mathematical
    Statistics 34, 1963); the interval cuts them where the test does (Hollander and Wolfe, Nonparametric Statistical
    Methods, sections 3.1 to 3.3). Exact for up to 60 differences without ties or zeros, else by the normal
    approximation with a correction for continuity.

    Args:
        differences: Shape [n], one for each pair, at least one.
        confidence: Strictly between 0 and 1.

    Raises:
        ValueError: No differences, or one that is not finite.
    """
    series = as_series(differences, 1)
    n = series.size
    rows, columns = np.triu_indices(n)
    walsh = np.sort((series[rows] + series[columns]) / 2)
    tail = check_confidence(confidence)
    mean, deviation = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    if n <= _EXACT:
        cumulative = _signed_rank_cdf(n)
        inner = int(np.searchsorted(cumulative, tail, side="right")) - 1  # the largest w with P(W <= w) <= tail
    else:
        inner = math.floor(mean - 0.5 - normal_quantile(1 - tail) * deviation)
    bounded = 0 <= inner < walsh.size / 2
    return Shift(
        float(np.median(walsh)),
        float(walsh[inner]) if bounded else None,
        float(walsh[-1 - inner]) if bounded else None,
        _signed_rank_p(series),
    )


def mann_whitney(first: Any, second: Any) -> float:
    """Two-sided p-value of the Mann-Whitney test, by the normal approximation with ties and continuity corrected.

    Mann and Whitney, Annals of Mathematical Statistics 18, 1947; Hollander and Wolfe, section 4.1. Values must be
    independent.

    Raises:
        ValueError: One side is empty, or a value is not finite.
    """
    one, two = as_series(first, 1), as_series(second, 1)
    joined = np.concatenate((one, two))
    n, m, total = one.size, two.size, one.size + two.size
    statistic = float(midranks(joined)[:n].sum()) - n * (n + 1) / 2
    _, ties = np.unique(joined, return_counts=True)
    cubes = float((ties.astype(np.float64) ** 3 - ties).sum())
    variance = n * m / 12 * (total + 1 - cubes / (total * max(total - 1, 1)))
    if variance <= 0:
        return 1.0
    gap = max(0.0, abs(statistic - n * m / 2) - 0.5)
    return min(1.0, 2 * normal_tail(gap / math.sqrt(variance)))


def cliffs_delta(first: Any, second: Any) -> float:
    """How often a value of the second side is larger than one of the first, less how often it is smaller; -1 to 1.

    Cliff, Psychological Bulletin 114, 1993. Below 0.147 it is usually called negligible, below 0.33 small, below
    0.474 medium (Romano and others, 2006).

    Raises:
        ValueError: One side is empty, or a value is not finite.
    """
    one, two = np.sort(as_series(first, 1)), as_series(second, 1)
    smaller = np.searchsorted(one, two, side="left").astype(np.float64)
    larger = one.size - np.searchsorted(one, two, side="right")
    return float((smaller - larger).sum() / (one.size * two.size))


def hodges_lehmann(first: Any, second: Any) -> float:
    """By how much the second side is larger: the median of all differences between the sides.

    Hodges and Lehmann, Annals of Mathematical Statistics 34, 1963. Where there are more than four million
    differences, evenly spaced order statistics stand for each side.

    Raises:
        ValueError: One side is empty, or a value is not finite.
    """
    one, two = as_series(first, 1), as_series(second, 1)
    if one.size * two.size > _MOST_PAIRS:
        grid = np.linspace(0, 1, math.isqrt(_MOST_PAIRS))
        one, two = np.quantile(one, grid), np.quantile(two, grid)
    return float(np.median(two[:, None] - one[None, :]))


def _signed_rank_p(series: Array) -> float:
    kept = series[series != 0]
    n = kept.size
    if n == 0:
        return 1.0
    ranks = midranks(np.abs(kept))
    plus = float(ranks[kept > 0].sum())
    smaller = min(plus, n * (n + 1) / 2 - plus)
    _, ties = np.unique(ranks, return_counts=True)
    if n <= _EXACT and n == series.size and (ties == 1).all():
        return min(1.0, 2 * float(_signed_rank_cdf(n)[round(smaller)]))
    variance = n * (n + 1) * (2 * n + 1) / 24 - float((ties.astype(np.float64) ** 3 - ties).sum()) / 48
    gap = max(0.0, n * (n + 1) / 4 - smaller - 0.5)
    return min(1.0, 2 * normal_tail(gap / math.sqrt(variance))) if variance > 0 else 1.0


def _signed_rank_cdf(n: int) -> Array:
    """P(W <= w) for w = 0, 1, …: each rank is in the sum or not, as a fair coin says."""
    found = np.ones(1)
    for rank in range(1, n + 1):
        longer = np.zeros(found.size + rank)
        longer[: found.size] += found / 2
        longer[rank:] += found / 2
        found = longer
    return np.cumsum(found)
