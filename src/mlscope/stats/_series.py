"""Measurements in the order in which they were made: how much neighbours depend on each other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["as_series", "autocorrelation", "autocovariances", "effective_size", "long_run_variance"]

Array = np.ndarray[Any, np.dtype[Any]]


def as_series(values: Any, least: int) -> Array:
    """The values as doubles, shape [n].

    Raises:
        ValueError: Fewer than `least`, or one that is not finite.
    """
    series = np.asarray(values, dtype=np.float64).reshape(-1)
    if series.size < least:
        raise ValueError(f"{series.size} values where at least {least} are needed")
    if not np.isfinite(series).all():
        raise ValueError("a value is not finite")
    return series


def autocovariances(values: Array, lags: int) -> Array:
    """Sample autocovariances (divisor n) at lags 0 to `lags`; shape [lags + 1].

    Args:
        values: Shape [n], in order of time, at least two.
        lags: At least 0; lags of n and more are 0.

    Raises:
        ValueError: Too few values, or one that is not finite.
    """
    series = as_series(values, 2)
    n = series.size
    centred = series - series.mean()
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    found = np.fft.irfft(spectrum * np.conj(spectrum), size)[: min(lags + 1, n)] / n
    return np.concatenate((found, np.zeros(max(0, lags + 1 - n))))


def autocorrelation(values: Array, lags: int = 1) -> Array:
    """Sample autocorrelations at lags 1 to `lags`, shape [lags]; zeros where all values are equal.

    Box and Jenkins, Time Series Analysis, section 2.1.5.

    Raises:
        ValueError: Too few values, or one that is not finite.
    """
    found = autocovariances(values, lags)
    scale = float(np.max(np.abs(np.asarray(values, dtype=np.float64)))) ** 2
    if found[0] <= 1e-24 * scale:
        return np.zeros(lags)
    return np.asarray(found[1:] / found[0])


def long_run_variance(values: Array) -> float:
    """Variance of the mean times n, when neighbours depend on each other; never negative.

    The flat-top lag window of Politis and Romano (Journal of Time Series Analysis 16, 1995) up to twice the lag at
    which the autocorrelations have died away; where that gives nothing positive, Bartlett's window (Newey and
    West, Econometrica 55, 1987).

    Args:
        values: Shape [n], in order of time, at least two.

    Raises:
        ValueError: Too few values, or one that is not finite.
    """
    series = as_series(values, 2)
    lags = min(2 * max(1, correlation_reach(series)), series.size - 1)
    found = autocovariances(series, lags)
    steps = np.arange(1, lags + 1)
    flat = float(found[0] + 2 * np.sum(np.clip(2 * (1 - steps / lags), 0, 1) * found[1:]))
    return flat if flat > 0 else float(max(0.0, found[0] + 2 * np.sum((1 - steps / (lags + 1)) * found[1:])))


def correlation_reach(series: Array) -> int:
    """The last lag before a stretch of autocorrelations that cannot be told from zero.

    Politis and White, Econometric Reviews 23, 2004, section 3.2: the first m after which K successive
    autocorrelations lie below ``2 sqrt(log10(n) / n)``, where ``K = max(5, sqrt(log10 n))``.
    """
    n = series.size
    stretch = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(math.ceil(math.sqrt(n)) + stretch, n - 1)
    strong = np.abs(autocorrelation(series, most)) >= 2 * math.sqrt(math.log10(n) / n)
    quiet = 0
    for lag, is_strong in enumerate(strong.tolist(), 1):
        quiet = 0 if is_strong else quiet + 1
        if quiet == stretch:
            return lag - stretch
    return int(np.flatnonzero(strong)[-1]) + 1 if strong.any() else 0


def effective_size(values: Array) -> float:
    """How many independent values would give the mean as precisely; between 1 and n.

    ``n`` times variance over long-run variance (Priestley, Spectral Analysis and Time Series, section 5.3.2).

    Raises:
        ValueError: Too few values, or one that is not finite.
    """
    series = as_series(values, 2)
    plain, long_run = float(series.var()), long_run_variance(series)
    if plain == 0 or long_run == 0:
        return float(series.size)
    return float(min(series.size, max(1.0, series.size * plain / long_run)))


def midranks(values: Array) -> Array:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place.reshape(-1)], dtype=np.float64)
