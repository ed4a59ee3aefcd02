"""Sweeps: every point once, whatever happens on the way."""

from __future__ import annotations

import collections
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli

SWEEP = (
    *("explore", "benchmark", "--model-name", "null", "--random-inputs", "--scenario", "Offline,SingleStream"),
    *("--batch-size", "1:2", "--threads", "1,2", "--min-duration", "100ms", "--experiment", "swept", "-f", "json"),
)
TELLING = ("scenario", "batch_size", "threads", "runs", "validity", "state")


def records(cli: Cli) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = cli("runs", "list", "--experiment", "swept", "-f", "json").json()
    return listed


def told(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in TELLING) for row in rows]


def test_a_sweep_that_is_killed_again_and_again_ends_as_one_that_is_not(cli: Cli, home: Path, tmp_path: Path) -> None:
    whole = cli(*SWEEP, env={"MLSCOPE_HOME": str(tmp_path / "other")})
    assert whole.code == 0, whole.err
    chance, folder = random.Random(11), tmp_path / "tmp"
    folder.mkdir()
    for _ in range(10):
        child = subprocess.Popen(
            [sys.executable, "-m", "mlscope", *SWEEP],
            env={**os.environ, "MLSCOPE_HOME": str(home), "TMPDIR": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.5, 4))
        child.send_signal(signal.SIGKILL)
        child.wait()
    done = cli(*SWEEP, env={"TMPDIR": str(folder)})
    assert done.code == 0, done.err
    assert list(folder.iterdir()) == []  # the last command tidied up after the killed ones
    assert told(done.json()) == told(whole.json())
    assert len(done.json()) == 8
    complete = collections.Counter(row["ids"] for row in done.json())
    assert set(complete.values()) == {1}
    finished = [each for each in records(cli) if each["status"] == "complete"]
    assert sorted(each["id"] for each in finished) == sorted(complete)


def test_points_in_turns_and_the_model_kept(cli: Cli) -> None:
    done = cli(
        *("explore", "benchmark", "--model-name", "null", "--random-inputs", "--scenario", "Offline,Server"),
        *(
            "--target-qps",
            "200",
            "--min-duration",
            "100ms",
            "--repetitions",
            "2",
            "--experiment",
            "swept",
            "--seed",
            "1",
        ),
        *("--format", "csv"),
    )
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].startswith("scenario,runs,metric,metric_value,metric_unit,p50_ms")
    assert [line.split(",")[:2] for line in done.out.splitlines()[1:]] == [["Offline", "2"], ["Server", "2"]]
    found = sorted(records(cli), key=lambda each: each["created_at"])
    assert [each["scenario"] for each in found] == ["Offline", "Server", "Offline", "Server"]
    shown = [cli("runs", "show", each["id"], "-f", "json").json() for each in found]
    assert [each["repetition"] for each in shown] == [1, 1, 2, 2]
    assert [each["timings"]["load_ns"] is not None for each in shown] == [True, False, False, False]


def test_a_file_a_plan_and_no_time(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yml"
    file.write_text(
        "command: benchmark\nmodel-name: 'null'\nrandom_inputs: true\nscenario: MultiStream\n"
        "batch-size: [4, 8]\nsamples-per-query: 4:8:4\ntie: [batch-size, samples-per-query]\nmin-duration: 100ms\n"
    )
    planned = cli("explore", "--file", file, "--dry-run", "--min-duration", "50ms")
    assert planned.out.splitlines() == [
        f"mlscope benchmark --model-name=null --scenario=MultiStream --batch-size={n} --samples-per-query={n} "
        "--min-duration=50ms --random-inputs"
        for n in (4, 8)
    ]
    done = cli("explore", "--file", file, "--time-budget", "1ms", "-f", "json")
    assert done.code == 0, done.err
    assert [row["state"] for row in done.json()] == ["done", "not run"]
    again = cli("explore", "--file", file, "-f", "json", "--plot", tmp_path / "plot.html")
    assert [row["state"] for row in again.json()] == ["done", "done"]
    assert again.json()[0]["ids"] == done.json()[0]["ids"]
    page = (tmp_path / "plot.html").read_text()
    assert "<svg" in page
    assert "samples-per-query" in page


def test_points_that_fail_do_not_end_a_sweep(cli: Cli) -> None:
    done = cli("explore", "predict", "dataset", "--num-file-parts", "4", "--batch-size", "1,0,2", "-f", "json")
    assert done.code == 2, done.out
    assert "--batch-size" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--bach-size 1,2", "mlscope benchmark has no flag --bach-size; did you mean --batch-size?"),
        ("--batch-size 5:1", '"5:1" is empty'),
        ("predict dataset --scenario Offline", "no flag --scenario"),
        ("--batch-size 1,2 --tie batch-size,threads", '"threads" is no axis here'),
        ("--batch-size 1,2 --repetitions 0", "--repetitions"),
        ("--file nowhere.yml", "nowhere.yml"),
    ],
)
def test_sweeps_that_cannot_be(inside: Cli, words: str, message: str) -> None:
    done = inside("explore", *words.split())
    assert done.code == 2, done.err
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_several_models_are_compared(cli: Cli) -> None:
    done = cli("benchmark", "--model-name", "null,sleep", "--random-inputs", "--min-duration", "50ms", "-f", "json")
    assert done.code == 0, done.err
    assert [each["record"]["model_name"] for each in done.json()["evaluations"]] == ["null", "sleep"]


