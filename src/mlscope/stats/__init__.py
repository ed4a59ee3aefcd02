"""Pure statistics, each function with its source: percentiles, intervals, steadiness, and comparing two sides.

No input, no output, no other room; numpy and the standard library only. Intervals are two-sided, and each
bound is None where the sample is too small to give it at the confidence that was asked for. Two sides are called
first and second, and a ratio is always second over first.
"""

from mlscope.stats._categorical import McNemar, holm, mcnemar
from mlscope.stats._divergence import (
    bhattacharyya,
    correlation,
    covariance,
    hellinger,
    jensen_shannon,
    kullback_leibler,
)
from mlscope.stats._early_stopping import (
    EarlyStopping,
    early_stopping_estimate,
    early_stopping_passes,
    early_stopping_queries,
)
from mlscope.stats._intervals import mean_interval, percentile_with_interval, wilson_interval
from mlscope.stats._latency import (
    PERCENTILES,
    LatencyStats,
    PercentileStats,
    ThroughputStats,
    summarise_latency,
    throughput_interval,
)
from mlscope.stats._outliers import Outliers, mad, medcouple, outliers
from mlscope.stats._queueing import largest_rate, sojourn_times
from mlscope.stats._ranks import Shift, cliffs_delta, hodges_lehmann, mann_whitney, signed_rank
from mlscope.stats._ratios import Ratio, Unit, ratio_of_pairs, ratio_of_runs, ratios_of_series
from mlscope.stats._resample import BlockLengths, Bootstrapped, block_bootstrap, block_length, bootstrap
from mlscope.stats._series import autocorrelation, effective_size, long_run_variance
from mlscope.stats._steady import ChangePoint, Drift, WarmUp, block_medians, change_point, drift, warm_up
from mlscope.stats._threshold import Observation, ThresholdSearch, Verdict
from mlscope.stats._trimmed import trimmed_mean
from mlscope.stats._verdict import Judgement, equivalent, judge, units_needed

__all__ = [
    "PERCENTILES",
    "BlockLengths",
    "Bootstrapped",
    "ChangePoint",
    "Drift",
    "EarlyStopping",
    "Judgement",
    "LatencyStats",
    "McNemar",
    "Observation",
    "Outliers",
    "PercentileStats",
    "Ratio",
    "Shift",
    "ThresholdSearch",
    "ThroughputStats",
    "Unit",
    "Verdict",
    "WarmUp",
    "autocorrelation",
    "bhattacharyya",
    "block_bootstrap",
    "block_length",
    "block_medians",
    "bootstrap",
    "change_point",
    "cliffs_delta",
    "correlation",
    "covariance",
    "drift",
    "early_stopping_estimate",
    "early_stopping_passes",
    "early_stopping_queries",
    "effective_size",
    "equivalent",
    "hellinger",
    "hodges_lehmann",
    "holm",
    "jensen_shannon",
    "judge",
    "kullback_leibler",
    "largest_rate",
    "long_run_variance",
    "mad",
    "mann_whitney",
    "mcnemar",
    "mean_interval",
    "medcouple",
    "outliers",
    "percentile_with_interval",
    "ratio_of_pairs",
    "ratio_of_runs",
    "ratios_of_series",
    "signed_rank",
    "sojourn_times",
    "summarise_latency",
    "throughput_interval",
    "trimmed_mean",
    "units_needed",
    "warm_up",
    "wilson_interval",
]
