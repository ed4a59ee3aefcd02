"""How values went on, drawn in one cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlscope import stats

__all__ = ["course"]

_BARS = "▁▂▃▄▅▆▇█"


def course(values: np.ndarray[Any, Any], stretches: int) -> str:
    """Medians of up to so many stretches as bars, from the smallest to the largest; shape [n], at least one."""
    medians, _ = stats.block_medians(values, stretches)
    low, high = float(medians.min()), float(medians.max())
    if high <= low:
        return _BARS[0] * len(medians)
    heights = (medians - low) / (high - low) * (len(_BARS) - 1)
    return "".join(_BARS[round(float(height))] for height in heights)
