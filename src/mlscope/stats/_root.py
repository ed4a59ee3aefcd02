"""Where a noisy line crosses zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["falling_root"]


def falling_root(points: Sequence[tuple[float, float, float]]) -> tuple[float, float] | None:
    """The zero of a falling straight line through points with errors, and its standard error.

    Weighted least squares; the error of the zero follows from those of both coefficients (delta method; Bevington and
    Robinson, Data Reduction and Error Analysis, chapters 6 and 7). Where the points scatter more than their errors say,
    these are taken larger accordingly.

    Args:
        points: x, y and the standard error of y, over 0; at least three, at two x or more.

    Returns:
        Zero and error; None where the points are too few or the line does not fall.
    """
    if len({x for x, _, _ in points}) < 2 or len(points) < 3:
        return None
    x, y, error = (np.array(column, float) for column in zip(*points, strict=True))
    weight = error**-2
    total = weight.sum()
    middle = float((weight * x).sum() / total)
    level = float((weight * y).sum() / total)
    spread = float((weight * (x - middle) ** 2).sum())
    slope = float((weight * (x - middle) * y).sum()) / spread
    if not slope < 0:
        return None
    scatter = float((weight * (y - level - slope * (x - middle)) ** 2).sum()) / (len(points) - 2)
    variance = (1 / total + (level / slope) ** 2 / spread) / slope**2
    return middle - level / slope, math.sqrt(max(scatter, 1.0) * variance)
