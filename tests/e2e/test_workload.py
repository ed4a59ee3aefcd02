"""`mlscope predict workload` and `max-qps`, and MultiStream of v0.5: from the command line to the record."""

from __future__ import annotations

import hashlib
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import mlscope
from mlscope.results import read_samples
from tests.conftest import Cli
from tests.e2e import running

MS = 1e6
SLEEP = ("--model-name", "sleep", "--option")


def workload(**fields: object) -> mlscope.Evaluation:
    options = fields.pop("options", {})
    return mlscope.evaluate("sleep", options=options, command="predict workload", workload=fields)


def test_the_same_seed_gives_the_same_requests(home: Path) -> None:
    fields = {"initial_qps": 2000, "min_queries": 300, "arrival": "gamma:cv=2"}
    one, two = (workload(options={"law": "constant:0ms"}, **fields) for _ in range(2))
    assert one.record.workload is not None
    assert two.record.workload is not None
    assert one.record.workload.schedule_sha256 == two.record.workload.schedule_sha256
    assert one.record.plan_id == two.record.plan_id
    inputs = [run.to_pandas().query("not warmup").sort_values("query").sample_index.tolist() for run in (one, two)]
    assert inputs[0] == inputs[1]
    assert len(set(inputs[0])) > 50  # not one picture for ever
    (folder, _) = running.folders(home)
    schedule = (folder / "schedule.npy").read_bytes()
    assert hashlib.sha256(schedule).hexdigest() == one.record.workload.schedule_sha256


def test_the_command_and_its_old_names(cli: Cli, home: Path) -> None:
    for words in (["predict", "workload"], ["predict", "work-load"]):
        result = cli(
            *words, *SLEEP, "law=constant:1ms", "--initial_qps=500", "--min_queries=100", "--min_duration=50",
            "--percentile=90", "--latency_bound=2000",
        )  # fmt: skip
        assert result.code == 0, result
        assert "qps = " in result.out
        assert "(p90 since the scheduled arrival); the bound of 2000 ms is met" in result.out
        assert "Slip  p50" in result.out
    newest = running.evaluations(home)[-1].record
    assert newest.command == "predict workload"
    assert newest.latency[0].of == "query"
    assert newest.latency[0].clock == "scheduled"
    assert newest.workload is not None
    assert newest.workload.requests == newest.workload.answered >= 100
    shown = cli("runs", "show", newest.id)
    assert "Verdict  ok" in shown.out


def test_a_trace_is_replayed_as_recorded(cli: Cli, home: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("time_ms,input\n100,3\n110,1\n110,4\n400,1\n", encoding="utf-8")
    assert cli("predict", "workload", *SLEEP, "law=constant:1ms", "--trace", trace, "--time-scale", "2").code == 0
    run = running.only(home)
    table = run.to_pandas().query("not warmup").sort_values("query")
    assert (table.scheduled_ns - table.scheduled_ns.iloc[0]).tolist() == [0, 20 * MS, 20 * MS, 600 * MS]
    assert table.sample_index.tolist() == [3, 1, 4, 1]
    assert run.record.workload is not None
    assert run.record.workload.arrival == "trace"


@pytest.mark.parametrize(
    ("text", "flags", "code", "words"),
    [
        ("t\n1\n0\n", (), 5, "trace.csv:3: the times are not in order"),
        ("t\n1\nnan\n", (), 5, 'trace.csv:3: "nan" is no time'),
        ("t\n-1\n", (), 5, "trace.csv:2: -1 is a negative time"),
        ("", (), 5, "trace.csv: the trace is empty"),
        ("a,b\n1,2\n", (), 5, "trace.csv:1: no column holds times"),
        ("t,input\n1,9999\n", (), 5, "trace.csv:2: there is no input 9999"),
        ("t\n1\n", ("--arrival", "posson"), 2, "did you mean poisson"),
    ],
)
def test_a_bad_trace_is_one_line_and_no_run(  # noqa: PLR0917
    inside: Cli, home: Path, tmp_path: Path, text: str, flags: tuple[str, ...], code: int, words: str
) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(text, encoding="utf-8")
    replay = () if flags else ("--trace", trace)
    result = inside("predict", "workload", *SLEEP, "law=constant:1ms", *replay, *flags)
    assert words in running.one_line(result, code)
    assert running.folders(home) == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("predict", "workload", "--initial-qps", "0"), "--initial-qps"),
        (("predict", "workload", "--percentile", "100"), "--percentile"),
        (("predict", "workload", "--min-duration", "soon"), "--min-duration"),
        (("predict", "workload", "--initial-qps", "1e9"), "too many"),
        (("predict", "max-qps", "--initial-qps", "20000"), "--cap-qps"),
        (("benchmark", "--multistream", "v0.5"), "--scenario MultiStream"),
        (
            ("benchmark", "--scenario", "MultiStream", "--multistream", "v0.5", "--mode", "AccuracyOnly"),
            "PerformanceOnly",
        ),
        (("benchmark", "--scenario", "MultiStream", "--multistream", "v0.5", "--samples-per-query", "900"), "900"),
    ],
)
def test_flags_that_make_no_sense(inside: Cli, home: Path, words: tuple[str, ...], text: str) -> None:
    assert text in running.one_line(inside(*words), 2)
    assert running.folders(home) == []


