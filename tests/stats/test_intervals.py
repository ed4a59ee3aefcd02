import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import mean_interval, percentile_with_interval, wilson_interval

VALUES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400).map(sorted)
PERCENTS = st.sampled_from([1.0, 50, 90, 95, 97, 99, 99.9, 99.99])
CONFIDENCES = st.sampled_from([0.5, 0.9, 0.95, 0.99])


@given(values=VALUES, p=PERCENTS)
def test_percentile_is_a_value_with_enough_values_at_or_below(values: list[float], p: float) -> None:
    value, _, _ = percentile_with_interval(values, p)
    assert value in values
    share = round(p * 100)  # in hundredths of a percent: whole numbers, no rounding
    assert sum(other <= value for other in values) * 10_000 >= share * len(values)
    assert sum(other < value for other in values) * 10_000 < share * len(values)


@given(values=VALUES, p=PERCENTS, confidence=CONFIDENCES)
def test_percentile_lies_within_its_interval(values: list[float], p: float, confidence: float) -> None:
    value, low, high = percentile_with_interval(values, p, confidence)
    assert low is None or low <= value
    assert high is None or high >= value


@given(n=st.integers(1, 3000), p=PERCENTS, confidence=CONFIDENCES)
def test_ranks_of_the_interval_leave_at_most_half_the_risk_on_each_side(n: int, p: float, confidence: float) -> None:
    ranks = np.arange(1, n + 1)
    _, low, high = percentile_with_interval(ranks, p, confidence)
    tail, binomial = (1 - confidence) / 2, scipy.stats.binom(n, p / 100)
    assert low is None or binomial.cdf(low - 1) <= tail + 1e-9
    assert high is None or binomial.sf(high - 1) <= tail + 1e-9
    if low is None:  # even the smallest value would be too high too often
        assert binomial.cdf(0) >= tail - 1e-9
    if high is None:  # even the largest would be too low too often
        assert binomial.sf(n - 1) >= tail - 1e-9


def test_percentile_rank_has_no_rounding_error() -> None:
    ranks = np.arange(1, 1001)
    assert percentile_with_interval(ranks, 99.9)[0] == 999
    assert percentile_with_interval(ranks, 99)[0] == 990
    assert percentile_with_interval(np.arange(1, 10_001), 99.99)[0] == 9999


def test_interval_of_the_99th_percentile_needs_368_values() -> None:
    assert percentile_with_interval(np.arange(367), 99)[2] is None
    assert percentile_with_interval(np.arange(368), 99)[2] == 367


def test_interval_of_one_value_is_unknown() -> None:
    assert percentile_with_interval([5.0], 50) == (5.0, None, None)


@pytest.mark.parametrize("p", [50, 99])
def test_percentile_interval_covers_the_truth_as_often_as_promised(p: float) -> None:
    generator = np.random.default_rng(1)
    truth = scipy.stats.expon.ppf(p / 100)
    hits = 0
    for _ in range(1000):
        _, low, high = percentile_with_interval(np.sort(generator.exponential(size=1000)), p)
        assert low is not None
        assert high is not None
        hits += low <= truth <= high
    assert hits >= 935  # 95 % of 1000, less twice the standard error


@pytest.mark.parametrize("p", [0, 100, -1, 101])
def test_percentile_out_of_range_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="strictly between 0 and 100"):
        percentile_with_interval([1.0], p)


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        percentile_with_interval([], 50)


@given(data=st.data(), n=st.integers(1, 100_000), confidence=CONFIDENCES)
def test_wilson_interval_equals_scipy(data: st.DataObject, n: int, confidence: float) -> None:
    good = data.draw(st.integers(0, n))
    low, high = wilson_interval(good, n, confidence)
    expected = scipy.stats.binomtest(good, n).proportion_ci(confidence, method="wilson")
    assert math.isclose(low, expected.low, abs_tol=1e-12)
    assert math.isclose(high, expected.high, abs_tol=1e-12)
    assert 0 <= low <= good / n <= high <= 1


def test_wilson_interval_of_nothing_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("good", "n"), [(-1, 5), (6, 5)])
def test_wilson_interval_refuses_impossible_counts(good: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(good, n)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=500), confidence=CONFIDENCES)
def test_mean_interval_equals_scipy(values: list[float], confidence: float) -> None:
    mean, low, high = mean_interval(values, confidence)
    scale = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = float(scipy.stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * scale
    assert low is not None
    assert high is not None
    assert math.isclose(mean, float(np.mean(values)), rel_tol=1e-9, abs_tol=1e-9)
    assert math.isclose(low, mean - reach, rel_tol=1e-7, abs_tol=1e-6)
    assert math.isclose(high, mean + reach, rel_tol=1e-7, abs_tol=1e-6)


def test_mean_interval_of_one_value_is_unknown() -> None:
    assert mean_interval([3.0]) == (3.0, None, None)


def test_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])


@pytest.mark.parametrize("confidence", [0, 1, 1.5, 95])
def test_confidence_out_of_range_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        wilson_interval(1, 2, confidence)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        mean_interval([1.0, 2.0], confidence)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        percentile_with_interval([1.0], 50, confidence)
