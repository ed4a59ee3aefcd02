"""The sleep model answers after a known law: what is recorded must be that law, through both commands.

Sleeping and noise only ever add time, so estimates rest on quantiles, and are allowed more above than below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlscope

Array = np.ndarray[Any, Any]
pytestmark = pytest.mark.alone
MS = 1e6
COUNT = 400


def by_predict(law: str) -> mlscope.Evaluation:
    return mlscope.evaluate("sleep", options={"law": law}, num_file_parts=COUNT)


def by_benchmark(law: str) -> mlscope.Evaluation:
    pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    load = {"count_override": COUNT, "min_duration_s": 0}
    return mlscope.evaluate("sleep", options={"law": law}, scenario="SingleStream", load=load)


@pytest.fixture(params=[by_predict, by_benchmark])
def latencies(request: pytest.FixtureRequest, home: object) -> Callable[[str], Array]:
    """Measures a law; times of the model in nanoseconds, warm-up left out, and checks them against the record."""

    def measure(law: str) -> Array:
        run: mlscope.Evaluation = request.param(law)
        table = run.to_pandas()
        table = table[~table.warmup]
        assert len(table) == COUNT
        times = (table.end_ns - table.start_ns).to_numpy()
        if request.param is by_predict:
            (recorded,) = run.record.latency
            assert recorded.count == COUNT
            ranks = {each.percentile: each.value_ns for each in recorded.percentiles}
            assert ranks[50] == np.sort(times)[COUNT // 2 - 1]
        return np.sort(times)

    return measure


def quantile_error(share: float) -> float:
    """Four standard errors of an empirical quantile, as a share of the sample."""
    return 4 * math.sqrt(share * (1 - share) / COUNT)


def test_a_constant_is_recovered(latencies: Callable[[str], Array]) -> None:
    found = latencies("constant:3ms")
    assert found[0] >= 3 * MS
    assert np.quantile(found, 0.5) <= 3.6 * MS


def test_an_exponential_is_recovered(latencies: Callable[[str], Array]) -> None:
    mean = 2.0
    found = latencies(f"exponential:{mean}ms") / MS
    for share in (0.25, 0.5, 0.75, 0.9):
        spread = quantile_error(share)
        low = -mean * math.log1p(-max(share - spread, 0))
        high = -mean * math.log1p(-(share + spread))
        assert low <= np.quantile(found, share) <= high + 0.5, share


def test_both_modes_of_a_bimodal_law_and_their_weights_are_recovered(latencies: Callable[[str], Array]) -> None:
    found = latencies("bimodal:1ms,6ms,0.8") / MS
    assert found[0] >= 1
    slow = found >= 6
    assert abs(slow.mean() - 0.2) <= quantile_error(0.2) + 0.02
    assert np.quantile(found[~slow], 0.5) <= 1.6
    assert np.quantile(found[slow], 0.5) <= 7


def test_what_a_sample_adds_grows_with_the_batch(home: object) -> None:
    run = mlscope.evaluate(
        "sleep", options={"law": "constant:1ms", "per_sample": "500us"}, batch_size=10, num_file_parts=20
    )
    table = run.to_pandas()
    times = (table.end_ns - table.start_ns).to_numpy()[~table.warmup]
    assert times.min() >= 6 * MS
    assert np.median(times) <= 7 * MS


def test_an_arrival_that_waits_counts_from_when_it_was_due(home: object) -> None:
    """A server that is offered twice what it can do has a queue that grows: the schedule's latencies show it."""
    pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    load = {"count_override": 100, "min_duration_s": 0, "target_qps": 400}
    run = mlscope.evaluate("sleep", options={"law": "constant:5ms"}, scenario="Server", load=load)
    (recorded,) = run.record.latency
    assert recorded.clock == "scheduled"
    assert recorded.max_ns >= 100 * MS
    table = run.to_pandas()
    table = table[~table.warmup]
    assert (table.end_ns - table.start_ns).median() <= 7 * MS
    assert np.sort(run.latencies_ns())[-1] == recorded.max_ns
