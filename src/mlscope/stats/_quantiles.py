"""Quantiles of the distributions that the intervals need, so that SciPy is not needed at run time."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np

_LARGE_FREEDOM = 300
_BISECTIONS = 60


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(probability)


def binomial_quantiles(n: int, p: float, probabilities: tuple[float, ...]) -> tuple[int, ...]:
    """Smallest k with P(B <= k) >= q, for each q, where B is binomial(n, p).

    The weights of all k near the mean follow from each other by the exact ratio
    ``P(k + 1) / P(k) = (n - k) / (k + 1) * p / (1 - p)`` and are normalised by their sum, so no factorial of
    a large number is ever taken. What lies outside of ``10 sd + 40`` round the mean has a probability below
    1e-20 by Bernstein's inequality, ``P(|B - np| > t) <= 2 exp(-t^2 / (2 (n p (1 - p) + t / 3)))``, far below
    the rounding of a double. Work grows with the square root of n.

    Args:
        n: Number of trials, at least 1.
        p: Probability of success, strictly between 0 and 1.
        probabilities: The q, each strictly between 0 and 1.
    """
    first, cumulative = _binomial_window(n, p)
    return tuple(first + int(np.searchsorted(cumulative, q)) for q in probabilities)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """P(B <= k) where B is binomial(n, p); computed as in :func:`binomial_quantiles`."""
    first, cumulative = _binomial_window(n, p)
    if k < first:
        return 0.0
    return float(cumulative[min(k - first, len(cumulative) - 1)])


def _binomial_window(n: int, p: float) -> tuple[int, np.ndarray[Any, np.dtype[np.float64]]]:
    """First k of the window and the cumulative probabilities from there on."""
    mean, reach = n * p, 10 * math.sqrt(n * p * (1 - p)) + 40
    first, last = max(0, math.floor(mean - reach)), min(n, math.ceil(mean + reach))
    k = np.arange(first, last, dtype=np.float64)
    log_weights = np.concatenate(([0.0], np.cumsum(np.log((n - k) / (k + 1)) + math.log(p) - math.log1p(-p))))
    cumulative = np.cumsum(np.exp(log_weights - log_weights.max()))
    return first, cumulative / cumulative[-1]


@lru_cache(maxsize=1024)  # the rows of a table ask for the same one
def student_t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t distribution for a whole number of degrees of freedom.

    Up to 300 degrees the distribution's finite trigonometric series (Abramowitz and Stegun 26.7.3 and 26.7.4)
    is inverted by bisection; above, the expansion 26.7.5 round the normal quantile is used (relative error
    below 1e-8 for probabilities between 0.0005 and 0.9995).

    Args:
        probability: Strictly between 0 and 1.
        freedom: Degrees of freedom, at least 1.
    """
    if probability < 0.5:
        return -student_t_quantile(1 - probability, freedom)
    if freedom > _LARGE_FREEDOM:
        return _student_t_expansion(normal_quantile(probability), freedom)
    low, high = 0.0, math.pi / 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if (1 + _student_t_central(middle, freedom)) / 2 < probability:
            low = middle
        else:
            high = middle
    return math.tan((low + high) / 2) * math.sqrt(freedom)


def normal_tail(z: float) -> float:
    """P(Z > z) of the standard normal distribution, accurate far out."""
    return math.erfc(z / math.sqrt(2)) / 2


def student_t_two_sided(t: float, freedom: int) -> float:
    """P(abs(T) > abs(t)) of Student's t distribution for a whole number of degrees of freedom.

    The trigonometric series as in :func:`student_t_quantile`; above 300 degrees the normal approximation of
    Wallace (Annals of Mathematical Statistics 30, 1959; Abramowitz and Stegun 26.7.8).
    """
    if freedom > _LARGE_FREEDOM:
        z = t * (1 - 1 / (4 * freedom)) / math.sqrt(1 + t * t / (2 * freedom))
        return 2 * normal_tail(abs(z))
    return max(0.0, 1 - _student_t_central(math.atan(abs(t) / math.sqrt(freedom)), freedom))


def _student_t_central(theta: float, freedom: int) -> float:
    """P(-t < T < t) for ``t = sqrt(freedom) tan(theta)``."""
    cos2 = math.cos(theta) ** 2
    odd = freedom % 2
    term = math.cos(theta) if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for i in range(2 + odd, freedom, 2):
        term *= cos2 * (i - 1) / i
        total += term
    total *= math.sin(theta)
    return (theta + total) * 2 / math.pi if odd else total


def _student_t_expansion(z: float, freedom: int) -> float:
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))
