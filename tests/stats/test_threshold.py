"""The search for a threshold: few runs, the right answer, and an honest one where there is none or noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import Observation, ThresholdSearch, Verdict
from mlscope.stats._root import falling_root

Measure = Callable[[float, bool], Observation]


def searched(measure: Measure, search: ThresholdSearch) -> Verdict:
    for value in search:
        search.tell(value, measure(value, search.full))
    return search.verdict()


def linear(limit: float) -> Measure:
    """A latency that grows with the value and meets its bound up to `limit`."""

    def measure(value: float, full: bool) -> Observation:
        return Observation(value <= limit, (limit - value) / limit, full=full)

    return measure


@pytest.mark.parametrize("start", [1, 2, 8, 15, 16, 24, 31, 32, 40, 64, 250, 1000])
def test_31_and_not_32_in_fewer_than_8_runs(start: int) -> None:
    """50 ms, reached between 31 and 32 samples of 1.585 ms each."""

    def measure(value: float, full: bool) -> Observation:
        latency = 1.585 * value
        return Observation(latency < 50, 1 - latency / 50, full=full)

    found = searched(measure, ThresholdSearch(start=start, low=1, integer=True))
    assert (found.best, found.first_failing, found.outcome, found.confirmed) == (31, 32, "found", True)
    assert (found.low, found.high) == (31, 32)
    assert found.runs < 8


@given(limit=st.integers(1, 5000), start=st.integers(1, 5000))
def test_every_whole_limit_is_found(limit: int, start: int) -> None:
    found = searched(linear(limit + 0.5), ThresholdSearch(start=start, low=1, integer=True))
    assert (found.best, found.high, found.outcome, found.confirmed) == (limit, limit + 1, "found", True)
    assert found.runs <= 12


@given(limit=st.integers(1, 2000), start=st.integers(1, 2000))
def test_without_margins_it_halves(limit: int, start: int) -> None:
    search = ThresholdSearch(start=start, low=1, integer=True, most=60)
    found = searched(lambda value, full: Observation(value <= limit, full=full), search)
    assert (found.best, found.confirmed) == (limit, True)
    assert found.runs <= 2 * math.log2(4000) + 4


@given(limit=st.floats(0.2, 5000), start=st.floats(0.1, 5000), bend=st.floats(0.3, 3))
def test_every_real_limit_is_found_within_the_tolerance(limit: float, start: float, bend: float) -> None:
    def measure(value: float, full: bool) -> Observation:
        return Observation(value <= limit, 1 - (value / limit) ** bend, full=full)

    found = searched(measure, ThresholdSearch(start=start, low=0.01, tolerance=0.01, most=60))
    assert found.outcome == "found"
    assert found.best is not None
    assert 0.985 * limit <= found.best <= limit
    assert found.first_failing is not None
    assert found.first_failing > limit


def test_nothing_meets_the_bound() -> None:
    found = searched(linear(0.4), ThresholdSearch(start=8, low=1, integer=True))
    assert (found.outcome, found.best, found.first_failing) == ("nothing", None, 1)
    assert found.nearest_miss is not None
    assert found.nearest_miss[0] == 1
    assert found.runs <= 5


def test_a_late_query_of_a_short_run_does_not_decide() -> None:
    """The short run at 31 fails by an accident; one of full length tells."""

    def measure(value: float, full: bool) -> Observation:
        latency = 50.05 if value == 31 and not full else 1.585 * value
        return Observation(latency < 50, 1 - latency / 50, full=full)

    found = searched(measure, ThresholdSearch(start=8, low=1, integer=True))
    assert (found.best, found.first_failing, found.confirmed) == (31, 32, True)
    assert found.runs < 8


def test_everything_meets_the_bound_up_to_the_cap() -> None:
    found = searched(linear(1e9), ThresholdSearch(start=8, low=1, high=100, integer=True))
    assert (found.outcome, found.best, found.first_failing, found.confirmed) == ("everything", 100, None, True)
    assert found.runs <= 8


def test_a_winner_that_fails_its_full_run_is_no_winner() -> None:
    """Short runs flatter: with the full length the limit is 20."""

    def measure(value: float, full: bool) -> Observation:
        limit = 20.5 if full else 31.5
        return Observation(value <= limit, (limit - value) / limit, full=full)

    found = searched(measure, ThresholdSearch(start=16, low=1, integer=True))
    assert (found.best, found.confirmed) == (20, True)


@given(limit=st.floats(2, 300), start=st.integers(1, 300), cut=st.integers(0, 8))
def test_it_goes_on_from_its_observations(limit: float, start: int, cut: int) -> None:
    whole = ThresholdSearch(start=start, low=1, integer=True)
    expected = searched(linear(limit), whole)
    resumed = ThresholdSearch(start=start, low=1, integer=True, observations=whole.observations[:cut])
    assert searched(linear(limit), resumed) == expected
    assert resumed.observations == whole.observations


def test_a_search_that_is_told_nothing_says_so() -> None:
    search = ThresholdSearch(start=1, low=1)
    with pytest.raises(RuntimeError, match="was not told"):
        list(search)


def test_an_unfinished_search_says_so() -> None:
    search = ThresholdSearch(start=8, low=1, integer=True, most=2)
    found = searched(linear(31.5), search)
    assert (found.outcome, found.best, found.confirmed) == ("unfinished", 17, False)


@pytest.mark.parametrize("bad", [{"start": 0.5, "low": 1}, {"start": 8, "low": 1, "high": 4}, {"start": 1, "low": 0}])
def test_contradictions_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="contradict"):
        ThresholdSearch(**bad)  # type: ignore[arg-type]


def noisy(random: np.random.Generator, limit: float, noise: float) -> Measure:
    """Margins as an M/M/1 queue has them, with errors; short runs scatter three times as much."""

    def measure(value: float, full: bool) -> Observation:
        error = noise * (1 if full else 3)
        margin = 4 * (1 - value / limit) + random.normal(0, error)
        return Observation(margin >= 0, margin, error, full)

    return measure


def test_noise_is_averaged_out() -> None:
    """A single run tells the limit to 4 %; the searches must tell it to 2, and their intervals must hold it."""
    random = np.random.default_rng(4)
    searches = [
        searched(noisy(random, 150, 0.16), ThresholdSearch(start=8, low=0.1, tolerance=0.015)) for _ in range(60)
    ]
    assert sum(each.confirmed for each in searches) >= 57
    ratios = np.array([(each.best or 0) / 150 for each in searches])
    assert abs(ratios.mean() - 1) < 0.015
    assert (abs(ratios - 1) < 0.05).mean() >= 0.95
    inside = [each.low <= 150 <= each.high for each in searches if each.low is not None and each.high is not None]
    assert np.mean(inside) >= 0.8
    assert np.mean([each.runs for each in searches]) < 22


@given(
    limit=st.floats(0.05, 2000),
    start=st.floats(0.05, 2000),
    noise=st.floats(0.01, 1.5),
    seed=st.integers(0, 2**32),
    integer=st.booleans(),
)
def test_no_noise_confuses_it(limit: float, start: float, noise: float, seed: int, integer: bool) -> None:
    start = math.ceil(start) if integer else start
    search = ThresholdSearch(start=start, low=1 if integer else 0.05, high=2000, integer=integer)
    found = searched(noisy(np.random.default_rng(seed), limit, noise), search)
    assert found.runs <= 30
    assert all(search._low <= value <= 2000 for value, _ in search.observations)
    assert not integer or all(value == int(value) for value, _ in search.observations)


def test_whole_numbers_near_the_limit_are_measured_again() -> None:
    random = np.random.default_rng(5)
    found = [
        searched(noisy(random, 31.5, 0.05), ThresholdSearch(start=16, low=1, integer=True)).best for _ in range(40)
    ]
    assert np.mean([each == 31 for each in found]) >= 0.85


def test_the_zero_of_a_line() -> None:
    points = [(x, 2 - 0.5 * x, 0.1) for x in (1.0, 3.0, 5.0)]
    root = falling_root(points)
    assert root is not None
    assert root[0] == pytest.approx(4)
    assert falling_root([(x, y + x, e) for x, y, e in points]) is None
    assert falling_root(points[:2]) is None
    assert falling_root([(1.0, 1.0, 0.1)] * 4) is None


def test_the_error_of_a_zero_is_its_scatter() -> None:
    random = np.random.default_rng(6)
    x = np.linspace(90, 110, 8)
    found = [falling_root([(v, 4 * (1 - v / 100) + random.normal(0, 0.2), 0.2) for v in x]) for _ in range(400)]
    roots = np.array([each for each in found if each is not None])
    assert roots[:, 0].std() == pytest.approx(np.median(roots[:, 1]), rel=0.35)
