"""The bootstrap, for independent values and for values whose neighbours depend on each other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from mlscope.stats._intervals import check_confidence
from mlscope.stats._quantiles import normal_quantile, normal_tail
from mlscope.stats._series import Array, as_series, autocovariances, correlation_reach

__all__ = ["BlockLengths", "Bootstrapped", "block_bootstrap", "block_length", "bootstrap"]

Statistic = Callable[[Array], float]
_GROUPS = 200
"""The jackknife leaves out groups where there are more values than this."""


@dataclasses.dataclass(frozen=True, slots=True)
class Bootstrapped:
    """A statistic with the interval and the standard error that resampling gives it."""

    value: float
    low: float
    high: float
    standard_error: float
    resamples: int


@dataclasses.dataclass(frozen=True, slots=True)
class BlockLengths:
    """Best block lengths for the variance of a mean."""

    stationary: float
    """Expected length for the stationary bootstrap."""
    circular: float
    """Length for blocks of one size (moving or circular)."""


def bootstrap(
    values: Any,
    statistic: Statistic,
    *,
    seed: int = 0,
    resamples: int = 2000,
    confidence: float = 0.95,
    method: Literal["bca", "percentile"] = "bca",
) -> Bootstrapped:
    """Interval of any statistic of independent values.

    Efron and Tibshirani, An Introduction to the Bootstrap, sections 13.3 (percentile) and 14.3 (BCa: bias
    corrected and accelerated). For more than 200 values the acceleration comes from a jackknife over groups.

    Args:
        values: Shape [n], at least two.
        statistic: Takes an array of n values.
        seed: Of the draws.
        resamples: At least 100.
        confidence: Strictly between 0 and 1.
        method: BCa has the better coverage for skewed values; where it is not defined (all resamples on one side
            of the value), the percentile interval is given.

    Raises:
        ValueError: Too few values or resamples, or a value that is not finite.
    """
    series = as_series(values, 2)
    random = np.random.default_rng(seed)
    _check_resamples(resamples)
    draws = np.array(
        [statistic(series[random.integers(0, series.size, series.size)]) for _ in range(resamples)], np.float64
    )
    value = float(statistic(series))
    tails = _bca_tails(series, statistic, value, draws, confidence) if method == "bca" else None
    return _bootstrapped(value, draws, confidence, tails)


def block_bootstrap(
    values: Any,
    statistic: Statistic,
    *,
    length: float | None = None,
    kind: Literal["stationary", "moving"] = "stationary",
    seed: int = 0,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> Bootstrapped:
    """Percentile interval of any statistic of values whose neighbours depend on each other.

    Stretches of neighbours are drawn instead of single values: of random length round the circle of values
    (Politis and Romano, JASA 89, 1994: the stationary bootstrap), or all of one length from within the series
    (Künsch, Annals of Statistics 17, 1989: moving blocks).

    Args:
        values: Shape [n], in order of time, at least two.
        statistic: Takes an array of n values.
        length: (Expected) length of a block, 1 to n; None: :func:`block_length`.
        kind: Which blocks.
        seed: Of the draws.
        resamples: At least 100.
        confidence: Strictly between 0 and 1.

    Raises:
        ValueError: An argument out of its range, too few values, or one that is not finite.
    """
    series = as_series(values, 2)
    n = series.size
    _check_resamples(resamples)
    if length is None:
        best = block_length(series) if n >= 10 else BlockLengths(1.0, 1.0)
        length = best.stationary if kind == "stationary" else best.circular
    if not 1 <= length <= n:
        raise ValueError(f"blocks of {length} out of {n} values")
    random = np.random.default_rng(seed)
    rows = stationary_rows if kind == "stationary" else _moving_rows
    draws = np.array([statistic(series[rows(random, n, length)]) for _ in range(resamples)], np.float64)
    return _bootstrapped(float(statistic(series)), draws, confidence, None)


def block_length(values: Any) -> BlockLengths:
    """Best lengths of blocks, from the autocorrelations of the values.

    Politis and White, Econometric Reviews 23, 2004, pages 53 to 70, with the correction of Patton, Politis and
    White, Econometric Reviews 28, 2009. Lengths are at least 1 and at most ``min(3 sqrt(n), n / 3)``.

    Args:
        values: Shape [n], in order of time, at least ten.

    Raises:
        ValueError: Too few values, or one that is not finite.
    """
    series = as_series(values, 10)
    n = series.size
    most = math.ceil(math.sqrt(n)) + max(5, math.ceil(math.sqrt(math.log10(n))))
    bandwidth = min(2 * max(1, correlation_reach(series)), most)
    covariances = autocovariances(series, bandwidth)
    if covariances[0] <= 1e-24 * float(np.max(np.abs(series))) ** 2:
        return BlockLengths(1.0, 1.0)
    lags = np.arange(1, bandwidth + 1)
    # The flat-top lag window: 1 up to half the bandwidth, then down to 0.
    weighted = np.clip(2 * (1 - lags / bandwidth), 0, 1) * covariances[1:]
    spectrum = float(covariances[0] + 2 * weighted.sum())
    slope = float(2 * (lags * weighted).sum())
    if spectrum <= 0 or slope == 0:
        return BlockLengths(1.0, 1.0)
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))

    def best(variance: float) -> float:
        return float(min(max(1.0, (2 * slope**2 / variance * n) ** (1 / 3)), longest))

    return BlockLengths(stationary=best(2 * spectrum**2), circular=best(4 / 3 * spectrum**2))


def stationary_rows(random: np.random.Generator, n: int, length: float) -> Array:
    begins = random.random(n) < 1 / length
    begins[0] = True
    first = np.flatnonzero(begins)
    offset = np.arange(n) - np.repeat(first, np.diff(np.append(first, n)))
    return np.asarray((np.repeat(random.integers(0, n, first.size), np.diff(np.append(first, n))) + offset) % n)


def _moving_rows(random: np.random.Generator, n: int, length: float) -> Array:
    size = min(n, round(length))
    starts = random.integers(0, n - size + 1, -(-n // size))
    return np.asarray((starts[:, None] + np.arange(size)).reshape(-1)[:n])


def _check_resamples(resamples: int) -> None:
    if resamples < 100:
        raise ValueError(f"{resamples} resamples where at least 100 are needed")


def _bootstrapped(value: float, draws: Array, confidence: float, tails: tuple[float, float] | None) -> Bootstrapped:
    tail = check_confidence(confidence)
    low, high = np.quantile(draws, tails or (tail, 1 - tail))
    return Bootstrapped(value, float(low), float(high), float(draws.std(ddof=1)), draws.size)


def _bca_tails(
    series: Array, statistic: Statistic, value: float, draws: Array, confidence: float
) -> tuple[float, float] | None:
    below = (float(np.mean(draws < value)) + float(np.mean(draws <= value))) / 2
    if not 0 < below < 1:
        return None
    bias = normal_quantile(below)
    groups = np.array_split(np.arange(series.size), min(series.size, _GROUPS))
    left_out = np.array([statistic(np.delete(series, group)) for group in groups])
    gaps = left_out.mean() - left_out
    spread = float((gaps**2).sum()) ** 1.5
    acceleration = float((gaps**3).sum()) / (6 * spread) if spread > 0 else 0.0
    tail = check_confidence(confidence)

    def moved(probability: float) -> float:
        shifted = bias + normal_quantile(probability)
        return 1 - normal_tail(bias + shifted / (1 - acceleration * shifted))

    return moved(tail), moved(1 - tail)
