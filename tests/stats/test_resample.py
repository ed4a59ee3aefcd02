import math
from typing import Literal

import numpy as np
import pytest
import scipy.stats

from mlscope.stats import autocorrelation, block_bootstrap, block_length, bootstrap, effective_size, long_run_variance
from tests.stats.series import Array, autoregressive


def mean(values: Array) -> float:
    return float(values.mean())


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstrap_equals_scipy_within_the_noise_of_the_draws(method: Literal["bca", "percentile"]) -> None:
    values = np.random.default_rng(3).lognormal(size=80)
    found = bootstrap(values, mean, resamples=4000, method=method)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=4000, method=method, rng=np.random.default_rng(1))
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert found.value == pytest.approx(values.mean())
    assert abs(found.low - theirs.confidence_interval.low) < 0.06 * width
    assert abs(found.high - theirs.confidence_interval.high) < 0.06 * width
    assert found.standard_error == pytest.approx(theirs.standard_error, rel=0.06)


def test_bootstrap_is_the_same_for_the_same_seed() -> None:
    values = np.arange(50.0)
    assert bootstrap(values, mean, seed=5, resamples=200) == bootstrap(values, mean, seed=5, resamples=200)
    assert bootstrap(values, mean, seed=5, resamples=200) != bootstrap(values, mean, seed=6, resamples=200)


def test_bootstrap_of_equal_values_has_no_width() -> None:
    found = bootstrap(np.full(20, 3.0), mean, resamples=100)
    assert (found.low, found.high, found.standard_error) == (3.0, 3.0, 0.0)


# As the package `arch` 8.0 finds them for the same series.
@pytest.mark.parametrize(
    ("coefficient", "n", "stationary", "circular"),
    [
        (0.3, 200, 2.275154648896946, 2.604401930603759),
        (0.95, 200, 18.07417419000703, 20.689764617690884),
        (0.95, 2000, 75.34004622979114, 86.24282395386838),
    ],
)
def test_block_lengths_are_those_of_arch(coefficient: float, n: int, stationary: float, circular: float) -> None:
    found = block_length(autoregressive(n, coefficient, 1))
    assert found.stationary == pytest.approx(stationary)
    assert found.circular == pytest.approx(circular)


def test_block_lengths_of_independent_and_of_equal_values_are_short() -> None:
    assert block_length(np.random.default_rng(1).normal(size=2000)).stationary < 5
    assert block_length(np.ones(50)).stationary == 1


@pytest.mark.parametrize("kind", ["stationary", "moving"])
def test_block_bootstrap_covers_the_mean_of_dependent_values(kind: Literal["stationary", "moving"]) -> None:
    hits = plain = 0
    for seed in range(100):
        values = autoregressive(1500, 0.6, seed)
        blocks = block_bootstrap(values, mean, kind=kind, seed=seed, resamples=100)
        hits += blocks.low <= 0 <= blocks.high
        single = block_bootstrap(values, mean, length=1, seed=seed, resamples=100)
        plain += single.low <= 0 <= single.high
    assert hits >= 86  # a little below 95 % of 100, as is known of block bootstraps
    assert plain < 80  # drawing single values makes intervals half as wide as they must be


def test_impossible_resampling_is_refused() -> None:
    with pytest.raises(ValueError, match="resamples"):
        bootstrap([1.0, 2.0], mean, resamples=10)
    with pytest.raises(ValueError, match="blocks of"):
        block_bootstrap([1.0, 2.0], mean, length=3)
    with pytest.raises(ValueError, match="not finite"):
        bootstrap([1.0, math.nan], mean)
    with pytest.raises(ValueError, match="at least 10"):
        block_length([1.0] * 9)


def test_autocorrelation_is_that_of_the_definition() -> None:
    values = autoregressive(300, 0.5, 2)
    centred = values - values.mean()
    wanted = [float((centred[lag:] * centred[:-lag]).sum() / (centred**2).sum()) for lag in (1, 2, 7)]
    found = autocorrelation(values, 7)
    assert [found[0], found[1], found[6]] == pytest.approx(wanted)
    assert autocorrelation(np.full(10, 7.7), 3).tolist() == [0, 0, 0]


def test_long_run_variance_of_an_autoregression_is_near_its_own() -> None:
    values = autoregressive(100_000, 0.8, 4)
    assert long_run_variance(values) == pytest.approx(1 / (1 - 0.8) ** 2, rel=0.1)
    assert effective_size(values) == pytest.approx(100_000 * (1 - 0.8) / (1 + 0.8), rel=0.15)
    assert effective_size(np.ones(10)) == 10
