import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import mad, medcouple, outliers
from tests.stats.series import latencies

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@given(values=VALUES)
def test_mad_equals_scipy(values: list[float]) -> None:
    assert mad(values) == pytest.approx(float(scipy.stats.median_abs_deviation(values, scale="normal")), rel=1e-6)


# As the package `statsmodels` 0.14 finds them.
def test_medcouple_is_that_of_statsmodels() -> None:
    random = np.random.default_rng(3)
    assert medcouple(random.lognormal(size=300)) == pytest.approx(0.4273755163063714)
    assert medcouple(random.integers(0, 6, size=101).astype(float)) == 0
    assert medcouple(random.exponential(size=801)) == pytest.approx(0.3350359605754111)


@given(values=VALUES)
def test_medcouple_turns_round_with_its_values(values: list[float]) -> None:
    assert -1 <= medcouple(values) <= 1
    whole = np.round(values)
    assert medcouple(-whole) == pytest.approx(-medcouple(whole), abs=1e-9)


def test_medcouple_of_many_values_is_near_that_of_all() -> None:
    assert medcouple(np.random.default_rng(1).exponential(size=100_000)) == pytest.approx(0.335, abs=0.02)


def test_skewed_latencies_have_few_outliers_and_planted_ones_are_found() -> None:
    values = np.random.default_rng(2).lognormal(0, 0.5, 5000)
    assert outliers(values).high < 50  # the plain box plot calls 4 % of them outliers
    values[100:120] = 40
    values[3000] = 90
    found = outliers(values)
    assert found.high >= 21
    assert found.longest_run == 20
    assert found.share_of_sum == pytest.approx(values[values > found.high_fence].sum() / values.sum())
    assert found.worst_z > 100


def test_the_rest_of_equal_values_is_outside() -> None:
    values = np.full(100, 5.0)
    values[7] = 6
    found = outliers(values)
    assert (found.high, found.low, found.mad, found.worst_z) == (1, 0, 0, math.inf)
    assert outliers(np.full(30, 5.0)).worst_z == 0


def test_latencies_of_a_healthy_run_have_a_median_between_the_fences() -> None:
    found = outliers(latencies(3000, 1))
    assert found.low_fence < found.median < found.high_fence
    assert found.high < 150


def test_too_few_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 20"):
        outliers([1.0] * 19)
