"""A queue before several servers, simulated: the limit that a server under load is measured against.

M/G/c: arrivals are Poisson, service times are drawn from those that were measured, whoever is free takes the request
that waits longest. The waiting times follow Kiefer and Wolfowitz, "On the theory of queues with many servers", 1955.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

__all__ = ["largest_rate", "sojourn_times"]

_STEPS = 14
"""Halvings: the rate is found to 1 part in 16,000 of what the servers can do at all."""


def sojourn_times(arrivals: NDArray[np.float64], services: NDArray[np.float64], servers: int) -> NDArray[np.float64]:
    """How long each request stays, from its arrival to its answer, in the unit of the arguments.

    Args:
        arrivals: Shape [n], ascending.
        services: Shape [n].
        servers: How many work at the same time.
    """
    free = [0.0] * servers
    found = np.empty(len(arrivals))
    for number, (arrival, service) in enumerate(zip(arrivals.tolist(), services.tolist(), strict=True)):
        end = max(arrival, free[0]) + service
        heapq.heapreplace(free, end)
        found[number] = end - arrival
    return found


def largest_rate(
    services_ns: NDArray[np.float64],
    servers: int,
    *,
    percentile: float,
    bound_ns: float,
    requests: int = 20_000,
    seed: int = 0,
) -> float:
    """The largest rate, requests a second, at which a percentile of the sojourn times keeps a bound.

    The same arrivals and draws, scaled, are used for all rates, so that the answer grows with the bound.

    Args:
        services_ns: Measured service times, shape [n].
        servers: How many work at the same time.
        percentile: For instance 99.
        bound_ns: What it may be at most.
        requests: Length of the simulation.
        seed: Of arrivals and draws.

    Returns:
        The rate; 0 where the bound is broken without any queue.
    """
    random = np.random.default_rng(seed)
    unit = np.cumsum(random.exponential(1.0, requests))
    services = random.choice(np.asarray(services_ns, np.float64), requests)
    most = servers * 1e9 / float(services.mean())
    low, high = 0.0, most
    if np.percentile(services, percentile, method="inverted_cdf") > bound_ns:
        return 0.0
    for _ in range(_STEPS):
        rate = (low + high) / 2
        stay = sojourn_times(unit * (1e9 / rate), services, servers)
        if np.percentile(stay, percentile, method="inverted_cdf") <= bound_ns:
            low = rate
        else:
            high = rate
    return low
