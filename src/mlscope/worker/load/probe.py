"""A short look at how fast the model's streams are, always busy or as busy as requests keep them: for calibrations."""

from __future__ import annotations

import functools
import random
import time
from typing import Any

import numpy as np

from mlscope.worker._model import Model
from mlscope.worker._problem import Problem
from mlscope.worker.load.serving import Served, Serving
from mlscope.worker.protocol import Probe, Probed

__all__ = ["run"]

_LEAST = 3
"""Batches of each stream, at least."""
_RECENT = 20
"""Batches whose mean time tells how often others must come."""


def run(command: Probe, model: Model) -> Probed:
    """Run full batches for as long as the command says.

    Where the streams shall be busy for a share of the time only, batches come at random (Poisson), as the requests of
    a server do: a machine whose cores are all busy all the time disturbs calls that one with idle times does not.

    Raises:
        Problem: The model failed, or it takes no batch of this size.
    """
    rows = command.max_batch
    if rows > model.batch_size:
        raise Problem("internal", f"the model was loaded for batches of {model.batch_size}, not {rows}")
    times: list[list[tuple[int, int]]] = [[] for _ in range(model.streams)]
    errors: list[BaseException] = []

    def answered(batch: Served) -> None:
        if batch.error is not None:
            raise batch.error
        times[batch.stream].append((batch.start_ns, batch.end_ns))

    samples = [_random(tensor.element_type, (2 * model.batch_size, *tensor.shape[1:])) for tensor in model.inputs]
    serving = Serving(
        model,
        samples,
        max_batch=rows,
        capacity=2 * rows * model.streams,
        answered=answered,
        crashed=errors.append,
    )
    # Every second batch lies side by side and is fed where it lies, as samples in LoadGen's order mostly do not.
    orders = [list(range(rows)), list(range(2 * rows - 1, rows - 1, -1))]
    none = [-1] * rows
    begin, arrivals = time.perf_counter_ns(), random.Random(0)
    end, number = begin + round(1e9 * command.seconds), 0
    while (number < _LEAST * model.streams or time.perf_counter_ns() < end) and not errors:
        known = times[0][-_RECENT:]
        if command.busy < 1 and known:
            mean_s = sum(stop - start for start, stop in known) / len(known) / 1e9
            time.sleep(arrivals.expovariate(command.busy * model.streams / mean_s))
        serving.put(none, orders[number % 2], none, none, wait=True)
        number += 1
    serving.drain()
    serving.close()
    if errors:
        raise Problem("model", f"the model failed: {type(errors[0]).__name__}: {errors[0]}")
    # Each stream by its own span: while the last batch of one is under way, others have none.
    rate = sum(1e9 * rows * len(own) / (own[-1][1] - own[0][0]) for own in times if own)
    return Probed(rate, [end - start for own in times for start, end in own])


@functools.lru_cache
def _random(element_type: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Seeded samples: normal numbers, bytes, or 0 and 1 for other whole numbers."""
    generator, dtype = np.random.default_rng(0), np.dtype(element_type)
    if dtype.kind == "f":
        return generator.standard_normal(shape, np.float32).astype(dtype)
    return generator.integers(0, 256 if dtype == np.uint8 else 2, shape).astype(dtype)
