"""Values that are far from the rest, for distributions that are skewed as latencies are."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from mlscope.stats._series import Array, as_series

__all__ = ["Outliers", "mad", "medcouple", "outliers"]

_FEWEST = 20
_THINNED = 801


@dataclasses.dataclass(frozen=True, slots=True)
class Outliers:
    """What lies outside of the fences of the adjusted box plot."""

    low_fence: float
    high_fence: float
    low: int
    """Values below the fences."""
    high: int
    """Values above them."""
    share_of_sum: float
    """What the values above the high fence contribute to the sum of all, 0 to 1."""
    longest_run: int
    """Most high values in a row: many at once have a cause that lasts."""
    skewness: float
    """Medcouple, -1 to 1."""
    median: float
    mad: float
    """Median absolute deviation times 1.4826, which is the standard deviation of normal values."""
    worst_z: float
    """Largest distance from the median in units of `mad` (modified z-score); infinite where `mad` is 0."""


def outliers(values: Any) -> Outliers:
    """Count the values that lie outside of the adjusted box plot.

    The fences lie 1.5 interquartile ranges out, stretched on the side of the longer tail by the medcouple
    (Hubert and Vandervieren, Computational Statistics and Data Analysis 52, 2008); for skewed latencies the plain
    box plot would report several per cent of a healthy run. The modified z-score is that of Iglewicz and Hoaglin
    (How to Detect and Handle Outliers, 1993), who take 3.5 for far out.

    Args:
        values: Shape [n], in order of time, at least 20.

    Raises:
        ValueError: Too few values, or one that is not finite.
    """
    series = as_series(values, _FEWEST)
    first, middle, third = (float(q) for q in np.quantile(series, (0.25, 0.5, 0.75)))
    skewness = medcouple(series)
    left, right = (-4, 3) if skewness >= 0 else (-3, 4)
    reach = 1.5 * (third - first)
    low_fence = first - reach * math.exp(left * skewness)
    high_fence = third + reach * math.exp(right * skewness)
    above = series > high_fence
    total = float(series.sum())
    deviation = mad(series)
    worst = float(np.abs(series - middle).max())
    return Outliers(
        low_fence=low_fence,
        high_fence=high_fence,
        low=int((series < low_fence).sum()),
        high=int(above.sum()),
        share_of_sum=float(series[above].sum()) / total if total else 0.0,
        longest_run=_longest_run(above),
        skewness=skewness,
        median=middle,
        mad=deviation,
        worst_z=worst / deviation if deviation else (math.inf if worst else 0.0),
    )


def mad(values: Any) -> float:
    """Median absolute deviation times 1.4826 (Hampel, JASA 69, 1974).

    Raises:
        ValueError: No values, or one that is not finite.
    """
    series = as_series(values, 1)
    return 1.482602218505602 * float(np.median(np.abs(series - np.median(series))))


def medcouple(values: Any) -> float:
    """Robust skewness, -1 to 1; 0 for a symmetrical distribution.

    Brys, Hubert and Struyf, Journal of Computational and Graphical Statistics 13, 2004. The kernel is taken over
    all pairs; of more than 801 values, 801 evenly spaced order statistics stand for the rest.

    Raises:
        ValueError: No values, or one that is not finite.
    """
    ordered = np.sort(as_series(values, 1))
    if ordered.size > _THINNED:
        ordered = np.quantile(ordered, np.linspace(0, 1, _THINNED))
    centred = ordered - np.median(ordered)
    upper, lower = centred[centred >= 0], centred[centred <= 0]
    width = upper[:, None] - lower[None, :]
    kernel = (upper[:, None] + lower[None, :]) / np.where(width == 0, 1, width)
    ties = int((centred == 0).sum())
    if ties:  # pairs of two medians: +1, 0 or -1 by their places
        place = np.arange(ties)
        kernel[:ties, -ties:] = np.sign(place[:, None] + place[None, :] - ties + 1)
    return float(np.median(kernel))


def _longest_run(flags: Array) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))
