import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import bhattacharyya, correlation, covariance, hellinger, jensen_shannon, kullback_leibler

WEIGHTS = st.lists(st.floats(0, 1e3), min_size=4, max_size=4).filter(lambda values: sum(values) > 1e-3)
NUMBERS = st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4)


@given(first=WEIGHTS, second=WEIGHTS)
def test_divergences_of_distributions_equal_scipy(first: list[float], second: list[float]) -> None:
    one, two = np.array(first) / sum(first), np.array(second) / sum(second)
    assert kullback_leibler(first, second)[0] == pytest.approx(max(0, scipy.stats.entropy(one, two)), abs=1e-9)
    theirs = scipy.spatial.distance.jensenshannon(one, two) ** 2
    assert jensen_shannon(first, second)[0] == pytest.approx(theirs, abs=1e-9)
    overlap = float(np.sqrt(one * two).sum())
    assert hellinger(first, second)[0] == pytest.approx(math.sqrt(max(0.0, 1 - overlap)), abs=1e-6)
    wanted = -math.log(min(1, overlap)) if overlap else math.inf
    assert bhattacharyya(first, second)[0] == pytest.approx(wanted, abs=1e-9)


@given(first=NUMBERS, second=NUMBERS)
def test_covariance_equals_numpy(first: list[float], second: list[float]) -> None:
    assert covariance(first, second)[0] == pytest.approx(np.cov(first, second)[0, 1], abs=1e-6)


def test_correlation_equals_scipy_and_is_open_where_nothing_varies() -> None:
    random = np.random.default_rng(1)
    one, two = random.normal(size=(5, 10)), random.normal(size=(5, 10))
    wanted = [scipy.stats.pearsonr(a, b).statistic for a, b in zip(one, two, strict=True)]
    assert correlation(one, two) == pytest.approx(wanted)
    assert correlation([2.0, 2.0], [2.0, 2.0])[0] == 1
    assert math.isnan(correlation([2.0, 2.0], [1.0, 2.0])[0])


def test_zeros_are_what_the_docstrings_say() -> None:
    assert kullback_leibler([0, 1], [0.5, 0.5])[0] == pytest.approx(math.log(2))
    assert kullback_leibler([0.5, 0.5], [0, 1])[0] == math.inf
    assert jensen_shannon([1, 0], [0, 1])[0] == pytest.approx(math.log(2))
    assert hellinger([1, 0], [0, 1])[0] == 1
    assert bhattacharyya([1, 0], [0, 1])[0] == math.inf


def test_each_row_has_its_own_divergence() -> None:
    rows = np.array([[0.1, 0.9], [0.5, 0.5]])
    for measure in (kullback_leibler, jensen_shannon, hellinger, bhattacharyya):
        assert measure(rows, rows) == pytest.approx([0, 0], abs=1e-7)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        hellinger([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="negative"):
        hellinger([-1, 2], [1, 2])
    with pytest.raises(ValueError, match="zeros"):
        hellinger([0, 0], [1, 2])
    with pytest.raises(ValueError, match="not finite"):
        hellinger([math.nan, 1], [1, 2])
    with pytest.raises(ValueError, match="at least two"):
        covariance([1.0], [1.0])
