"""MultiStream of MLPerf v0.5 and the search for a rate, on models whose times are known."""

from __future__ import annotations

import math
import signal
from pathlib import Path

import numpy as np
import pytest

import mlscope
from mlscope.results import Record
from tests.conftest import Cli
from tests.e2e import running

SLEEP = ("--model-name", "sleep", "--option")
QUICK = ("--initial-qps", "40", "--min-queries", "200", "--min-duration", "100")


def multistream(samples: int) -> Record:
    """A query of so many samples of 14 ms every 50 ms: 42 ms for 3 of them, 56 for 4."""
    load = {"multistream": "v0.5", "samples_per_query": samples, "count_override": 60, "min_duration_s": 0}
    run = mlscope.evaluate(
        "sleep",
        options={"law": "constant:0ms", "per_sample": "14ms"},
        batch_size=samples,
        scenario="MultiStream",
        load=load,
    )
    return run.record


@pytest.mark.alone
def test_3_samples_per_query_are_valid_and_4_are_not(home: Path) -> None:
    valid = multistream(3).loadgen
    assert valid is not None
    assert (valid.validity, valid.metric, valid.metric_value, valid.by) == ("VALID", "Samples per query", 3, "mlscope")
    invalid = multistream(4).loadgen
    assert invalid is not None
    assert invalid.validity == "INVALID"
    assert "took 2 intervals of 50 ms" in invalid.failed_conditions[0]
    assert "Reduce samples per query" in invalid.failed_conditions[0]


def test_multistream_by_the_command_line(cli: Cli, home: Path) -> None:
    result = cli(
        "benchmark", *SLEEP, "law=constant:120ms", "--scenario", "MultiStream", "--multistream", "v0.5",
        "--samples-per-query", "1", "--count-override", "10", "--min-duration", "0",
    )  # fmt: skip
    assert result.code == 0, result
    assert "mlscope, by the rules of MLPerf v0.5, calls the result INVALID; Samples per query: 1" in result.out
    assert "INVALID because Performance constraints satisfied: NO" in result.out
    assert running.only(home).record.scenario == "MultiStream"


def theory(law: str, mean_s: float, bound_s: float) -> float:
    """The rate at which the 95th percentile of one server's sojourn times is the bound.

    M/M/1: they are exponential with rate mu - lambda (Kleinrock, Queueing Systems I, section 5.6). M/D/1: by Lindley's
    recursion over a million arrivals, which are the same for every rate.
    """
    if law == "exponential":
        return 1 / mean_s - math.log(20) / bound_s
    gaps = np.random.default_rng(1).exponential(1.0, 1_000_000)

    def percentile(rate: float) -> float:
        steps = np.concatenate(([0.0], mean_s - gaps[1:] / rate)).cumsum()
        return float(np.quantile(steps - np.minimum.accumulate(steps), 0.95)) + mean_s

    low, high = 1.0, 0.999 / mean_s
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if percentile(middle) <= bound_s else (low, middle)
    return low


@pytest.mark.alone
@pytest.mark.parametrize(("law", "bound_ms", "queries"), [("constant", 15, 1500), ("exponential", 30, 3000)])
def test_the_theoretical_rate_is_found(home: Path, law: str, bound_ms: int, queries: int) -> None:
    """At the default of 4096 queries a search scatters by 1.7 % (M/M/1), here by 2."""
    wanted = theory(law, 2.5e-3, bound_ms / 1e3)
    run = mlscope.evaluate(
        "sleep",
        options={"law": f"{law}:2500us"},
        command="predict max-qps",
        workload={
            "initial_qps": 100, "latency_bound_ms": bound_ms, "min_queries": queries, "min_duration_ms": 0,
        },
    )  # fmt: skip
    found = run.record.search
    assert found is not None
    assert (found.outcome, found.confirmed) == ("found", True)
    assert found.best == pytest.approx(wanted, rel=0.05)
    assert found.first_failing is not None


@pytest.mark.parametrize("name", ["max-qps", "qps"])
def test_a_bound_that_nothing_meets(cli: Cli, home: Path, name: str) -> None:
    result = cli("predict", name, *SLEEP, "law=constant:30ms", "--latency_bound=20", *QUICK)
    assert result.code == 0, result
    assert "no rate meets p95 <= 20 ms: the model alone takes" in result.out
    found = running.only(home).record.search
    assert found is not None
    assert (found.outcome, found.best) == ("nothing", None)
    assert len(found.steps) == 1


def test_a_bound_that_everything_meets(cli: Cli, home: Path) -> None:
    result = cli("predict", "max-qps", *SLEEP, "law=constant:0ms", "--latency-bound", "10s", "--cap-qps", "100", *QUICK)
    assert "every rate up to the cap of 100 qps meets p95 <= 10000 ms" in result.out
    found = running.only(home).record.search
    assert found is not None
    assert (found.outcome, found.best, found.confirmed) == ("everything", 100, True)


def test_an_interrupted_search_is_resumed_by_the_same_command(cli: Cli, home: Path) -> None:
    words = ("predict", "max-qps", *SLEEP, "law=constant:2ms", "--latency-bound", "5s", "--cap-qps", "80", *QUICK)
    with running.started(home, *words) as process:
        running.until(lambda: next(home.glob("runs/.partial-*/samples-002.bin"), None), "the second run")
        process.send_signal(signal.SIGINT)
        assert running.ended(process).code == 130
    before = running.only(home).record.search
    assert before is not None
    assert before.outcome == "unfinished"
    assert before.steps
    result = cli(*words)
    assert f"going on after the {len(before.steps)} runs of" in result.err
    after = running.evaluations(home)[-1].record.search
    assert after is not None
    assert after.steps[: len(before.steps)] == before.steps
    assert after.outcome == "everything"
    assert len(after.steps) <= 5


def test_a_killed_search_is_resumed_too(cli: Cli, home: Path) -> None:
    words = ("predict", "max-qps", *SLEEP, "law=constant:2ms", "--latency-bound", "5s", "--cap-qps", "80", *QUICK)
    with running.started(home, *words) as process:
        running.until(lambda: next(home.glob("runs/.partial-*/samples-002.bin"), None), "the second run")
        process.kill()
        process.wait()
    result = cli(*words)
    assert "going on after the 1 runs of" in result.err
    after = running.evaluations(home)[-1].record.search
    assert after is not None
    assert after.outcome == "everything"
