import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import early_stopping_estimate, early_stopping_passes, early_stopping_queries

PERCENTS = st.sampled_from([50.0, 90.0, 95.0, 97.0, 99.0, 99.9])


@pytest.mark.parametrize(("percentile", "needed"), [(90, 64), (99, 662)])
def test_the_fewest_queries_are_those_that_loadgen_asks_for(percentile: float, needed: int) -> None:
    assert early_stopping_queries(1, percentile) == needed
    assert early_stopping_estimate(np.arange(needed - 1.0), percentile).estimate is None
    assert early_stopping_estimate(np.arange(float(needed)), percentile).discarded == 0


def test_no_query_over_the_bound_needs_459_for_the_99th_percentile() -> None:
    assert early_stopping_queries(0, 99) == 459  # 0.99 ** 459 < 0.01
    assert not early_stopping_passes(0, 458, 99)
    assert early_stopping_passes(0, 459, 99)


@given(over=st.integers(0, 400), percentile=PERCENTS, confidence=st.sampled_from([0.9, 0.99]))
def test_queries_are_the_fewest_that_scipy_finds_unlikely_enough(
    over: int, percentile: float, confidence: float
) -> None:
    needed = early_stopping_queries(over, percentile, confidence)
    share = 1 - percentile / 100
    assert scipy.stats.binom.cdf(over, needed, share) <= 1 - confidence + 1e-9
    assert scipy.stats.binom.cdf(over, needed - 1, share) >= 1 - confidence - 1e-9


@given(n=st.integers(1, 20_000), percentile=PERCENTS)
def test_the_estimate_gives_up_as_many_as_pass_and_no_more(n: int, percentile: float) -> None:
    values = np.arange(1.0, n + 1)
    found = early_stopping_estimate(values, percentile)
    assert (found.estimate is None) == (n < found.needed)
    if found.discarded is not None:
        over = found.discarded + 1
        assert early_stopping_passes(over, n, percentile)
        assert not early_stopping_passes(over + 1, n, percentile)
        assert found.estimate == values[n - over]
        assert found.estimate >= np.quantile(values, percentile / 100, method="inverted_cdf")


def test_a_test_without_queries_passes_nothing() -> None:
    assert not early_stopping_passes(0, 0, 99)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        early_stopping_estimate([], 90)
    with pytest.raises(ValueError, match="strictly between 0 and 100"):
        early_stopping_queries(1, 100)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        early_stopping_queries(1, 90, 1)
    with pytest.raises(ValueError, match="over the bound"):
        early_stopping_passes(3, 2, 90)
    with pytest.raises(ValueError, match="over the bound"):
        early_stopping_queries(-1, 90)
