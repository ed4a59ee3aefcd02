"""What is shown of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlscope import conductor
from mlscope.conductor import Observer, Outcome, Prediction
from mlscope.errors import StoreError, WorkerError
from mlscope.plan import Request
from mlscope.results import LoadGenResult, Record
from tests.analyses.records import accuracy, latency, record
from tests.cli.conftest import Run


def giving(monkeypatch: pytest.MonkeyPatch, *outcomes: Outcome) -> None:
    def evaluate(request: Request, observer: Observer | None = None) -> list[Outcome]:
        assert observer is not None
        observer.warn("look out")
        observer.note("by the way")
        return list(outcomes)

    monkeypatch.setattr(conductor, "evaluate", evaluate)


def good(**changes: Any) -> Record:
    return record(1, accuracy=accuracy(), latency=(latency("batch"),), **changes)


def test_predict_ends_with_the_accuracy_and_where_the_run_lies(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = good()
    giving(monkeypatch, Outcome(found, Path("/runs/x")))
    done = run("predict", "dataset")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "Digits_CNN 1.0 with onnxruntime 1.31.1 on digits, batch size 1"
    assert "accuracy=75.200%, good=376, total=500" in lines
    assert any(line.startswith("Top-1   75.20 %  (95 % interval ") for line in lines)
    assert any(line.startswith("Top-5  ") for line in lines)
    assert lines[-3:] == [f"Run     {found.id}", "Folder  /runs/x", f"Next    mlscope runs show {found.id}"]
    assert done.err == "mlscope: warning: look out\n"


def test_json_is_one_document_and_stderr_has_the_rest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = good()
    failed = Outcome(record(2, status="failed"), Path("/runs/y"), error=WorkerError("the worker died"))
    giving(monkeypatch, Outcome(found, None), failed)
    done = run("predict", "dataset", "-f", "json", "--verbose")
    assert done.code == 8
    first, second = done.json()["evaluations"]
    assert Record.model_validate(first["record"]) == found
    assert first["folder"] is None
    assert first["error"] is None
    assert second["error"] == {"kind": "WorkerError", "message": "the worker died", "exit_code": 8}
    assert "predictions" not in first
    assert done.err.splitlines() == [
        "mlscope: warning: look out",
        "mlscope: by the way",
        "mlscope: error: the worker died",
    ]


def test_debug_shows_the_workers_log_of_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker.log").write_text("illegal instruction\n")
    giving(monkeypatch, Outcome(record(status="failed"), tmp_path, error=WorkerError("the worker died")))
    assert "illegal instruction" not in run("predict", "dataset").err
    assert "illegal instruction" in run("predict", "dataset", "--debug").err


def test_a_run_that_was_not_published_can_be_published_later(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = good()
    giving(monkeypatch, Outcome(found, Path("/runs/x"), publish_error=StoreError("the database is away")))
    address = "postgresql://me@localhost/db"
    done = run("predict", "dataset", "--publish", "--database-address", address)
    assert done.code == 9
    assert "accuracy=75.200%" in done.out
    assert done.out.splitlines()[-1] == f"Next    mlscope runs publish {found.id} --database-address {address}"
    hidden = run("predict", "dataset", "--publish", "--database-address", "postgresql://me:pw1@localhost/db")
    assert "pw1" not in hidden.out + hidden.err


def test_an_interrupted_run_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    giving(monkeypatch, Outcome(good(status="interrupted"), Path("/runs/x")))
    assert "The run was interrupted; what was measured until then is above." in run("predict", "dataset").out
    giving(monkeypatch, Outcome(record(status="failed"), Path("/runs/x"), error=WorkerError("it died")))
    assert "The run failed." in run("predict", "dataset").out


def test_urls_prints_the_best_labels_of_each_picture(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    top = ((281, "tabby", 0.75), (7, "cock\x1b[31m", 0.25))
    predictions = (Prediction("a.png", None, top), Prediction("b.png", "no picture", ()))
    giving(monkeypatch, Outcome(record(command="predict urls"), None, predictions=predictions))
    lines = run("predict", "urls", "a.png", "b.png", "--no-record").out.splitlines()
    place = lines.index("a.png:")
    assert lines[place + 1 : place + 3] == ["   75.00 %  281  tabby", "   25.00 %    7  cock\ufffd[31m"]
    assert "b.png: no picture" in lines
    assert "Nothing was kept (--no-record)." in lines
    plain = run("predict", "urls", "a.png", "--format", "json").json()["evaluations"][0]["predictions"]
    assert plain[0]["top"][0] == {"index": 281, "label": "tabby", "probability": 0.75}


def test_benchmark_shows_tables_summary_and_why_it_is_invalid(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = record(
        command="benchmark",
        scenario="Server",
        mode="PerformanceOnly",
        latency=(latency("query"), latency("sample")),
        loadgen=LoadGenResult(
            version="6.0.17",
            scenario="Server",
            mode="PerformanceOnly",
            validity="INVALID",
            failed_conditions=("the 99th percentile of 12 ms is over the bound of 10 ms",),
            metric="Scheduled samples per second",
            metric_value=99.5,
            metric_unit="samples/s",
        ),
    )
    giving(monkeypatch, Outcome(found, Path("/runs/x"), loadgen_summary="=====\nMLPerf Results Summary\n"))
    out = run("benchmark").out
    assert out.count("LATENCIES (in milliseconds and fps)") == 2
    assert "Number of queries run:" in out
    assert "Number of samples run:" in out
    assert "MLPerf Results Summary" in out
    assert "LoadGen 6.0.17 calls the result INVALID; Scheduled samples per second: 99.5 samples/s" in out
    assert "INVALID because the 99th percentile of 12 ms is over the bound of 10 ms" in out


def test_each_repetition_has_its_paragraph(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    giving(monkeypatch, Outcome(good(), None), Outcome(good(repetition=2), None))
    assert "batch size 1, repetition 2" in run("predict", "dataset", "--repetitions", "2").out
    assert json.loads(run("predict", "dataset", "--format", "JSON").out)["evaluations"][1]["record"]["repetition"] == 2
