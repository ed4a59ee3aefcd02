"""Where the warm-up ends, and whether a run is steady after it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from mlscope.stats._intervals import check_confidence
from mlscope.stats._quantiles import normal_quantile, normal_tail
from mlscope.stats._series import Array, as_series, autocorrelation, long_run_variance, midranks

__all__ = ["ChangePoint", "Drift", "WarmUp", "block_medians", "change_point", "drift", "warm_up"]

_BLOCKS = 240
_FEWEST = 20
_TREND_BLOCKS = 60
"""Fewer than for the warm-up: longer blocks depend less on each other."""
_SURE = 0.002
_ROUNDS = 6
_PARTS = (1, 2, 4, 8)
_MATTERS = 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class ChangePoint:
    """The place at which a series most likely changed its level."""

    index: int
    """Values before the change, 1 to n - 1."""
    p: float
    """Probability of so large a statistic where nothing changes."""
    curve: Array
    """Shape [n - 1]: the statistic for a change after 1, 2, … values; what a plot shows."""


@dataclasses.dataclass(frozen=True, slots=True)
class WarmUp:
    """How many values at the beginning are larger than the rest, as times are while something warms up."""

    cut: int
    """Values to leave out; 0 where the beginning is like the rest."""
    block: int
    """Values of one block of the evidence."""
    medians: Array
    """Shape [blocks]: the evidence, the median of each block in order."""
    curve: Array
    """Shape [blocks - 1]: the change-point statistic of the blocks, for a plot."""
    p: float
    """Probability of so clear a change where there is none, at the first look."""
    ratio: float
    """Median of what is cut over the median of the rest; 1 where nothing is cut."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drift:
    """A trend over a run."""

    relative: float
    """Change from begin to end along the trend, as a share of the median: 0.1 is 10 % slower at the end."""
    low: float
    high: float
    """Interval of `relative`."""
    p: float
    """Probability of so clear a trend where there is none."""
    autocorrelation: float
    """Of the blocks, at lag 1."""


