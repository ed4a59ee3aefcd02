"""When requests arrive: laws of arrival, drawn from a seed. Pure; nothing here waits or measures.

A law is written ``NAME[:PARAMETER=VALUE,…]``, for instance ``poisson`` or ``gamma:cv=3``. All laws have the mean
rate that is asked for.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlscope.errors import UsageError

__all__ = ["LAWS", "Law", "Schedule", "check_requests", "draw_inputs", "draw_schedule", "parse_law"]

Array = np.ndarray[Any, np.dtype[Any]]
Random = np.random.Generator

MOST_REQUESTS = 20_000_000
_BLOCK = 1 << 14
_ARRIVALS, _INPUTS = 0, 1
"""Streams of the seed: the inputs stay the same when the law or the rate changes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Law:
    """A law of arrival with its parameters."""

    name: str
    parameters: Mapping[str, float]

    def __str__(self) -> str:
        given = ",".join(f"{key}={value:g}" for key, value in sorted(self.parameters.items()))
        return f"{self.name}:{given}" if given else self.name


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """When which input is asked for."""

    offsets_ns: Array
    """Shape [n], int64, ascending: nanoseconds since the beginning of the run."""
    inputs: Array
    """Shape [n], int64: position of the sample."""

    @property
    def qps(self) -> float:
        """Requests a second, from the beginning to the last arrival."""
        last = int(self.offsets_ns[-1])
        return len(self.offsets_ns) * 1e9 / last if last else math.inf


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """What can be said of a law; ``draw`` gives gaps between arrivals whose mean is 1."""

    defaults: Mapping[str, float]
    means: str
    draw: Callable[[Random, Mapping[str, float], int], Array] | None = None


def _gamma(random: Random, values: Mapping[str, float], count: int) -> Array:
    shape = 1 / values["cv"] ** 2
    return random.gamma(shape, 1 / shape, count)


def _pareto(random: Random, values: Mapping[str, float], count: int) -> Array:
    alpha = values["alpha"]
    return (random.pareto(alpha, count) + 1) * (alpha - 1) / alpha


def _weibull(random: Random, values: Mapping[str, float], count: int) -> Array:
    shape = values["shape"]
    return random.weibull(shape, count) / math.gamma(1 + 1 / shape)


def _uniform(random: Random, values: Mapping[str, float], count: int) -> Array:
    return random.uniform(1 - values["spread"], 1 + values["spread"], count)


LAWS: Mapping[str, _Kind] = {
    "constant": _Kind({}, "equal gaps", lambda _, __, count: np.ones(count)),
    "poisson": _Kind({}, "exponential gaps", lambda random, _, count: random.exponential(1.0, count)),
    "gamma": _Kind({"cv": 2}, "gamma gaps; cv is their standard deviation over their mean, 1 is poisson", _gamma),
    "pareto": _Kind({"alpha": 1.5}, "Pareto gaps (heavy tail), alpha over 1", _pareto),
    "weibull": _Kind({"shape": 1.5}, "Weibull gaps, shape 1 is poisson", _weibull),
    "uniform": _Kind({"spread": 1}, "gaps even between 1 - spread and 1 + spread of their mean", _uniform),
    "onoff": _Kind({"on": 1, "off": 1}, "poisson during `on` seconds, nothing during `off`, in turns"),
    "ramp": _Kind({"from": 0.1, "to": 1.9}, "poisson whose rate grows (or falls) from one multiple to the other"),
}
"""Every law by name."""

_RANGES: Mapping[str, tuple[float, float, str]] = {
    "cv": (0.01, 100, "0.01 to 100"),
    "alpha": (1.01, 1000, "1.01 to 1000 (up to 1 the mean is infinite)"),
    "shape": (0.05, 1000, "0.05 to 1000"),
    "spread": (0, 1, "0 to 1"),
    "on": (1e-3, 1e6, "seconds, 0.001 or more"),
    "off": (0, 1e6, "seconds, 0 or more"),
    "from": (0, 1e6, "0 or more"),
    "to": (0, 1e6, "0 or more"),
}


def parse_law(text: str) -> Law:
    """Read a law; parameters that are not given have their defaults.

    Raises:
        UsageError: There is no such law or parameter, or a value is out of its range.
    """
    name, colon, rest = text.strip().lower().partition(":")
    name = name.replace("/", "").replace("-", "").replace("_", "")
    if name not in LAWS:
        near = difflib.get_close_matches(name, LAWS, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(LAWS)}"
        raise UsageError(f'"{text}" is no law of arrival', where="--arrival", hint=hint)
    values = dict(LAWS[name].defaults)
    for part in rest.split(",") if colon else ():
        key, equals, value = part.partition("=")
        key = key.strip()
        if name == "gamma" and key == "burstiness":  # the shape, as some serving benchmarks call it
            values["cv"] = 1 / math.sqrt(_number(key, value, (1e-4, 1e4, "0.0001 to 10000")))
            continue
        if not equals or key not in values:
            known = ", ".join(f"{each}={LAWS[name].defaults[each]:g}" for each in values) or "none"
            raise UsageError(
                f'"{part}" is no parameter of {name}', where="--arrival", hint=f"its parameters are: {known}"
            )
        values[key] = _number(key, value, _RANGES[key])
    if name == "ramp" and values["from"] + values["to"] <= 0:
        raise UsageError("a ramp from 0 to 0 has no arrivals", where="--arrival")
    return Law(name, values)


