"""Laws of arrival: the mean rate is the one asked for, the gaps follow their law, and a seed gives one sequence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlscope.errors import UsageError
from mlscope.plan import LAWS, Schedule, draw_schedule, parse_law

QPS = 500.0
EVERY = [
    "constant",
    "poisson",
    "gamma:cv=3",
    "pareto:alpha=3",
    "weibull:shape=0.7",
    "uniform",
    "onoff:on=0.2,off=0.3",
    "ramp",
]


def drawn(text: str, *, seed: int = 1, run: int = 0, qps: float = QPS, seconds: float = 40, least: int = 1) -> Schedule:
    return draw_schedule(
        parse_law(text), qps, min_duration_s=seconds, min_requests=least, samples=7, seed=seed, run=run
    )


@pytest.mark.parametrize("text", EVERY)
def test_the_mean_rate_is_the_one_asked_for(text: str) -> None:
    schedule = drawn(text)
    assert schedule.qps == pytest.approx(QPS, rel=0.08)
    assert set(schedule.inputs.tolist()) == set(range(7))


@pytest.mark.parametrize(
    ("text", "cdf"),
    [
        ("poisson", stats.expon(scale=1 / QPS).cdf),
        ("gamma:cv=2", stats.gamma(0.25, scale=4 / QPS).cdf),
        ("gamma:burstiness=0.25", stats.gamma(0.25, scale=4 / QPS).cdf),
        ("pareto:alpha=3", stats.pareto(3, scale=2 / 3 / QPS).cdf),
        ("weibull:shape=2", stats.weibull_min(2, scale=1 / QPS / math.gamma(1.5)).cdf),
        ("uniform:spread=0.5", stats.uniform(0.5 / QPS, 1 / QPS).cdf),
    ],
)
def test_gaps_follow_their_law(text: str, cdf: Any) -> None:
    gaps = np.diff(drawn(text, seconds=10).offsets_ns) / 1e9
    assert stats.kstest(gaps, cdf).pvalue > 0.001


def test_constant_gaps_are_equal() -> None:
    assert set(np.diff(drawn("constant", qps=1000).offsets_ns).tolist()) == {1_000_000}


def test_nothing_comes_while_it_is_off() -> None:
    phase = np.mod(drawn("on/off:on=0.2,off=0.3").offsets_ns / 1e9, 0.5)
    assert phase.max() <= 0.2 + 1e-9


def test_a_ramp_rises() -> None:
    counts, _ = np.histogram(drawn("ramp:from=0,to=2").offsets_ns, 4)
    assert counts == pytest.approx(len(drawn("ramp").inputs) * np.array([1, 3, 5, 7]) / 16, rel=0.1)
    falling, _ = np.histogram(drawn("ramp:from=2,to=0").offsets_ns, 4)
    assert falling[0] > 5 * falling[-1]


@given(
    text=st.sampled_from(EVERY),
    qps=st.floats(0.5, 5000),
    seconds=st.floats(0, 3),
    least=st.integers(1, 300),
    seed=st.integers(-(2**63), 2**64),
)
def test_every_schedule_meets_both_minima_in_order(
    text: str, qps: float, seconds: float, least: int, seed: int
) -> None:
    law = parse_law(text)
    schedule = draw_schedule(law, qps, min_duration_s=seconds, min_requests=least, samples=3, seed=seed)
    offsets = schedule.offsets_ns
    assert len(offsets) == len(schedule.inputs) >= least
    assert offsets[0] >= 0
    assert (np.diff(offsets) >= 0).all()
    assert ((schedule.inputs >= 0) & (schedule.inputs < 3)).all()
    if law.name != "ramp":  # its last request comes somewhat before its end
        assert offsets[-1] >= math.floor(seconds * 1e9)
        assert len(offsets) == least or offsets[-2] < seconds * 1e9
    again = draw_schedule(law, qps, min_duration_s=seconds, min_requests=least, samples=3, seed=seed)
    assert (again.offsets_ns == offsets).all()
    assert (again.inputs == schedule.inputs).all()


def test_runs_of_a_search_have_draws_of_their_own() -> None:
    one, two = drawn("poisson", run=1, seconds=1), drawn("poisson", run=2, seconds=1)
    assert one.offsets_ns[:50].tolist() != two.offsets_ns[:50].tolist()
    assert one.inputs[:50].tolist() != two.inputs[:50].tolist()


def test_inputs_do_not_depend_on_the_law() -> None:
    assert drawn("poisson").inputs[:100].tolist() == drawn("constant").inputs[:100].tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("posson", "did you mean poisson"),
        ("zipf", "choose from"),
        ("gamma:alpha=2", "its parameters are: cv=2"),
        ("constant:cv=2", "its parameters are: none"),
        ("gamma:cv=-1", "0.01 to 100"),
        ("gamma:cv=nan", "cannot be used"),
        ("pareto:alpha=1", "the mean is infinite"),
        ("uniform:spread=2", "0 to 1"),
        ("ramp:from=0,to=0", "no arrivals"),
        ("gamma:", "no parameter"),
    ],
)
def test_what_is_no_law_is_told(text: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_law(text)
    assert "--arrival" in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize("name", LAWS)
def test_a_law_reads_what_it_writes(name: str) -> None:
    assert str(parse_law(str(parse_law(name)))) == str(parse_law(name))


def test_too_many_requests_are_refused() -> None:
    with pytest.raises(UsageError, match="too many"):
        drawn("poisson", qps=1e9)
