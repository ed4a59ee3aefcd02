"""Explanations: each sentence comes when made-up data support it, and not when they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlscope
from mlscope.analyses import Calls, Evidence, explain, gather, latency_result
from mlscope.results import DataUse, Floor, ForeignProcess, LatencyResult, Passport, Record, Timings
from tests.analyses.records import record

MS = 1_000_000
SECOND = 1_000_000_000
TIMES = "\N{MULTIPLICATION SIGN}"


def result(values: Any, *, of: Any = "query", clock: Any = "issued") -> LatencyResult:
    values = np.asarray(values, np.int64)
    ends = np.cumsum(values)
    found = latency_result(values, of=of, clock=clock, failed=0, completions_ns=ends, begin_ns=0)
    assert found is not None
    return found


def calls(latency_ns: Any, *, service_ns: Any = None) -> Calls:
    """Requests one after the other; without a service time nobody waits."""
    latency = np.asarray(latency_ns, np.int64)
    end = np.cumsum(latency)
    start = end - (latency if service_ns is None else np.asarray(service_ns, np.int64))
    return Calls(end - latency, start, end)


def intervals(count: int, **disturbed: dict[int, Any]) -> list[dict[str, Any]]:
    """A quiet interval a quarter of a second; keywords: field → number of the interval → value."""
    quiet = {"own_cores": 1.0, "foreign_cores": 0.0, "steal_cores": 0.0, "frequency_khz": 3_000_000}
    rows = []
    for number in range(count):
        times = {"start_ns": number * SECOND // 4, "end_ns": (number + 1) * SECOND // 4}
        row = {**times, **quiet, "throttled_periods": 0, "throttled_ns": 0, "sampler_ns": 0}
        rows.append({**row, **{name: values[number] for name, values in disturbed.items() if number in values}})
    return rows


def evidence(found: Record | None = None, **parts: Any) -> Evidence:
    return Evidence(found or record(latency=(result([MS] * 200),)), **parts)


def test_a_run_in_which_nothing_stands_out_says_nothing() -> None:
    assert explain(evidence(calls=calls([MS] * 200), series=intervals(4), takes="float32")) == []
    assert explain(Evidence(record())) == []


@pytest.mark.parametrize(
    ("share", "preprocess_ns", "data", "sentence"),
    [
        (0.62, 1e6, None, "Pre-processing takes 62 % of the wall time; the model waits (prepared pictures, "),
        (0.62, 1e6, "cached", "Pre-processing takes 62 % of the wall time; the model waits"),
        (0.2, 1e6, None, None),
        (0.62, None, None, None),
        (None, 1e6, None, None),
    ],
)
def test_waiting_for_pictures(
    share: float | None, preprocess_ns: float | None, data: Any, sentence: str | None
) -> None:
    use = DataUse(layout="csv", preprocess=data) if data else None
    timings = Timings(total_ns=SECOND, wait_share=share, preprocess_mean_ns=preprocess_ns)
    found = explain(evidence(record(timings=timings, data=use)))
    assert found == [] if sentence is None else found[0].startswith(sentence)
    assert data != "cached" or "(" not in found[0]


def slow_at(*numbers: int) -> Calls:
    """A thousand requests of 1 ms, those of 4 ms at these places; one after the other."""
    latency = np.full(1000, MS)
    latency[list(numbers)] = 4 * MS
    return calls(latency)


STALLS = range(500, 520)
"""They end between 500 and 580 ms, in the third interval."""


def passport(process: ForeignProcess | None = None) -> Passport:
    return Passport(score=50, watched_ns=SECOND, foreign_cores=0.2, foreign_process=process)


@pytest.mark.parametrize(
    ("disturbed", "cause"),
    [
        ({"steal_cores": {2: 0.4}}, "CPU steal"),
        ({"throttled_periods": {2: 3}}, "the control group's CPU limit"),
        ({"foreign_cores": {2: 0.9}}, "the CPU use of other programs (most of all make, pid 77)"),
        ({"frequency_khz": {2: 1_000_000}}, "a lower frequency of the processor"),
    ],
    ids=["steal", "limit", "others", "frequency"],
)
def test_a_tail_that_coincides_with_what_happened_on_the_machine(disturbed: dict[str, Any], cause: str) -> None:
    found = record(passport=passport(ForeignProcess(name="make", pid=77, cores=0.9)))
    (sentence,) = explain(evidence(found, calls=slow_at(*STALLS), series=intervals(5, **disturbed)))
    assert sentence.startswith(f"p99 is 4.0 {TIMES} p50 and coincides with {cause} (100 % of the slowest 1 %, ")
    assert sentence.endswith("% of all requests)")


def test_a_tail_without_a_cause_says_so() -> None:
    nothing = f"p99 is 4.0 {TIMES} p50; nothing that was seen of the machine coincides with it"
    quiet = evidence(record(passport=passport()), calls=slow_at(*STALLS), series=intervals(5))
    assert explain(quiet) == [nothing]
    elsewhere = intervals(5, steal_cores={0: 0.5}, foreign_cores={4: 0.9})
    assert explain(evidence(record(passport=passport()), calls=slow_at(*STALLS), series=elsewhere)) == [nothing]
    assert explain(evidence(calls=slow_at(*STALLS))) == [f"p99 is 4.0 {TIMES} p50"]


def test_what_never_ends_coincides_with_nothing() -> None:
    series = intervals(5, foreign_cores=dict.fromkeys(range(5), 0.9))
    found = record(passport=passport(ForeignProcess(name="make", pid=77, cores=0.9)))
    (sentence,) = explain(evidence(found, calls=slow_at(*STALLS), series=series))
    assert sentence == (
        f"p99 is 4.0 {TIMES} p50 while other programs (most of all make, pid 77) used the CPU all the time"
    )


def test_others_are_not_blamed_where_they_cannot_be_told_apart() -> None:
    series = intervals(5, foreign_cores={2: 0.9})
    (sentence,) = explain(evidence(calls=slow_at(*STALLS), series=series))
    assert "other programs" not in sentence


@pytest.mark.parametrize(
    "parts",
    [
        {"calls": slow_at(*range(5))},
        {"calls": calls([MS] * 40 + [9 * MS] * 4)},
        {"calls": slow_at(*STALLS), "found": record(scenario="Offline")},
        {"calls": calls([0] * 500)},
    ],
    ids=["five of a thousand", "too few requests", "offline", "no time at all"],
)
def test_a_tail_that_says_nothing(parts: dict[str, Any]) -> None:
    assert explain(evidence(parts.pop("found", None), series=intervals(5), **parts)) == []


@pytest.mark.parametrize(("service", "share"), [(MS, 75), (3 * MS, None)], ids=["overload", "own time"])
def test_requests_that_wait_for_their_turn(service: int, share: int | None) -> None:
    found = record(scenario="Server", latency=(result([4 * MS] * 200, clock="scheduled"),))
    told = explain(evidence(found, calls=calls([4 * MS] * 200, service_ns=[service] * 200)))
    start = f"The slowest 1 % of the requests waited {share} % of their time for their turn"
    assert told[0].startswith(start) if share else told == []
    unscheduled = record(scenario="SingleStream", latency=(result([4 * MS] * 200),))
    assert explain(evidence(unscheduled, calls=calls([4 * MS] * 200, service_ns=[service] * 200))) == []


def floor(p50_ns: float, of: Any = "query", **changes: Any) -> Floor:
    fields: dict[str, Any] = {"count": 9, "p99_ns": p50_ns, "throughput_samples_per_s": 10_000.0, **changes}
    return Floor(of=of, p50_ns=p50_ns, measured_at="2026-11-25T12:00:00+00:00", how="null", **fields)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (floor(120_000), "The harness floor is 12 % of p50: so much of it is mlscope, not the model"),
        (floor(5 * MS), "The harness floor is 100 % of p50"),
        (floor(120_000, disturbances=("x",)), "not the model, though that was measured on a disturbed machine"),
        (floor(20_000), None),
        (floor(120_000, of="batch"), None),
        (None, None),
    ],
)
def test_the_harness_floor(given: Floor | None, sentence: str | None) -> None:
    told = explain(evidence(record(latency=(result([MS] * 200),), floor=given)))
    assert sentence in told[0] if sentence else told == []


@pytest.mark.parametrize(("rate", "sentence"), [(10_000.0, "10 % of the time of a sample"), (1e6, None)])
def test_the_floor_of_an_offline_test_is_a_rate(rate: float, sentence: str | None) -> None:
    measured = result([MS] * 1000, of="sample")  # a thousand samples a second
    found = record(scenario="Offline", latency=(measured,), floor=floor(1.0, throughput_samples_per_s=rate))
    told = explain(evidence(found))
    assert sentence in told[0] if sentence else told == []


@pytest.mark.parametrize(
    ("first_ns", "call_ns", "told"),
    [
        (30 * MS, MS, [f"The first inference took 30 {TIMES} the median call (30.0 ms): warm-up matters"]),
        (2 * MS, MS, []),
        (500_000, 1000, []),
        (None, MS, []),
    ],
    ids=["much longer", "little longer", "longer by nothing", "not measured"],
)
def test_the_first_inference(first_ns: int | None, call_ns: int, told: list[str]) -> None:
    timings = Timings(total_ns=SECOND, first_inference_ns=first_ns)
    found = record(timings=timings, latency=(result([call_ns] * 200),))
    assert explain(evidence(found)) == told
    assert explain(evidence(found, calls=calls([call_ns] * 200))) == told


@pytest.mark.parametrize(
    ("effective", "takes", "said"),
    [("bf16", "float32", True), ("fp32", "float32", False), ("fp16", "float16", False), ("bf16", None, False)],
)
def test_another_precision_than_the_models(effective: str, takes: str | None, said: bool) -> None:
    told = explain(evidence(record(effective={"precision": effective}), takes=takes))
    assert told == (["Effective precision is bf16 although the model takes fp32: compare it only with its like"] * said)


def tried(*rows: tuple[int, int, int, float | None], chosen: int = 0) -> dict[str, Any]:
    layouts = [{"batch": batch, "streams": streams, "threads": threads} for streams, threads, batch, _ in rows]
    medians = [row[3] for row in rows]
    found: list[dict[str, Any]] = [
        {**layout, "scores": [], "median": median} for layout, median in zip(layouts, medians, strict=True)
    ]
    return {"chosen": layouts[chosen], "tried": found, "unit": "samples/s"}


@pytest.mark.parametrize(
    ("calibration", "told"),
    [
        (
            tried((2, 1, 1, 140.0), (1, 2, 1, 100.0), (1, 1, 1, 60.0)),
            f"2 streams {TIMES} 1 thread is 1.4 {TIMES} faster than 1 stream {TIMES} 2 threads",
        ),
        (
            tried((1, 2, 4, 90.0), (2, 1, 8, 60.0)),
            f"1 stream {TIMES} 2 threads (batch 4) is 1.5 {TIMES} faster than 2 streams {TIMES} 1 thread (batch 8)",
        ),
        (tried((2, 1, 1, 102.0), (1, 2, 1, 100.0)), None),
        (tried((2, 1, 1, 140.0), (2, 1, 8, 100.0)), None),
        (tried((2, 1, 1, 140.0), (1, 2, 1, None)), None),
        (tried((2, 1, 1, None), (1, 2, 1, 100.0)), None),
        ({}, None),
    ],
    ids=["faster", "other batch", "as fast", "one layout", "the other failed", "no figure", "empty"],
)
def test_streams_and_threads_that_were_tried(calibration: dict[str, Any], told: str | None) -> None:
    assert explain(evidence(calibration=calibration)) == ([told] if told else [])


def test_a_real_run_gives_what_explanations_are_drawn_from(home: Path) -> None:
    law, load = {"law": "bimodal:1ms,8ms,0.9"}, {"count_override": 120, "min_duration_s": 0}
    run = mlscope.evaluate("sleep", options=law, scenario="SingleStream", load=load)
    found = gather(run)
    assert found.calls is not None
    assert len(found.calls.end_ns) == run.record.latency[0].count
    assert sorted(found.calls.latency_ns) == sorted(run.latencies_ns())
    assert (found.calls.start_ns >= found.calls.begin_ns).all()
    assert found.series
    assert found.takes is not None
    assert any(sentence.startswith("p99 is ") for sentence in explain(found))


def test_what_is_missing_or_damaged_is_left_out(home: Path) -> None:
    run = mlscope.evaluate("null", num_file_parts=3)
    folder = home / "runs" / run.record.id
    for name in ("plan.json", "samples.parquet", "machine.jsonl"):
        (folder / name).chmod(0o644)
        (folder / name).write_text("no such thing")
    found = gather(mlscope.open_store().get(run.record.id))
    assert (found.calls, list(found.series), found.calibration, found.takes) == (None, [], None, None)
    assert explain(found) == explain(Evidence(run.record))