def _number(key: str, text: str, limits: tuple[float, float, str]) -> float:
    try:
        value = float(text.strip().removesuffix("s"))
    except ValueError:
        value = math.nan
    low, high, words = limits
    if not low <= value <= high:
        raise UsageError(f'{key}: "{text.strip()}" cannot be used', where="--arrival", hint=f"it takes {words}")
    return value


def check_requests(qps: float, min_duration_s: float, min_requests: int) -> None:
    """Refuse a schedule that would fill the memory.

    Raises:
        UsageError: It would have more than twenty million requests.
    """
    wanted = max(min_requests, qps * min_duration_s)
    if wanted > MOST_REQUESTS:
        raise UsageError(
            f"{wanted:,.0f} requests are too many ({MOST_REQUESTS:,} at most)",
            hint="lower the rate, --min-duration or --min-queries",
        )


def draw_schedule(
    law: Law, qps: float, *, min_duration_s: float, min_requests: int, samples: int, seed: int, run: int = 0
) -> Schedule:
    """Draw arrivals until both minima are met; the same arguments give the same schedule.

    Args:
        law: Of the arrivals.
        qps: Mean rate, requests a second, over 0.
        min_duration_s: The last request arrives no earlier.
        min_requests: At least so many, 1 or more.
        samples: How many inputs there are to choose from.
        seed: Of everything that is drawn.
        run: Number of the run of a search: each has draws of its own.

    Raises:
        UsageError: It would be more than twenty million requests.
    """
    check_requests(qps, min_duration_s, min_requests)
    random = _random(seed, run, _ARRIVALS)
    if law.name == "ramp":
        times = _ramp(random, law.parameters, qps, min_duration_s, min_requests)
    else:
        times = _times(random, law, qps, min_duration_s, min_requests)
    offsets = np.rint(times * 1e9).astype(np.int64)
    return Schedule(offsets, draw_inputs(len(offsets), samples, seed, run))


def draw_inputs(count: int, samples: int, seed: int, run: int = 0) -> Array:
    """Which of `samples` inputs each of `count` requests asks for, shape [count], int64."""
    return _random(seed, run, _INPUTS).integers(0, samples, count, np.int64)


def _random(seed: int, run: int, stream: int) -> Random:
    return np.random.default_rng([seed % (1 << 64), run, stream])


def _times(random: Random, law: Law, qps: float, min_s: float, least: int) -> Array:
    """Arrivals in seconds, shape [n]: the first so many that meet both minima."""
    share, cycle, on = 1.0, 0.0, 0.0
    if law.name == "onoff":
        on, cycle = law.parameters["on"], law.parameters["on"] + law.parameters["off"]
        share = on / cycle
    draw = LAWS[law.name].draw or LAWS["poisson"].draw
    assert draw is not None
    blocks: list[Array] = []
    begin, count = 0.0, 0
    while True:
        busy = begin + np.cumsum(draw(random, law.parameters, _BLOCK)) * (share / qps)
        begin = float(busy[-1])
        times = np.floor(busy / on) * cycle + np.mod(busy, on) if cycle else busy
        blocks.append(times)
        count += len(times)
        if count > 2 * MOST_REQUESTS:
            raise UsageError("the law draws too many requests before --min-duration is over", where="--arrival")
        if count >= least and times[-1] >= min_s:
            break
    found = np.concatenate(blocks)
    return found[: max(least, int(np.searchsorted(found, min_s)) + 1)]


def _ramp(random: Random, values: Mapping[str, float], qps: float, min_s: float, least: int) -> Array:
    """Arrivals of a poisson process whose rate changes evenly over the run, given how many there are.

    They are then independent and have the rate as density, so that the sorted ones follow from even draws through
    the inverse of its integral (Lewis and Shedler, Naval Research Logistics 26, 1979, pages 403 to 413).
    """
    mean = (values["from"] + values["to"]) / 2
    first, slope = values["from"] / mean, (values["to"] - values["from"]) / mean
    count = max(least, math.ceil(qps * min_s))
    shares = np.sort(random.random(count))
    if slope:
        shares = (np.sqrt(np.maximum(first**2 + 2 * slope * shares, 0.0)) - first) / slope
    return shares * (count / qps)
