"""The ratio of two sides' times, with an interval: for pairs, for several runs a side, and for one run a side."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from mlscope.stats._intervals import check_confidence
from mlscope.stats._quantiles import student_t_quantile, student_t_two_sided
from mlscope.stats._ranks import signed_rank
from mlscope.stats._resample import block_length, stationary_rows
from mlscope.stats._series import Array, as_series, midranks

__all__ = ["Ratio", "Unit", "ratio_of_pairs", "ratio_of_runs", "ratios_of_series"]

Unit = Literal["run", "pair", "sample"]

_FEWEST_BLOCKS = 10
_FEWEST_OF_RUNS = 3
"""Student's t widens the interval, and the tenths' spread is in the error: simulated runs gave as few false alarms as
with ten, but for those whose speed jumps by 30 % in the middle (13 % of them instead of 12 %)."""
_TENTHS = 10
_WORK = 60_000_000
"""Values that are drawn for one side's standard errors."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ratio:
    """Second over first: 1.03 means that the second side's figure is 3 % larger."""

    value: float
    low: float | None
    high: float | None
    """None where there are too few units for an interval."""
    p: float
    """Probability of so clear a ratio where the true one is no further from 1 than the allowance."""
    unit: Unit
    """What varies independently: whole runs, pairs of blocks, or (blocks of) the samples of one run a side."""
    first_units: int
    second_units: int
    confidence: float = 0.95
    allowance: float = 0.0
    """Difference that counts as none in `p`, a fraction."""


def ratio_of_pairs(first: Any, second: Any, confidence: float = 0.95, allowance: float = 0.0) -> Ratio:
    """Ratio from pairs that were measured side by side, by Wilcoxon's signed-rank test of the logarithms.

    What disturbs both halves of a pair alike cancels, and single disturbed pairs move neither the estimate
    (Hodges and Lehmann) nor the interval far; see :func:`mlscope.stats.signed_rank`.

    Args:
        first: Shape [pairs], positive, for instance the median latency of each block.
        second: The same shape.
        confidence: Strictly between 0 and 1.
        allowance: Difference that counts as none in the p-value, a fraction such as 0.01.

    Raises:
        ValueError: No pairs, different numbers, or a number that is not positive and finite.
    """
    one, two = _logs(first, 1), _logs(second, 1)
    if one.size != two.size:
        raise ValueError(f"{one.size} and {two.size} values make no pairs")
    if allowance < 0:
        raise ValueError(f"a negative allowance: {allowance}")
    found, reach = signed_rank(two - one, confidence), math.log1p(allowance)
    p = found.p
    if reach:
        beyond = abs(found.value) > reach
        p = signed_rank(two - one - math.copysign(reach, found.value), confidence).p if beyond else 1.0
    bounds = _exp(found.low), _exp(found.high)
    return Ratio(math.exp(found.value), *bounds, p, "pair", one.size, two.size, confidence, allowance)


def ratio_of_runs(first: Any, second: Any, confidence: float = 0.95) -> Ratio:
    """Ratio of independent runs, each of which gives one figure: Welch's interval of the logarithms.

    Welch, Biometrika 34, 1947, with the degrees of freedom rounded down; where one side has a single run, the
    other's spread stands for both (Student's two-sample interval). The runs are the units: how many samples each
    has does not count, because samples of one run share what differs between runs.

    Args:
        first: Shape [n], one positive figure a run.
        second: Shape [m]; n + m is at least 3.
        confidence: Strictly between 0 and 1.

    Raises:
        ValueError: Too few runs, or a number that is not positive and finite.
    """
    one, two = _logs(first, 1), _logs(second, 1)
    n, m = one.size, two.size
    if n + m < 3:
        raise ValueError("one run a side tells nothing about how runs differ")
    gap = float(two.mean() - one.mean())
    if min(n, m) > 1:
        parts = (float(one.var(ddof=1)) / n, float(two.var(ddof=1)) / m)
        error, freedom = math.sqrt(sum(parts)), _welch(parts, (n - 1, m - 1))
    else:
        squares = float(((one - one.mean()) ** 2).sum() + ((two - two.mean()) ** 2).sum())
        freedom = n + m - 2
        error = math.sqrt(squares / freedom * (1 / n + 1 / m))
    return _student(gap, error, freedom, Ratio(1.0, None, None, 1.0, "run", n, m, confidence))


