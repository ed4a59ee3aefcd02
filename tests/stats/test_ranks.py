import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import cliffs_delta, hodges_lehmann, mann_whitney, signed_rank

WHOLE = st.lists(st.integers(-20, 20), min_size=1, max_size=40)


@given(n=st.integers(1, 60), seed=st.integers(0, 10_000), shift=st.floats(-1, 1))
def test_exact_signed_rank_test_equals_scipy(n: int, seed: int, shift: float) -> None:
    values = np.random.default_rng(seed).normal(shift, 1, n)
    assert signed_rank(values).p == pytest.approx(float(scipy.stats.wilcoxon(values, method="exact").pvalue))


@given(values=st.lists(st.integers(-20, 20), min_size=5, max_size=80).filter(any))
def test_signed_rank_test_with_ties_equals_scipy(values: list[int]) -> None:
    kept = [value for value in values if value]
    if len(set(map(abs, kept))) == len(kept) == len(values):
        return  # no ties: the exact test is used
    theirs = scipy.stats.wilcoxon(values, method="approx", correction=True, zero_method="wilcox")
    assert signed_rank(values).p == pytest.approx(min(1.0, float(theirs.pvalue)), abs=1e-9)


def test_signed_rank_interval_excludes_zero_exactly_where_the_test_does() -> None:
    for seed in range(300):
        values = np.random.default_rng(seed).normal(0.5, 1, 6 + seed % 40)
        found = signed_rank(values)
        assert found.low is not None
        assert found.high is not None
        assert (found.low > 0 or found.high < 0) == (found.p <= 0.05)
        assert found.low <= found.value <= found.high


def test_signed_rank_needs_six_pairs_for_an_interval() -> None:
    assert signed_rank(np.arange(1.0, 6)).low is None
    assert signed_rank(np.arange(1.0, 7)).low == 1


def test_signed_rank_interval_of_many_pairs_covers_as_often_as_promised() -> None:
    random = np.random.default_rng(4)
    found = [signed_rank(random.normal(1, 1, 100)) for _ in range(400)]
    assert sum(each.low is not None and each.high is not None and each.low <= 1 <= each.high for each in found) >= 368


def test_no_difference_at_all_is_no_evidence() -> None:
    assert signed_rank(np.zeros(30)).p == 1


@given(first=WHOLE, second=WHOLE)
def test_mann_whitney_equals_scipy(first: list[int], second: list[int]) -> None:
    if len({*first, *second}) == 1:
        assert mann_whitney(first, second) == 1
        return
    theirs = scipy.stats.mannwhitneyu(first, second, method="asymptotic", use_continuity=True)
    assert mann_whitney(first, second) == pytest.approx(float(theirs.pvalue), abs=1e-9)


@given(first=WHOLE, second=WHOLE)
def test_cliffs_delta_counts_every_pair(first: list[int], second: list[int]) -> None:
    signs = np.sign(np.subtract.outer(second, first))
    assert cliffs_delta(first, second) == pytest.approx(float(signs.mean()))


@given(first=WHOLE, second=WHOLE)
def test_hodges_lehmann_is_the_median_of_all_differences(first: list[int], second: list[int]) -> None:
    assert hodges_lehmann(first, second) == float(np.median(np.subtract.outer(second, first)))


def test_hodges_lehmann_of_many_values_is_near_that_of_all() -> None:
    random = np.random.default_rng(5)
    assert hodges_lehmann(random.normal(0, 1, 5000), random.normal(0.5, 1, 5000)) == pytest.approx(0.5, abs=0.06)
