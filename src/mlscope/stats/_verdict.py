"""What a ratio means: larger, smaller, no difference that matters, or not enough data."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from mlscope.stats._ratios import Ratio

__all__ = ["Judgement", "equivalent", "judge", "units_needed"]

_FIRST_STEP = {"run": 4, "pair": 20, "sample": 4}
"""What to add where nothing is known about the spread."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on one ratio."""

    verdict: Literal["larger", "smaller", "no difference", "not enough data"]
    more: int | None
    """Runs (or pairs, where these are the units) of each side to be added where there is not enough data."""


def judge(ratio: Ratio, margin: float, p: float | None = None, level: float = 0.05) -> Judgement:
    """The verdict on one ratio.

    In this order: *no difference* where the whole interval lies within the margin, however sure a smaller difference
    may be; *larger* or *smaller* where the p-value is below the level; else *not enough data*.

    Args:
        ratio: Second over first.
        margin: What is too small to matter, a fraction above 0: with 0.02, ratios from 1 / 1.02 to 1.02.
        p: The ratio's p-value after a correction for several tests; None: its own.
        level: Of the test.

    Raises:
        ValueError: A margin that is not positive.
    """
    if equivalent(ratio, margin):
        return Judgement("no difference", None)
    if ratio.low is not None and (ratio.p if p is None else p) < level:
        return Judgement("larger" if ratio.value > 1 else "smaller", None)
    return Judgement("not enough data", units_needed(ratio, margin))


def equivalent(ratio: Ratio, margin: float) -> bool:
    """Whether the whole interval lies within the margin.

    Two one-sided tests (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987), each at half of
    what the interval leaves out.

    Raises:
        ValueError: A margin that is not positive.
    """
    if margin <= 0:
        raise ValueError(f"a margin lies above 0, not at {margin}")
    if ratio.low is None or ratio.high is None:
        return False
    return 1 / (1 + margin) <= ratio.low and ratio.high <= 1 + margin


def units_needed(ratio: Ratio, margin: float) -> int:
    """How many more runs or pairs each side needs until an interval is half as wide as the margin.

    Half-widths shrink with the square root of the number of units. With that many, a ratio of 1 is told from one
    beyond the margin. A guess from the spread so far; at least 1. Where samples are the units, a side is one run, and
    runs are what is added.

    Raises:
        ValueError: A margin that is not positive.
    """
    if margin <= 0:
        raise ValueError(f"a margin lies above 0, not at {margin}")
    units = 1 if ratio.unit == "sample" else min(ratio.first_units, ratio.second_units)
    if ratio.low is None or ratio.high is None:
        return _FIRST_STEP[ratio.unit]
    half, wanted = math.log(ratio.high / ratio.low) / 2, math.log1p(margin) / 2
    return max(1, math.ceil(units * (half / wanted) ** 2) - units)
