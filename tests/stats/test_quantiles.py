import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats._quantiles import (
    binomial_cdf,
    binomial_quantiles,
    normal_quantile,
    student_t_quantile,
    student_t_two_sided,
)

PROBABILITIES = st.floats(0.0005, 0.9995)


@given(n=st.integers(1, 5000), p=st.floats(1e-4, 1 - 1e-4), q=PROBABILITIES)
def test_binomial_quantile_is_the_smallest_count_that_reaches_the_probability(n: int, p: float, q: float) -> None:
    (k,) = binomial_quantiles(n, p, (q,))
    # The tolerance is for a q that lies on a step of the distribution, where either count is right.
    assert scipy.stats.binom.cdf(k, n, p) >= q - 1e-9
    assert k == 0 or scipy.stats.binom.cdf(k - 1, n, p) <= q + 1e-9


@pytest.mark.parametrize("n", [10**5, 10**7, 10**9])
@pytest.mark.parametrize("p", [0.5, 0.9, 0.99, 0.999, 0.9999])
def test_binomial_quantile_is_exact_for_many_trials(n: int, p: float) -> None:
    expected = tuple(int(scipy.stats.binom.ppf(q, n, p)) for q in (0.025, 0.975))
    assert binomial_quantiles(n, p, (0.025, 0.975)) == expected


@given(q=PROBABILITIES, freedom=st.integers(1, 5000))
def test_student_t_quantile_equals_scipy(q: float, freedom: int) -> None:
    expected = float(scipy.stats.t.ppf(q, freedom))
    assert math.isclose(student_t_quantile(q, freedom), expected, rel_tol=1e-8, abs_tol=1e-10)


@given(q=PROBABILITIES)
def test_normal_quantile_equals_scipy(q: float) -> None:
    assert math.isclose(normal_quantile(q), float(scipy.stats.norm.ppf(q)), rel_tol=1e-9, abs_tol=1e-12)


def test_several_quantiles_come_in_the_order_asked_for() -> None:
    high, low = binomial_quantiles(100, 0.5, (0.975, 0.025))
    assert (low, high) == (40, 60)


@given(t=st.floats(-4, 4), freedom=st.integers(1, 3000))
def test_student_t_probability_equals_scipy(t: float, freedom: int) -> None:
    expected = 2 * float(scipy.stats.t.sf(abs(t), freedom))
    assert math.isclose(student_t_two_sided(t, freedom), expected, rel_tol=1e-2, abs_tol=1e-12)


@given(n=st.integers(1, 5000), p=st.floats(1e-4, 1 - 1e-4), k=st.integers(-1, 5001))
def test_binomial_probability_equals_scipy(n: int, p: float, k: int) -> None:
    assert math.isclose(binomial_cdf(k, n, p), float(scipy.stats.binom.cdf(k, n, p)), abs_tol=1e-9)