V05 = (
    *("explore", "benchmark", "--model-name", "sleep", "--random-inputs", "--scenario", "MultiStream"),
    *("--option", "law=constant:0ms", "--multistream", "v0.5", "--maximize", "samples-per-query"),
    *("--tie", "batch-size,samples-per-query", "--dataset-size", "64"),
    *("--setting", "min_query_count=100", "-f", "json"),
)


@pytest.mark.alone
def test_the_largest_number_of_samples_that_is_valid(cli: Cli) -> None:
    """With 14 ms a sample the 99th percentile crosses 50 ms between 3 and 4 samples, whatever the machine's noise."""
    line = (*V05, "--option", "per_sample=14ms", "--min-duration", "2s")
    done = cli(*line)
    assert done.code == 0, done.err
    (search,) = done.json()["searches"]
    assert (search["best"], search["first_failing"], search["confirmed"]) == (3, 4, True)
    assert search["runs"] < 8
    failed = next(step for step in search["steps"] if step["value"] == 4)
    assert "INVALID" in failed["note"]
    assert "took 2 intervals of 50 ms" in failed["note"]
    again = cli(*line)
    (same,) = again.json()["searches"]
    assert (same["best"], same["runs"], same["confirmed"]) == (3, search["runs"], True)
    assert [row["ids"] for row in again.json()["points"]] == [row["ids"] for row in done.json()["points"]]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("per_sample", "outcome", "words"),
    [
        (
            "60ms",
            "nothing",
            "no samples-per-query from 1 on is VALID; the nearest miss is samples-per-query 1: INVALID",
        ),
        ("0ms", "everything", "every samples-per-query up to 16 is VALID, confirmed by a run of full length"),
    ],
)
def test_bounds_that_nothing_and_everything_meets(cli: Cli, per_sample: str, outcome: str, words: str) -> None:
    done = cli(*V05, "--option", f"per_sample={per_sample}", "--samples-per-query", "1:16", "--min-duration", "2s")
    assert done.code == 0, done.err
    (search,) = done.json()["searches"]
    assert search["outcome"] == outcome
    assert words in search["summary"]
    assert search["runs"] <= 6


def test_the_best_of_some_threads_and_batches(cli: Cli) -> None:
    """One call takes 4 ms whatever its batch, so the largest batch is the fastest."""
    done = cli(
        *("explore", "benchmark", "--model-name", "sleep", "--random-inputs", "--option", "law=constant:4ms", "--tune"),
        *("--scenario", "Offline", "--batch-size", "1,4,16", "--threads", "1", "--streams", "1", "-f", "json"),
        *("--min-duration", "500ms", "--time-budget", "1m"),
    )
    assert done.code == 0, done.err
    (search,) = done.json()["searches"]
    assert search["best"] == {"batch-size": "16"}
    assert search["confirmed"]
    assert len(search["tune"]) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--maximize target-qps", "--maximize target-qps is for the Server scenario"),
        ("--scenario MultiStream --maximize samples-per-query --samples-per-query 8:2", '"8:2" is empty'),
        ("--scenario MultiStream --maximize samples-per-query --samples-per-query x", "no number"),
        ("--maximize target-qps --tune", "look for different things"),
        ("--latency-bound 5ms", "--latency-bound is about --maximize"),
        ("--maximize nonsense", "has no flag --nonsense"),
        ("--tune --scenario Server", "--tune is for Offline and SingleStream"),
    ],
)
def test_searches_that_cannot_be(cli: Cli, words: str, message: str) -> None:
    base = ("explore", "benchmark", "--model-name", "null", "--random-inputs", "--min-duration", "100ms")
    done = cli(*base, *words.split())
    assert done.code == 2, done.err
    assert message in done.err
