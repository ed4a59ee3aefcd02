"""How far two sets of outputs are apart, by the measures of MLModelScope's `database divergence`.

Distributions are rows of non-negative numbers; they are divided by their sum. A class of probability zero stays
zero: nothing is added to it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlscope.stats._series import Array

__all__ = [
    "bhattacharyya",
    "correlation",
    "covariance",
    "hellinger",
    "jensen_shannon",
    "kullback_leibler",
]


def kullback_leibler(first: Any, second: Any) -> Array:
    """Kullback-Leibler divergence of each row of `first` from that of `second`, nats; shape [n].

    Kullback and Leibler, Annals of Mathematical Statistics 22, 1951. ``0 log 0`` is 0; infinite where `second` is
    zero and `first` is not.

    Args:
        first: Shape [n, k], or [k] for one distribution.
        second: The same shape.

    Raises:
        ValueError: Shapes that differ, negative or non-finite numbers, or a row of zeros.
    """
    one, two = _distributions(first, second)
    return _kullback_leibler(one, two)


def jensen_shannon(first: Any, second: Any) -> Array:
    """Jensen-Shannon divergence of each pair of rows, nats, 0 to log 2; shape [n].

    Lin, IEEE Transactions on Information Theory 37, 1991: the mean divergence from the rows' mean, which is zero
    only where both are, so that it is always finite. Arguments and errors as for :func:`kullback_leibler`.
    """
    one, two = _distributions(first, second)
    middle = (one + two) / 2
    found = (_kullback_leibler(one, middle) + _kullback_leibler(two, middle)) / 2
    return np.clip(found, 0, math.log(2))


def hellinger(first: Any, second: Any) -> Array:
    """Hellinger distance of each pair of rows, 0 to 1; shape [n].

    Hellinger, Journal für die reine und angewandte Mathematik 136, 1909; zeros need no care. Arguments and errors
    as for :func:`kullback_leibler`.
    """
    one, two = _distributions(first, second)
    return np.asarray(np.minimum(1.0, np.sqrt(((np.sqrt(one) - np.sqrt(two)) ** 2).sum(axis=1) / 2)))


def bhattacharyya(first: Any, second: Any) -> Array:
    """Bhattacharyya distance of each pair of rows, 0 or more; shape [n].

    Bhattacharyya, Bulletin of the Calcutta Mathematical Society 35, 1943. Infinite where no class has a
    probability in both. Arguments and errors as for :func:`kullback_leibler`.
    """
    one, two = _distributions(first, second)
    overlap = np.minimum(1.0, np.sqrt(one * two).sum(axis=1))
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(0.0, -np.log(overlap)))


def covariance(first: Any, second: Any) -> Array:
    """Sample covariance (n - 1) of each pair of rows, of any finite numbers; shape [n].

    Raises:
        ValueError: Shapes that differ, fewer than two columns, or a number that is not finite.
    """
    one, two = _pairs(first, second)
    if one.shape[1] < 2:
        raise ValueError("a covariance needs at least two numbers a row")
    centred = (one - one.mean(axis=1, keepdims=True)) * (two - two.mean(axis=1, keepdims=True))
    return np.asarray(centred.sum(axis=1) / (one.shape[1] - 1))


def correlation(first: Any, second: Any) -> Array:
    """Pearson's correlation of each pair of rows, -1 to 1; shape [n].

    A row of equal numbers has no correlation: it is 1 where both rows are the same and else NaN. Arguments and
    errors as for :func:`covariance`.
    """
    one, two = _pairs(first, second)
    found = covariance(one, two)
    spread = np.sqrt(covariance(one, one) * covariance(two, two))
    flat = spread <= 1e-24 * np.maximum(np.abs(one).max(axis=1), np.abs(two).max(axis=1)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.clip(found / spread, -1, 1)
    found[flat] = np.where((one == two).all(axis=1), 1.0, np.nan)[flat]
    return np.asarray(found)


def _kullback_leibler(one: Array, two: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(one > 0, one * (np.log(one) - np.log(two)), 0.0)
    return np.asarray(np.maximum(0.0, terms.sum(axis=1)))


def _distributions(first: Any, second: Any) -> tuple[Array, Array]:
    one, two = _pairs(first, second)
    for side in (one, two):
        if (side < 0).any():
            raise ValueError("a distribution has no negative numbers")
        if (side.sum(axis=1) <= 0).any():
            raise ValueError("a distribution is not all zeros")
    return one / one.sum(axis=1, keepdims=True), two / two.sum(axis=1, keepdims=True)


def _pairs(first: Any, second: Any) -> tuple[Array, Array]:
    one, two = (np.atleast_2d(np.asarray(side, dtype=np.float64)) for side in (first, second))
    if one.shape != two.shape or one.ndim != 2 or one.shape[1] == 0:
        raise ValueError(f"outputs of shapes {one.shape} and {two.shape} cannot be compared")
    if not (np.isfinite(one).all() and np.isfinite(two).all()):
        raise ValueError("an output is not finite")
    return one, two
