"""Pure statistics: percentiles and intervals, each with its source.

No input, no output, no other room; numpy and the standard library only. Intervals are two-sided, and each
bound is None where the sample is too small to give it at the confidence that was asked for.
"""

from mlscope.stats._intervals import mean_interval, percentile_with_interval, wilson_interval
from mlscope.stats._latency import (
    PERCENTILES,
    LatencyStats,
    PercentileStats,
    ThroughputStats,
    summarise_latency,
    throughput_interval,
)

__all__ = [
    "PERCENTILES",
    "LatencyStats",
    "PercentileStats",
    "ThroughputStats",
    "mean_interval",
    "percentile_with_interval",
    "summarise_latency",
    "throughput_interval",
    "wilson_interval",
]
