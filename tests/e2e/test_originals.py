"""The original's own scripts, with ``docker run … mxnet-agent`` replaced by ``mlscope`` and a model that is here."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.conftest import Cli
from tests.e2e import running

NAMED = ("--batch_size=1", "--model_name=Digits_CNN", "--model_version=1.0", "--database_name=digits_model_trace")


def test_predict_then_latency_then_accuracy(cli: Cli, home: Path, tmp_path: Path) -> None:
    address = f"--database_address=sqlite:///{tmp_path}/published/"
    result = cli(
        *("predict", "dataset", "--fail_on_error=true", "--verbose", "--publish=true"),
        *("--publish_predictions=false", "--gpu=false", "--num_file_parts=100"),
        *(*NAMED, address, "--trace_level=MODEL_TRACE", "--tracer_address-localhost"),
    )
    assert result.code == 0, result
    assert "total=100\n" in result.out
    assert "Traceback" not in result.err
    run = running.only(home)
    assert (run.record.trace_level, run.record.batch_size) == ("MODEL_TRACE", 1)
    assert run.record.accuracy is not None
    assert run.record.accuracy.evaluated == 100
    (file,) = (tmp_path / "published").iterdir()
    assert file.stem == "digits_model_trace"
    assert sqlite3.connect(file).execute("SELECT COUNT(*) FROM evaluation").fetchone() == (1,)

    latency = cli("info", "evaluation", "latency", *NAMED, address)
    assert latency.code == 0, latency
    assert run.record.id[:8] in latency.out
    accuracy = cli("info", "evaluation", "accuracy", *NAMED, address, "--format=json")
    assert accuracy.code == 0, accuracy
    (row,) = accuracy.json()
    assert row["id"] == run.record.id
    assert row["top1_accuracy"] == run.record.accuracy.top1
    other = cli("info", "evaluation", "accuracy", *NAMED, "--batch_size=2", address, "--format=json")
    assert other.json() == []


def test_flags_before_the_command_and_short_ones(cli: Cli, home: Path, tmp_path: Path) -> None:
    result = cli("-v", "predict", "-b", "50", "dataset", "-p", "100", "--num_file_parts=2", "-s", "word", "-l", "-d")
    assert result.code == 0, result
    assert "total=200\n" in result.out
    assert running.only(home).record.batch_size == 50
    out = tmp_path / "out.csv"
    assert cli("info", "evaluation", "all", "-f", "csv", "-o", out).code == 0
    assert out.read_text().splitlines()
