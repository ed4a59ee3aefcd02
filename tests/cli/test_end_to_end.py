"""The command as a user has it: processes, a home of its own, the embedded default."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mlscope
from mlscope.results import Record
from tests.conftest import Cli

BUILTIN = Path(mlscope.__file__).parent / "manifests" / "builtin"
DIGITS = BUILTIN / "datasets" / "digits"
MODEL = BUILTIN / "models" / "digits_cnn.onnx"

pytestmark = pytest.mark.slow


def test_predict_records_what_it_shows(cli: Cli) -> None:
    done = cli(
        "predict", "dataset", "-b", "8", "--num_file_parts=10", "--experiment", "e", "--tags", "a,b", "-f", "json"
    )
    assert done.code == 0, done.err
    (evaluation,) = done.json()["evaluations"]
    record = Record.model_validate(evaluation["record"])
    assert record.accuracy is not None
    assert record.accuracy.evaluated == 80
    assert (record.batch_size, record.experiment, record.tags) == (8, "e", ("a", "b"))
    assert Path(evaluation["folder"], "evaluation.json").is_file()
    assert cli("runs", "show", record.id[:16], "--format", "json").json() == evaluation["record"]
    (row,) = cli("info", "evaluation", "accuracy", "--tag", "a", "-f", "json").json()
    assert row["top1_accuracy"] == record.accuracy.top1


def test_the_originals_scripts_run(cli: Cli, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'results'}/"
    done = cli(
        "predict", "dataset", "--fail_on_error=true", "--verbose", "--publish=true", "--publish_predictions=false",
        "--gpu=false", "--num_file_parts=100", "--batch_size=1", "--model_name=Digits_CNN", "--model_version=1.0",
        "--database_name=Digits_model_trace", f"--database_address={address}", "--trace_level=MODEL_TRACE",
        "--tracer_address-localhost",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "total=100" in done.out
    assert (tmp_path / "results" / "Digits_model_trace.db").is_file()
    for report in ("latency", "accuracy"):
        shown = cli(
            "info", "evaluation", report, "--batch_size=1", "--model_name=Digits_CNN", "--model_version=1.0",
            "--database_name=Digits_model_trace", f"--database_address={address}", "--format", "json",
        )  # fmt: skip
        assert shown.code == 0, shown.err
        assert len(shown.json()) == 1


def test_urls_shows_labels(cli: Cli) -> None:
    done = cli("predict", "urls", DIGITS / "digit_000.png", "--no-record")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    place = lines.index(f"{DIGITS / 'digit_000.png'}:")
    assert lines[place + 1].split()[-1] == "eight"
    assert "Nothing was kept" in done.out
    assert cli("runs", "list", "-f", "json").json() == []


def test_benchmark_of_a_bare_file_and_its_logs(cli: Cli) -> None:
    pytest.importorskip("mlperf_loadgen")
    done = cli("benchmark", MODEL, "--random-inputs", "--min-duration", "100ms", "--count-override", "64")
    assert done.code == 0, done.err
    assert "LATENCIES (in milliseconds and fps)" in done.out
    assert "MLPerf Results Summary" in done.out
    (run,) = cli("runs", "list", "-f", "json").json()
    assert "MLPerf Results Summary" in cli("runs", "log", run["id"]).out
    assert cli("runs", "log", run["id"], "detail").code == 0
    assert cli("runs", "log", run["id"], "worker").code == 0


def test_a_manifest_from_a_bare_file(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "model.yml"
    assert cli("manifest", "init", MODEL, "--output", target).code == 0
    assert cli("manifest", "check", target).code == 0
    assert cli("manifest", "init", MODEL, "--output", target).code == 2
    assert cli("manifest", "init", MODEL, "--output", target, "--overwrite", "--name", "mine").code == 0
    done = cli("predict", "dataset", "--model-name", target, "--num-file-parts", "20", "--no-record", "-f", "json")
    assert done.code == 0, done.err
    assert done.json()["evaluations"][0]["record"]["model_name"] == "mine"
    target.write_text(target.read_text().replace("outputs:", "output:"))
    broken = cli("manifest", "check", target, "--format", "json")
    assert broken.code == 3
    assert {finding["severity"] for finding in broken.json()} >= {"error"}


def test_converting_a_manifest_of_the_original(cli: Cli, shared_dir: Path, tmp_path: Path) -> None:
    source = shared_dir / "mlmodelscope-manifests" / "mxnet--ResNet50_v1.yml"
    converted = cli("manifest", "convert", source)
    assert converted.code == 0, converted.err
    (tmp_path / "own.yml").write_text(converted.out)
    assert converted.out.startswith("schema: mlscope/model/v1")
    assert cli("manifest", "check", tmp_path / "own.yml").code == 0


def test_lists_of_what_is_built_in(cli: Cli) -> None:
    models = {model["name"]: model for model in cli("info", "models", "-f", "json").json()}
    assert models["Digits_CNN"]["framework"].startswith("onnxruntime")
    assert {"digits", "imagenet"} <= {each["name"] for each in cli("info", "datasets", "-f", "json").json()}
    frameworks = {each["name"]: each for each in cli("info", "frameworks", "-f", "json").json()}
    assert frameworks["onnxruntime"]["installed"]
    assert frameworks["tensorrt"]["installed"] is None
    assert cli("info", "system", "-f", "json").json()["cpu_count"] >= 1
    for what in ("models", "datasets", "frameworks", "system"):
        assert cli("info", what).code == 0


def test_what_is_here_needs_no_network(cli: Cli) -> None:
    done = cli("download", "Digits_CNN", "digits", "imagenet", "--local")
    assert done.code == 0, done.err
    assert str(MODEL) in done.out
    assert "--dataset-path" in done.err
    assert cli("download", "dataset", "--name", "digits", "--category=vision").code == 0
    assert cli("download", "models", "Digits_CN").code == 3


def test_ctrl_c_keeps_what_was_measured(home: Path, cli: Cli) -> None:
    command = ["predict", "dataset", "--model-name", "sleep", "--option", "law=constant:50ms", "--verbose"]
    with subprocess.Popen(
        [sys.executable, "-m", "mlscope", *command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        while ": predict: " not in (line := running.stderr.readline()):
            assert line, "it ended before it measured anything"
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.splitlines()[-1].startswith("mlscope: error: interrupted")
    assert "what was measured until then is above" in out
    (run,) = cli("runs", "list", "-f", "json").json()
    assert run["status"] == "interrupted"
    assert run["p50_ms"] >= 50
