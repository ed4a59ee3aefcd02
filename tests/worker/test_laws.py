"""The sleep predictor's laws come back from what is measured: in a stream of batches and in a LoadGen test.

The draws are known, so every measured time is compared with its own draw. Other work on the machine can only make a
call longer; hence never shorter than its draw, and the median close to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from mlscope.worker.protocol import Ready, Tensor, TestDone
from tests.worker.process import Array, Slots, WorkerProcess, column, load_test, rows

X = [Tensor("x", "uint8", (2,))]
SEED = 12
CALLS = 80
CLOSE_NS = 300_000


def exponential(random: np.random.Generator, count: int) -> Array:
    return random.exponential(2e6, count)


def bimodal(random: np.random.Generator, count: int) -> Array:
    return np.where(random.random(count) < 0.7, 1e6, 4e6)


def uniform(random: np.random.Generator, count: int) -> Array:
    return random.uniform(1e6, 3e6, count)


def constant(random: np.random.Generator, count: int) -> Array:
    return np.full(count, 2e6)


LAWS = pytest.mark.parametrize(
    ("text", "law"),
    [
        ("constant:2ms", constant),
        ("exponential:2000us", exponential),
        ("bimodal:1ms,4ms,0.7", bimodal),
        ("uniform:0.001s,3e6ns", uniform),
    ],
)


def draws(law: Any, count: int) -> Array:
    """The draws of the calls from the second on: the first one is the model's first run, when it is loaded."""
    return np.asarray(law(np.random.default_rng(SEED), count + 1)[1:], np.float64)


def close(times: Array, wanted: Array) -> None:
    over = times - wanted
    assert over.min() > -1_000, "a call was shorter than its draw"
    assert np.median(over) < CLOSE_NS


@LAWS
def test_a_stream_recovers_the_law(worker: WorkerProcess, text: str, law: Any) -> None:
    loaded = worker.load("sleep", X, options={"law": text, "seed": SEED})
    slots = Slots.open(worker, loaded, batch=1, slots=1, samples=CALLS)
    for number in range(CALLS):
        slots.run(0, number, [number])
    worker.ask(Ready(), Ready)
    table = slots.rows()
    close(column(table, "end_ns") - column(table, "start_ns"), draws(law, CALLS))


@LAWS
def test_loadgen_recovers_the_law(worker: WorkerProcess, text: str, law: Any) -> None:
    worker.load("sleep", X, options={"law": text, "seed": SEED})
    samples = [np.zeros((5, 2), np.uint8)]
    settings = {"min_query_count": CALLS, "max_query_count": CALLS, "min_duration_ms": 0}
    worker.ask(load_test(worker.folder, "SingleStream", "PerformanceOnly", samples, settings=settings), TestDone)
    table = rows(worker.folder / "samples.bin")
    close(column(table, "end_ns") - column(table, "start_ns"), draws(law, len(table)))


@pytest.mark.parametrize(
    ("law", "cdf"),
    [
        (exponential, stats.expon(scale=2e6).cdf),
        (uniform, stats.uniform(1e6, 2e6).cdf),
    ],
)
def test_the_draws_follow_their_law(law: Any, cdf: Any) -> None:
    assert stats.kstest(draws(law, 5000), cdf).pvalue > 0.01


def test_rows_add_their_time(worker: WorkerProcess) -> None:
    loaded = worker.load("sleep", X, batch=4, options={"law": "constant:1ms", "per_sample": "500us"})
    slots = Slots.open(worker, loaded, batch=4, slots=1, samples=60)
    for number in range(20):
        slots.run(0, 2 * number, [0, 1, 2, 3])
        slots.run(0, 2 * number + 1, [4])
    worker.ask(Ready(), Ready)
    table = slots.rows()
    times = column(table, "end_ns") - column(table, "start_ns")
    full = column(table, "batch") % 2 == 0
    close(times[full], np.full(int(full.sum()), 3e6))
    close(times[~full], np.full(int((~full).sum()), 1.5e6))


def test_a_seed_repeats_itself_and_another_differs(worker: WorkerProcess) -> None:
    found = []
    for seed in (1, 1, 2):
        loaded = worker.load("sleep", X, options={"law": "uniform:0ms,4ms", "seed": seed})
        slots = Slots.open(worker, loaded, batch=1, slots=1, samples=30)
        for number in range(30):
            slots.run(0, number, [number])
        worker.ask(Ready(), Ready)
        table = slots.rows()
        found.append(column(table, "end_ns") - column(table, "start_ns"))
    assert np.median(np.abs(found[0] - found[1])) < CLOSE_NS
    assert np.median(np.abs(found[0] - found[2])) > CLOSE_NS