def block_medians(values: Any, blocks: int = _BLOCKS) -> tuple[Array, int]:
    """Medians of equally long stretches of neighbours; a rest at the end that fills no block is left out.

    Args:
        values: Shape [n], in order of time.
        blocks: How many there may be at most.

    Returns:
        The medians and the values of one block; each value is its own block where there are few.
    """
    series = as_series(values, 1)
    block = -(-series.size // blocks)
    count = series.size // block
    return np.median(series[: count * block].reshape(count, block), axis=1), block


def change_point(values: Any) -> ChangePoint:
    """The likeliest single change of level, found by ranks, so that no outlier is taken for one.

    The cumulated ranks less their mean (Pettitt, Applied Statistics 28, 1979), divided by the long-run standard
    deviation of the ranks round the two levels, so that neighbours may depend on each other (Dehling, Fried,
    Garcia and Wendler, in Asymptotic Laws and Methods in Stochastics, 2015). The largest has Kolmogorov's
    distribution.

    Args:
        values: Shape [n], in order of time, at least 20.

    Raises:
        ValueError: Too few values, or one that is not finite.
    """
    series = as_series(values, _FEWEST)
    n = series.size
    ranks = midranks(series)
    sums = np.cumsum(ranks - (n + 1) / 2)[:-1]
    index = int(np.argmax(np.abs(sums))) + 1
    residuals = ranks.copy()
    residuals[:index] -= ranks[:index].mean()
    residuals[index:] -= ranks[index:].mean()
    spread = math.sqrt(max(_cautious_variance(residuals), 1e-12) * n)
    curve = np.abs(sums) / spread
    return ChangePoint(index, _kolmogorov_tail(float(curve[index - 1])), curve)


def warm_up(values: Any) -> WarmUp:
    """Where the warm-up ends, by change points of block medians; it lies in the first half or nowhere.

    The whole series is looked at, and its first half, quarter and eighth, where a short warm-up stands out; the
    p-values are multiplied by their number. After a cut the rest is looked at again, six times at most, because a
    warm-up fades out more often than it ends at once. Changes with a p-value above 0.2 % are none, and neither is a
    beginning that is less than 2 % slower than what follows: a cut costs data.

    Args:
        values: Shape [n], times in their order, at least 20.

    Raises:
        ValueError: Too few values, or one that is not finite.
    """
    series = as_series(values, _FEWEST)
    medians, block = block_medians(series)
    cut, first_p = 0, 1.0
    for number in range(_ROUNDS):
        rest = series[cut:]
        if rest.size < _FEWEST:
            break
        length, p = _first_change(rest)
        if number == 0:
            first_p = p
        slower = float(np.median(rest[:length])) >= (1 + _MATTERS) * float(np.median(rest[length:]))
        if p >= _SURE or not slower or cut + length > series.size // 2:
            break
        cut += length
    steady = float(np.median(series[cut:]))
    ratio = float(np.median(series[:cut])) / steady if cut and steady else 1.0
    return WarmUp(cut, block, medians, change_point(medians).curve, first_p, ratio)


def _first_change(series: Array) -> tuple[int, float]:
    """Values before the surest change of level near the beginning, and its corrected p-value."""
    lengths = [series.size // part for part in _PARTS if series.size // part >= _FEWEST]
    found = []
    for length in lengths:
        medians, block = block_medians(series[:length])
        change = change_point(medians)
        found.append((min(1.0, change.p * len(lengths)), change.index * block))
    p, cut = min(found)
    return cut, p


def drift(values: Any, confidence: float = 0.95) -> Drift:
    """Whether values rise or fall over the run, for instance because a model gets slower over time.

    Mann's test for a trend (Econometrica 13, 1945) on medians of up to 60 blocks, its variance widened for dependent
    neighbours as Yue and Wang (Water Resources Management 18, 2004) do, with the slope and the interval of Sen
    (JASA 63, 1968).

    Args:
        values: Shape [n], in order of time, at least 20, without the warm-up.
        confidence: Of the slope's interval.

    Raises:
        ValueError: Too few values, or one that is not finite.
    """
    medians, _ = block_medians(as_series(values, _FEWEST), _TREND_BLOCKS)
    n = medians.size
    rows, columns = np.triu_indices(n, 1)
    gaps = medians[columns] - medians[rows]
    slopes = np.sort(gaps / (columns - rows))
    slope = float(np.median(slopes))
    _, ties = np.unique(medians, return_counts=True)
    plain = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    residuals = midranks(medians - slope * np.arange(n))
    spread = float(residuals.var())
    deviation = math.sqrt(max(plain, 0.0) * (max(1.0, _cautious_variance(residuals) / spread) if spread else 1.0))
    sign = float(np.sign(gaps).sum())
    z = (sign - math.copysign(1, sign)) / deviation if deviation and sign else 0.0
    reach = normal_quantile(1 - check_confidence(confidence)) * deviation
    low = slopes[max(0, math.floor((slopes.size - reach) / 2))]
    high = slopes[min(slopes.size - 1, math.ceil((slopes.size + reach) / 2))]
    level = float(np.median(medians))
    scale = (n - 1) / level if level else 0.0
    return Drift(
        slope * scale,
        float(low) * scale,
        float(high) * scale,
        2 * normal_tail(abs(z)),
        float(autocorrelation(medians)[0]),
    )


def _cautious_variance(residuals: Array) -> float:
    """Long-run variance of what is left when two numbers were fitted to a short series; rather too large.

    The larger of the lag-window estimate and that of an autoregression of order one (Andrews, Econometrica 59,
    1991), whose coefficient is corrected for what fitting took from it (Marriott and Pope, Biometrika 41, 1954).
    """
    n, fitted = residuals.size, 2
    coefficient = float(autocorrelation(residuals)[0])
    coefficient = min(0.97, coefficient + (1 + fitted + (3 + fitted) * coefficient) / n)
    plain = float(residuals.var()) * n / (n - fitted - 1)
    return max(long_run_variance(residuals), plain * (1 + coefficient) / (1 - max(0.0, coefficient)))


def _kolmogorov_tail(x: float) -> float:
    """P(K > x) for the largest deviation of a Brownian bridge (Kolmogorov, 1933)."""
    if x < 0.2:
        return 1.0
    k = np.arange(1, 101)
    return float(min(1.0, max(0.0, 2 * np.sum(np.where(k % 2, 1, -1) * np.exp(-2 * (k * x) ** 2)))))
