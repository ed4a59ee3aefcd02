"""Queues whose answers are known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import largest_rate, sojourn_times


def test_a_queue_by_hand() -> None:
    arrivals, services = np.array([0.0, 1.0, 2.0, 10.0]), np.array([5.0, 5.0, 1.0, 1.0])
    assert sojourn_times(arrivals, services, 1).tolist() == [5.0, 9.0, 9.0, 2.0]
    assert sojourn_times(arrivals, services, 2).tolist() == [5.0, 5.0, 4.0, 1.0]
    assert sojourn_times(arrivals, services, 9).tolist() == services.tolist()


@given(
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=40),
    services=st.lists(st.floats(0, 10), min_size=1, max_size=40),
    servers=st.integers(1, 5),
)
def test_more_servers_never_make_anybody_wait_longer(gaps: list[float], services: list[float], servers: int) -> None:
    count = min(len(gaps), len(services))
    arrivals, times = np.cumsum(gaps[:count]), np.array(services[:count])
    few, many = sojourn_times(arrivals, times, servers), sojourn_times(arrivals, times, servers + 1)
    assert (few >= times - 1e-9).all()
    assert (many <= few + 1e-9).all()


def test_m_m_1() -> None:
    """The stay in M/M/1 is exponential with rate mu - lambda: its 95th percentile is ln(20) / (mu - lambda)."""
    services = np.random.default_rng(1).exponential(5e6, 100_000)
    bound = 40e6
    expected = 1e9 / services.mean() - math.log(20) * 1e9 / bound
    found = largest_rate(services, 1, percentile=95, bound_ns=bound, requests=100_000)
    assert found == pytest.approx(expected, rel=0.05)


def test_m_m_2() -> None:
    """Erlang's C: P(W > t) = C exp(-(c mu - lambda) t); the mean wait is C / (c mu - lambda)."""
    mu, rate = 1.0, 1.5
    random = np.random.default_rng(2)
    arrivals, services = np.cumsum(random.exponential(1 / rate, 400_000)), random.exponential(1 / mu, 400_000)
    load = rate / mu
    waits = (load**2 / 2) / (1 - load / 2)
    probability = waits / (1 + load + waits)
    wait = (sojourn_times(arrivals, services, 2) - services).mean()
    assert wait == pytest.approx(probability / (2 * mu - rate), rel=0.05)


def test_a_bound_that_one_call_breaks_allows_no_rate() -> None:
    assert largest_rate(np.full(10, 5e6), 4, percentile=99, bound_ns=4e6) == 0.0
    assert largest_rate(np.full(10, 5e6), 1, percentile=99, bound_ns=5e9, requests=2000) > 190
