"""Server and Offline on several streams: the same answers, known throughputs, refusals in one line, calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlscope
from tests.e2e.running import run

pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
GOOD = 493


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Server", "Offline"])
def test_accuracy_is_that_of_predict_in_every_scenario(home: Path, scenario: str) -> None:
    several: dict[str, Any] = {"streams": 2, "threads": 2, "max_batch": 3, "max_delay_s": 0.001}
    served = several if scenario in ("Server", "Offline") else {}
    load = {"mode": "AccuracyOnly", "target_qps": 2000.0 if scenario == "Server" else None}
    found = mlscope.evaluate(scenario=scenario, load=load, **served)
    assert found.record.status == "complete"
    assert found.record.accuracy is not None
    assert (found.record.accuracy.top1_good, found.record.accuracy.evaluated) == (GOOD, 500)
    if served:
        table = found.to_pandas()
        assert set(table.stream) == {0, 1}
        assert found.record.effective["streams"] == 2
        assert found.record.effective["serving"]["max_delay_ns"] == 1_000_000
        assert found.record.batch_size == 3


@pytest.mark.alone
def test_streams_of_a_sleep_model_have_the_throughput_of_all_together(home: Path) -> None:
    load = {"min_duration_s": 0, "count_override": 200}
    found = mlscope.evaluate(
        "sleep", options={"law": "constant:10ms"}, scenario="Offline", streams=4, max_batch=1, load=load
    )
    assert found.record.loadgen is not None
    assert 320 <= float(found.record.loadgen.metric_value or 0) <= 400.5


def test_each_stream_is_kept_to_its_cores(home: Path) -> None:
    load = {"count_override": 50, "min_duration_s": 0}
    found = mlscope.evaluate(scenario="Offline", streams=1, threads=1, pin=True, load=load)
    (cores,) = found.record.effective["serving"]["cores"]
    assert len(cores) == 1


def test_overload_is_the_verdict_and_the_run_ends(home: Path) -> None:
    load = {"target_qps": 2000.0, "min_duration_s": 600}
    found = mlscope.evaluate("sleep", options={"law": "constant:5ms"}, scenario="Server", queue_capacity=100, load=load)
    assert found.record.loadgen is not None
    assert found.record.loadgen.validity == "INVALID"
    said = "it is overloaded: more than 100 queries waited, so LoadGen ended the test"
    assert said in found.record.loadgen.failed_conditions
    assert 100 <= len(found.to_pandas()) < 2000


def test_a_calibration_is_kept_with_the_run_and_used_again(home: Path) -> None:
    arguments: tuple[str, ...] = (
        "benchmark",
        "--model-name",
        "sleep",
        "--option",
        "law=constant:2ms",
        "--option",
        "per_sample=1ms",
    )
    arguments = (*arguments, "--scenario", "Offline", "--streams", "auto", "--count-override", "50", "-v")
    arguments = (*arguments, "--min-duration", "0", "--format", "json")
    first, second = run(home, *arguments), run(home, *arguments)
    assert first.code == second.code == 0, first.err
    assert "calibrate" in first.err
    assert "<- chosen" in first.err
    assert "calibrated before" in second.err
    folders = sorted((home / "runs").glob("[0-9a-f]*"))
    kept = [json.loads((folder / "calibration.json").read_text()) for folder in folders if folder.is_dir()]
    assert len(kept) == 2
    assert kept[0] == kept[1]
    chosen = kept[0]["chosen"]
    best = max((row for row in kept[0]["tried"] if row["scores"]), key=lambda row: row["median"])
    assert best["median"] * 0.99 <= next(row["median"] for row in kept[0]["tried"] if {**row, **chosen} == row)
    assert chosen["batch"] >= 8, "32 rows take 34 ms, one takes 3"
    plans = [json.loads((folder / "plan.json").read_text())["execution"] for folder in folders if folder.is_dir()]
    assert plans[0] == plans[1]
    assert (plans[0]["streams"], plans[0]["batch_size"]) == (chosen["streams"], chosen["batch"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--streams", "2"), "--streams is for the scenarios Server and Offline; SingleStream runs one query"),
        (("--scenario", "MultiStream", "--max-delay", "2ms"), "--max-delay is for the scenarios Server and Offline"),
        (("--scenario", "Server", "--streams", "none"), 'invalid value for --streams: "none" is no whole number'),
        (("--scenario", "Server", "--streams", "0"), '--streams: "0" cannot be used'),
        (("--scenario", "Offline", "--queue-capacity", "9"), "--queue-capacity is for the scenario Server; an Offline"),
        (("--scenario", "Server", "--max-batch", "auto"), "--max-batch auto is for the scenario Offline"),
    ],
)
def test_what_does_not_go_together_is_told_in_one_line(home: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run(home, "benchmark", *arguments)
    assert done.code == 2
    assert done.err.startswith(f"mlscope: error: {message}")
    assert done.err.count("\n") <= 2


def test_more_pinned_threads_than_cores_are_an_error(home: Path) -> None:
    done = run(home, "benchmark", "--scenario", "Server", "--streams", "512", "--threads", "8", "--pin")
    assert done.code == 2
    assert "--pin: 512 x 8 threads want as many cores, this process may use" in done.err


def test_every_sample_of_a_long_query_is_answered_once(home: Path) -> None:
    load = {"count_override": 20_000, "min_duration_s": 0, "settings": {"min_query_count": 20_000}}
    found = mlscope.evaluate("null", scenario="Offline", streams=3, max_batch=7, max_delay_s=0.001, load=load)
    table = found.to_pandas()
    table = table[~table.warmup]
    assert len(table) == 20_000
    sizes = np.bincount(table.batch)
    assert set(sizes[:-1].tolist()) == {7}
    assert sizes[-1] == 20_000 % 7