def ratios_of_series(
    first: Any,
    second: Any,
    percentiles: Sequence[float],
    *,
    allowance: float = 0.0,
    run_effect: bool = False,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Ratio]:
    """Ratios of percentiles and of the mean from one run a side, by the block bootstrap.

    The standard error of each side's logarithm comes from the stationary bootstrap with the longest of the block
    lengths that its ranks and its percentiles' indicators ask for (Politis and White); Student's t with as many
    degrees of freedom as there are blocks on the percentile's thinner side widens the interval where they are
    few. What would differ between two runs of the same plan cannot be seen in one run a side. Tenths of a run stand
    in for it (`run_effect`): a whole run is taken to be off by as much as its tenths differ, which does not shrink
    with the length of the run; and `allowance` is left for what no run shows within itself.

    Args:
        first: Shape [n], positive, in order of time, at least 20.
        second: Shape [m], likewise.
        percentiles: In percent, strictly between 0 and 100.
        allowance: Difference that counts as none, a fraction such as 0.02.
        run_effect: Whether the sides are runs of their own, and not measured in turns.
        confidence: Strictly between 0 and 1.
        seed: Of the draws.

    Returns:
        One ratio for each percentile, and last that of the means. Bounds are None where fewer than ten blocks (with
        `run_effect`: three) lie on the thinner side of a percentile.

    Raises:
        ValueError: Too few values, or an argument out of its range.
    """
    if allowance < 0:
        raise ValueError(f"a negative allowance: {allowance}")
    for percentile in percentiles:
        if not 0 < percentile < 100:
            raise ValueError(f"a percentile lies strictly between 0 and 100, not at {percentile}")
    shares = [percentile / 100 for percentile in percentiles]
    series = [as_series(side, 20) for side in (first, second)]
    sides = [_errors(side, shares, seed + number) for number, side in enumerate(series)]
    tenths = [_tenths(side, shares) if run_effect else np.zeros(len(shares) + 1) for side in series]
    fewest = _FEWEST_OF_RUNS if run_effect else _FEWEST_BLOCKS
    ratios = []
    for place, (one, two) in enumerate(zip(*sides, strict=True)):
        sizes = (max(1, math.floor(one.blocks)), max(1, math.floor(two.blocks)))
        effects = tuple(float(side[place]) for side in tenths)
        gap, parts = two.log - one.log, (one.error**2 + effects[0], two.error**2 + effects[1])
        ratio = Ratio(math.exp(gap), None, None, 1.0, "sample", *sizes, confidence, allowance)
        if min(sizes) >= fewest:
            freedom = _welch(parts, (sizes[0] - 1, sizes[1] - 1))
            freedom = min(freedom, 2 * (_TENTHS - 1)) if run_effect else freedom
            ratio = _student(gap, math.sqrt(sum(parts)), freedom, ratio)
        ratios.append(ratio)
    return ratios


@dataclasses.dataclass(frozen=True, slots=True)
class _Error:
    log: float
    error: float
    blocks: float


def _errors(series: Array, shares: list[float], seed: int) -> list[_Error]:
    """Logarithm, standard error and blocks for each percentile and the mean."""
    _logs(series, 1)
    n = series.size
    order = np.argsort(series, kind="stable")
    ordered = series[order]
    places = [max(0, math.ceil(share * n) - 1) for share in shares]
    general = block_length(midranks(series)).stationary
    own = [block_length(series > ordered[place]).stationary for place in places]
    length = max([general, *own])
    random = np.random.default_rng(seed)
    resamples = min(300, max(200, _WORK // n))
    draws = np.empty((resamples, len(shares) + 1))
    wanted = np.array(places)
    for row in draws:
        weights = np.bincount(stationary_rows(random, n, length), minlength=n)
        reached = np.cumsum(weights[order])
        row[:-1] = ordered[np.searchsorted(reached, wanted, side="right")]
        row[-1] = float(weights @ series) / n
    errors = np.log(draws).std(axis=0, ddof=1)
    found = [*(float(ordered[place]) for place in places), float(series.mean())]
    blocks = [n * 2 * min(share, 1 - share) / each for share, each in zip(shares, own, strict=True)]
    return [
        _Error(math.log(value), float(error), count)
        for value, error, count in zip(found, errors, [*blocks, n / general], strict=True)
    ]


def _tenths(series: Array, shares: list[float]) -> Array:
    """Variance of the logarithms of each percentile, and of the mean, between the tenths of a run."""
    parts = np.array_split(series, _TENTHS)
    figures = np.array([[*np.quantile(part, shares), part.mean()] for part in parts])
    return np.asarray(np.log(figures).var(axis=0, ddof=1))


def _welch(parts: tuple[float, float], freedoms: tuple[int, int]) -> int:
    """Degrees of freedom of the sum of two squared standard errors, rounded down."""
    total = sum(parts)
    if total == 0:
        return max(1, min(freedoms))
    shares = sum((part / total) ** 2 / max(1, freedom) for part, freedom in zip(parts, freedoms, strict=True))
    return max(1, math.floor(1 / shares + 1e-9))


def _student(gap: float, error: float, freedom: int, like: Ratio) -> Ratio:
    """Fill in value, interval and p-value; the rest is as in `like`."""
    half = student_t_quantile(1 - check_confidence(like.confidence), freedom) * error
    beyond = abs(gap) - math.log1p(like.allowance)
    p = 1.0 if beyond <= 0 else student_t_two_sided(beyond / error, freedom) if error else 0.0
    return dataclasses.replace(like, value=math.exp(gap), low=math.exp(gap - half), high=math.exp(gap + half), p=p)


def _logs(values: Any, least: int) -> Array:
    series = as_series(values, least)
    if series.min() <= 0:
        raise ValueError("a ratio needs positive numbers")
    return np.log(series)


def _exp(value: float | None) -> float | None:
    return None if value is None else math.exp(value)
