import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import PERCENTILES, percentile_with_interval, summarise_latency, throughput_interval


@given(values=st.lists(st.integers(1, 10**12), min_size=1, max_size=300), seed=st.integers(0, 9))
def test_summary_does_not_depend_on_the_order(values: list[int], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(values)
    assert summarise_latency(shuffled) == summarise_latency(np.array(values))


@given(values=st.lists(st.integers(1, 10**12), min_size=2, max_size=300))
def test_summary_holds_count_mean_spread_and_every_percentile(values: list[int]) -> None:
    stats = summarise_latency(np.array(values))
    assert stats.count == len(values)
    assert math.isclose(stats.mean, math.fsum(values) / len(values), rel_tol=1e-12)
    assert math.isclose(stats.stddev, float(np.std(values, ddof=1)), rel_tol=1e-9, abs_tol=1e-9)
    assert (stats.min, stats.max) == (min(values), max(values))
    assert tuple(entry.percentile for entry in stats.percentiles) == PERCENTILES
    for entry in stats.percentiles:
        expected = percentile_with_interval(sorted(values), entry.percentile)
        assert (entry.value, entry.low, entry.high) == expected


def test_summary_leaves_the_values_as_they_are() -> None:
    values = np.array([3, 1, 2])
    summarise_latency(values)
    assert values.tolist() == [3, 1, 2]


def test_summary_of_one_value_has_no_spread_and_no_upper_bounds() -> None:
    stats = summarise_latency(np.array([7]))
    assert (stats.count, stats.mean, stats.stddev, stats.min, stats.max) == (1, 7.0, 0.0, 7.0, 7.0)
    assert all((entry.value, entry.high) == (7.0, None) for entry in stats.percentiles)
    assert stats.percentiles[0].low is None  # a single value lies above the median half of the time


@pytest.mark.parametrize("values", [[math.nan, 1.0], [math.inf]])
def test_summary_refuses_what_is_not_finite(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        summarise_latency(np.array(values))


def test_summary_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no latencies"):
        summarise_latency(np.array([], dtype=np.int64))


def test_steady_completions_give_the_rate_with_a_narrow_interval() -> None:
    ends = 10**18 + np.arange(1, 1001) * 2_000_000
    stats = throughput_interval(ends, 10**18)
    assert math.isclose(stats.samples_per_s, 500, rel_tol=1e-9)
    assert stats.low is not None
    assert stats.high is not None
    assert 499.999 < stats.low <= stats.high < 500.001


def test_samples_of_one_batch_count_as_one_completion() -> None:
    ends = np.repeat(np.arange(1, 101) * 8_000_000, 32)
    stats = throughput_interval(ends, 0)
    assert math.isclose(stats.samples_per_s, 4000, rel_tol=1e-9)
    assert stats.low is not None
    assert math.isclose(stats.low, 4000, rel_tol=1e-6)


def test_few_completions_give_no_interval() -> None:
    stats = throughput_interval(np.arange(1, 20) * 1000, 0)
    assert stats.samples_per_s == pytest.approx(1e6)
    assert (stats.low, stats.high) == (None, None)
    assert throughput_interval(np.arange(1, 21) * 1000, 0).low is not None


@given(gaps=st.lists(st.integers(1, 10**9), min_size=20, max_size=300))
def test_rate_lies_within_its_interval(gaps: list[int]) -> None:
    stats = throughput_interval(np.cumsum(gaps), 0)
    assert math.isclose(stats.samples_per_s, len(gaps) / sum(gaps) * 1e9, rel_tol=1e-9)
    assert stats.low is not None
    assert stats.low <= stats.samples_per_s
    assert stats.high is None or stats.samples_per_s <= stats.high


def test_interval_covers_the_rate_of_a_stream_whose_neighbours_depend_on_each_other() -> None:
    generator = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        noise = generator.normal(size=3000)
        drift = np.empty(3000)
        level = 0.0
        for i in range(3000):  # AR(1) with coefficient 0.8: the plain interval would be three times too narrow
            level = 0.8 * level + noise[i]
            drift[i] = level
        stats = throughput_interval(np.cumsum((1e6 + 5e4 * drift).astype(np.int64)), 0)
        assert stats.low is not None
        assert stats.high is not None
        hits += stats.low <= 1000 <= stats.high
    assert hits >= 272  # 95 % of 300, less 2.5 times the standard error and a little for the cuts


@pytest.mark.parametrize("ends", [[4, 10], [5]])
def test_completions_that_take_no_time_are_refused(ends: list[int]) -> None:
    with pytest.raises(ValueError, match="after the first issue"):
        throughput_interval(np.array(ends), 5)


def test_throughput_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no completions"):
        throughput_interval(np.array([], dtype=np.int64), 0)
