"""``mlscope explain``, and explanations where runs are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlscope import conductor
from mlscope.conductor import Observer, Outcome
from mlscope.plan import Request
from mlscope.results import Record, Timings, open_store
from tests.analyses.records import accuracy, latency, record
from tests.cli.conftest import Run
from tests.results.making import seal_run

WAITS = "Pre-processing takes 62 % of the wall time; the model waits"


def waiting() -> Record:
    timings = Timings(total_ns=10**9, wait_share=0.62, preprocess_mean_ns=1e6)
    return record(accuracy=accuracy(), latency=(latency("batch"),), timings=timings)


@pytest.fixture
def stored(home: Path) -> Record:
    sealed, folder = seal_run(home, waiting())
    open_store(create=True).put(sealed, folder, blobs=[])
    return sealed


def test_a_runs_sentences_are_shown(run: Run, stored: Record) -> None:
    done = run("explain", stored.id[:20])
    assert done.code == 0
    assert done.out.splitlines()[0].startswith("Digits_CNN 1.0 with onnxruntime")
    assert any(line.startswith(f"Finding  {WAITS}") for line in done.out.splitlines())
    assert WAITS in run("runs", "show", stored.id).out
    answer = run("explain", stored.id, "--format", "json").json()
    assert answer["id"] == stored.id
    assert answer["explanations"][0].startswith(WAITS)


def test_a_run_without_any_says_so(run: Run, home: Path) -> None:
    sealed, folder = seal_run(home)
    open_store(create=True).put(sealed, folder, blobs=[])
    assert run("explain", sealed.id).out.splitlines()[-1] == "Nothing stands out."


def test_a_run_that_is_not_there_is_one_line(run: Run, stored: Record) -> None:
    done = run("explain", "ffff")
    assert done.code == 9
    assert done.err.count("\n") == 1


def test_evaluations_end_with_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(request: Request, observer: Observer | None = None) -> list[Outcome]:
        return [Outcome(waiting(), None)]

    monkeypatch.setattr(conductor, "evaluate", evaluate)
    assert f"\nFinding  {WAITS}" in run("predict", "dataset").out
    (plain,) = json.loads(run("predict", "dataset", "--format", "json").out)["evaluations"]
    assert plain["explanations"][0].startswith(WAITS)
