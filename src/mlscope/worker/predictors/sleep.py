"""A model that answers after a time drawn from a given law: latencies that are known beforehand.

Options:

* ``law``: ``constant:5ms``, ``exponential:2ms`` (mean), ``bimodal:1ms,10ms,0.9`` (the first with probability 0.9),
  ``uniform:1ms,3ms``; units ns, us, ms, s. One draw a call.
* ``per_sample``: time added for each row of the batch (``0ms``).
* ``stall``: ``1s@200`` adds a second to call number 200, counted from 1 after the model was loaded (none).
* ``seed``: of the draws (0), which are those of ``numpy.random.default_rng(seed)``, one after the other; streams after
  the first draw from ``default_rng([seed, number])``.
* ``spin``: true: it computes all the time instead of sleeping, as a model does (false).
* ``classes``: length of the answer (10); the answer is always class 0.

It sleeps until shortly before the end and spins the rest, because a plain sleep overshoots by some 60 microseconds.
Several streams spin for a shorter time, since each keeps the others from running Python meanwhile.
"""

from __future__ import annotations

import copy
import itertools
import re
import time
from typing import Any

import numpy as np

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description, Predict
from mlscope.worker.predictors._options import flag, take, whole
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]

_SPIN_NS = 300_000
_SPIN_AMONG_STREAMS_NS = 100_000
_FOREVER_NS = 1 << 62
_BLOCK = 1 << 14
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_ARITY = {"constant": 1, "exponential": 1, "uniform": 2, "bimodal": 3}


def _nanoseconds(text: str) -> float:
    found = re.fullmatch(r"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)\s*(ns|us|ms|s)\s*", text)
    if not found:
        raise Problem("option", f"{text!r} is no duration; write for instance 5ms")
    return float(found[1]) * _UNITS[found[2]]


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise Problem("option", f"{text.strip()!r} is no probability, a number from 0 to 1")
    return share


def _stall(text: str) -> tuple[int, int]:
    """Nanoseconds and number of the call; zeros for none."""
    length, at, call = text.partition("@")
    if not text:
        return 0, 0
    if not at or not call.isdecimal():
        raise Problem("option", f"{text!r} is no stall; write for instance 1s@200")
    return int(_nanoseconds(length)), int(call)


class _Law:
    """Draws of a latency law, nanoseconds, made in blocks."""

    def __init__(self, text: str, seed: int | list[int]) -> None:
        self._name, _, rest = text.partition(":")
        parts = rest.split(",") if rest else []
        if self._name not in _ARITY or len(parts) != _ARITY[self._name]:
            raise Problem(
                "option",
                f"{text!r} is no latency law; write for instance constant:5ms or bimodal:1ms,10ms,0.9",
            )
        self._share = _share(parts.pop()) if self._name == "bimodal" else 1.0
        self._times = [_nanoseconds(part) for part in parts]
        self._random = np.random.default_rng(seed)
        self._block: list[int] = []

    def draw(self) -> int:
        if not self._block:
            self._block = self._draws().astype(np.int64)[::-1].tolist()
        return self._block.pop()

    def _draws(self) -> np.ndarray[Any, Any]:
        if self._name == "exponential":
            return self._random.exponential(self._times[0], _BLOCK)
        if self._name == "uniform":
            return self._random.uniform(self._times[0], self._times[1], _BLOCK)
        if self._name == "bimodal":
            first = self._random.random(_BLOCK) < self._share
            return np.where(first, self._times[0], self._times[1])
        return np.full(_BLOCK, self._times[0])


class _Sleep:
    def load(self, command: Load) -> Description:
        options = take(
            command.options,
            {"law": "constant:5ms", "per_sample": "0ms", "stall": "", "seed": 0, "classes": 10, "spin": False},
        )
        self._text, self._seed = str(options["law"]), whole(options, "seed", 0)
        self._law = _Law(self._text, self._seed)
        self._spin_ns = _SPIN_NS if command.streams == 1 else _SPIN_AMONG_STREAMS_NS
        if flag(options, "spin"):
            self._spin_ns = _FOREVER_NS
        self._per_sample = int(_nanoseconds(str(options["per_sample"])))
        self._stall_ns, self._stall_call = _stall(str(options["stall"]))
        self._calls = itertools.count()
        self._answers = np.zeros((command.batch_size, whole(options, "classes", 1)), np.float32)
        self._answers[:, 0] = 1.0
        inputs = [
            Tensor(item.name or f"input{number}", item.element_type, (command.batch_size, *item.shape))
            for number, item in enumerate(command.inputs)
        ]
        return Description(
            "1",
            inputs,
            [Tensor("probabilities", "float32", (-1, self._answers.shape[1]))],
            None,
            {"law": options["law"]},
        )

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        begin = time.perf_counter_ns()
        rows = len(next(iter(feeds.values()))) if feeds else 1
        end = begin + self._law.draw() + rows * self._per_sample
        if self._stall_ns and next(self._calls) == self._stall_call:  # call 0 is the first run, when it is loaded
            end += self._stall_ns
        rest = end - begin - self._spin_ns
        if rest > 0:
            time.sleep(rest / 1e9)
        while time.perf_counter_ns() < end:
            pass
        return [self._answers[:rows]]

    def stream(self, number: int) -> Predict:
        if not number:
            return self.predict
        another = copy.copy(self)
        another._law = _Law(self._text, [self._seed, number])
        return another.predict

    def close(self) -> None:
        pass


def create() -> _Sleep:
    """A sleep predictor."""
    return _Sleep()
