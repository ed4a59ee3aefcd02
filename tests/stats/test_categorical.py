import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import holm, mcnemar


@given(first=st.integers(0, 3000), second=st.integers(0, 3000))
def test_mcnemar_equals_the_binomial_test(first: int, second: int) -> None:
    wanted = scipy.stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second).p == pytest.approx(float(wanted), rel=1e-6, abs=1e-200)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 2)


def test_holm_is_that_of_the_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    found = holm(p_values)
    for p, corrected in zip(p_values, found, strict=True):
        assert p <= corrected <= min(1.0, p * len(p_values)) + 1e-12
    assert [found[i] for i in sorted(range(len(found)), key=lambda i: p_values[i])] == sorted(found)


def test_holm_refuses_what_is_no_probability() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.1])
