"""What a set of latencies says: percentiles, spread and throughput."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mlscope.stats._intervals import mean_interval, percentile_with_interval

PERCENTILES: tuple[float, ...] = (50, 90, 95, 97, 99, 99.9, 99.99)
"""The percentiles of every latency table, in percent: LoadGen's own, and 99.99."""

_BATCHES = 30
_FEWEST_BATCHES = 10

_Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class PercentileStats:
    """One percentile; `low` or `high` is None where the sample is too small for it."""

    percentile: float
    """In percent."""
    value: float
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class LatencyStats:
    """A distribution of latencies, all in the unit of the values."""

    count: int
    mean: float
    stddev: float
    """Of the sample (n - 1); 0 for one value."""
    min: float
    max: float
    percentiles: tuple[PercentileStats, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ThroughputStats:
    """Samples a second; `low` and `high` are None where there are too few completions for them."""

    samples_per_s: float
    low: float | None
    high: float | None


def summarise_latency(
    values_ns: _Array, percentiles: tuple[float, ...] = PERCENTILES, confidence: float = 0.95
) -> LatencyStats:
    """Count, mean, spread and percentiles with intervals; one sort, whatever the number of percentiles.

    Args:
        values_ns: Shape [n], nanoseconds, any order, at least one.
        percentiles: In percent, strictly between 0 and 100.
        confidence: Of the percentiles' intervals.

    Raises:
        ValueError: No values, or a value that is not finite.
    """
    ordered = np.sort(np.asarray(values_ns).reshape(-1))
    if ordered.size == 0:
        raise ValueError("no latencies")
    if not np.isfinite(ordered[-1]):  # sort puts NaN last
        raise ValueError("a latency is not finite")
    return LatencyStats(
        count=ordered.size,
        mean=float(ordered.mean(dtype=np.float64)),
        stddev=float(ordered.std(ddof=1, dtype=np.float64)) if ordered.size > 1 else 0.0,
        min=float(ordered[0]),
        max=float(ordered[-1]),
        percentiles=tuple(PercentileStats(p, *percentile_with_interval(ordered, p, confidence)) for p in percentiles),
    )


def throughput_interval(end_ns: _Array, begin_ns: int, confidence: float = 0.95) -> ThroughputStats:
    """Samples a second from the first issue to the last completion, with an interval by batch means.

    Neighbouring completions depend on each other (frequency, temperature, queues), so the interval of their
    plain mean would be too narrow. The run is cut into up to 30 stretches of equally many completions; the
    mean time of a sample in each is nearly independent of the others', and Student's t gives the interval
    (method of batch means; Schmeiser, Operations Research 30, 1982, pages 556 to 568, for 10 to 30 batches).

    Args:
        end_ns: Shape [n], completion of every sample, any order, at least one. Samples of one batch complete
            together and count as one completion.
        begin_ns: When the first sample was issued; after no completion, and before the last.
        confidence: Strictly between 0 and 1.

    Returns:
        The rate and its bounds; both bounds are None for fewer than 20 completions, and the upper one where
        the stretches differ so much that no upper bound follows.

    Raises:
        ValueError: No completions, one before `begin_ns`, or none after it.
    """
    times, samples = np.unique(np.asarray(end_ns, dtype=np.int64), return_counts=True)
    if times.size == 0:
        raise ValueError("no completions")
    if times[0] < begin_ns or times[-1] == begin_ns:
        raise ValueError("completions must lie after the first issue")
    # Differences first: a double holds no nanosecond of a clock that counts from the epoch.
    elapsed_s = (times - begin_ns) / 1e9
    per_sample_s = float(elapsed_s[-1]) / int(samples.sum())
    batches = min(_BATCHES, times.size // 2)
    if batches < _FEWEST_BATCHES:
        return ThroughputStats(1 / per_sample_s, None, None)
    cuts = np.linspace(0, times.size, batches + 1).astype(np.int64)
    reached_s = np.concatenate(([0.0], elapsed_s))[cuts]
    counted = np.concatenate(([0], np.cumsum(samples)))[cuts]
    mean, low, _ = mean_interval(np.diff(reached_s) / np.diff(counted), confidence)
    half = 0.0 if low is None else mean - low
    return ThroughputStats(
        1 / per_sample_s,
        1 / (per_sample_s + half),
        1 / (per_sample_s - half) if per_sample_s > half else None,
    )