def test_load_beyond_capacity_ends_by_itself(cli: Cli, home: Path) -> None:
    begin = time.monotonic()
    result = cli(
        "predict", "workload", *SLEEP, "law=constant:10ms", "--initial-qps", "2000", "--min-queries", "2000",
        "--queue-capacity", "100",
    )  # fmt: skip
    assert result.code == 0, result
    assert time.monotonic() - begin < 60
    assert "Verdict  overload" in result.out
    assert "found the queue full" in result.out
    found = running.only(home).record.workload
    assert found is not None
    assert found.answered + found.dropped == 2000
    assert found.dropped > 1500
    assert found.latency_ns is None
    table = read_samples(running.folders(home)[0] / "samples.parquet").to_pandas()
    assert table.dropped.sum() == found.dropped


def test_ctrl_c_keeps_what_was_measured(home: Path) -> None:
    words = ("predict", "workload", *SLEEP, "law=constant:1ms", "--initial-qps", "100", "--min-duration", "60s")
    with running.started(home, *words) as process:
        running.until(lambda: running.measured_so_far(home) > 20, "requests")
        process.send_signal(signal.SIGINT)
        assert running.ended(process).code == 130
    run = running.only(home)
    assert run.record.status == "interrupted"
    assert run.record.workload is not None
    assert run.record.workload.answered > 20
    assert run.record.workload.not_issued > 1000


def test_a_stall_shows_in_the_tail_of_an_open_loop(home: Path) -> None:
    """Coordinated omission: a clock that starts when the model is free would hide all but one of the late requests."""
    run = workload(
        initial_qps=100, min_queries=1000, arrival="constant", options={"law": "constant:1ms", "stall": "1s@500"}
    )
    (result,) = run.record.latency
    values = {entry.percentile: entry.value_ns / MS for entry in result.percentiles}
    assert values[99.9] > 900
    assert values[95] > 300  # a tenth of the requests came during the stall, and waited 500 ms on average
    service = (table := run.to_pandas().query("not warmup")).end_ns - table.start_ns
    assert np.quantile(service, 0.99) < 300 * MS


def test_a_stall_shows_in_the_tail_of_loadgens_server(home: Path) -> None:
    pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    load = {"count_override": 1000, "min_duration_s": 0, "target_qps": 100}
    options = {"law": "constant:1ms", "stall": "1s@500"}
    run = mlscope.evaluate("sleep", options=options, scenario="Server", load=load)
    values = {entry.percentile: entry.value_ns / MS for entry in run.record.latency[0].percentiles}
    assert values[99.9] > 900
    assert values[95] > 200
