"""Whole evaluations in containers, by the command line, through a recorded engine that starts the worker here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

import mlscope
from mlscope.manifests import load_model
from mlscope.stacks._environment import telling_variables
from tests.conftest import Cli
from tests.stacks.engine import Engine
from tests.stacks.wheels import wheel

VERSION = metadata.version("onnxruntime")

pytestmark = pytest.mark.usefixtures("uv")


@pytest.fixture(params=["docker"])
def engine(request: pytest.FixtureRequest, links: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine that MLSCOPE_ENGINE names; what it starts has this machine's onnxruntime."""
    wheel(links, "onnxruntime", VERSION, requires=["numpy"])
    for name in telling_variables(os.environ):
        monkeypatch.delenv(name)
    engine = Engine(tmp_path, request.param)
    monkeypatch.setenv("MLSCOPE_ENGINE", str(engine.program))
    return engine


def values(words: Sequence[str], flag: str) -> list[str]:
    """What stands behind each appearance of a flag."""
    return [words[at + 1] for at, word in enumerate(words) if word == flag]


def test_predict_and_rerun(cli: Cli, engine: Engine) -> None:
    command = ["predict", "dataset", "--model-name", "Digits_CNN", "--dataset-name", "digits", "--batch-size", "50"]
    done = cli(*command, "--stack", "container", "--env", "OMP_NUM_THREADS=1", "--format", "json")
    assert done.code == 0, done.err
    (found,) = done.json()["evaluations"]
    record = found["record"]
    assert (record["accuracy"]["top1_good"], record["accuracy"]["evaluated"]) == (493, 500)
    (run,) = engine.asked("run")
    partial = values(run, "--workdir")[0]
    mounts = values(run, "--mount")
    assert mounts[0] == f"type=bind,source={partial},target={partial}"
    scratch = f"/dev/shm/mlscope-{record['id']}"
    assert mounts[1] == f"type=bind,source={scratch},target={scratch}"
    assert len(mounts) == 3  # the model comes with mlscope
    assert mounts[2].endswith(f"target={Path(mlscope.__file__).parent},readonly")
    assert values(run, "--user") == [f"{os.getuid()}:{os.getgid()}"]
    assert values(run, "--env-file") == [f"{partial}/container.env"]
    assert values(run, "--gpus") == []
    folder = Path(found["folder"])
    assert (folder / "container.env").read_text() == "HOME=/tmp\nOMP_NUM_THREADS=1\n"
    again = cli("rerun", record["id"])
    assert again.code == 0, again.err
    assert json.loads((folder / "plan.json").read_text())["stack_kind"] == "container"
    lock = json.loads((folder / "lock.json").read_text())
    assert (lock["kind"], lock["image"]) == ("container", "sha256:" + "a" * 64)
    assert {each["name"] for each in lock["packages"]} == {"onnxruntime", "numpy", "mlcommons-loadgen"}
    assert "identical" in again.out
    assert len(engine.asked("run")) == 2


def test_benchmark_of_a_data_set(cli: Cli, engine: Engine) -> None:
    command = ["benchmark", "--model-name", "Digits_CNN", "--dataset-name", "digits", "--scenario", "Offline"]
    done = cli(*command, "--mode", "AccuracyOnly", "--stack", "container", "--format", "json")
    assert done.code == 0, done.err
    (found,) = done.json()["evaluations"]
    record = found["record"]
    assert (record["accuracy"]["top1_good"], record["accuracy"]["evaluated"]) == (493, 500)
    assert len(engine.asked("build")) == len(engine.asked("run")) == 1


def test_a_model_file_lies_in_a_folder_that_is_mapped(cli: Cli, engine: Engine, tmp_path: Path) -> None:
    found = load_model("Digits_CNN")
    (graph,) = (each.graph for each in found.manifest.weights if each.framework == "onnxruntime")
    assert graph is not None
    assert isinstance(graph.source, str)
    model = tmp_path / "models" / "model.onnx"
    model.parent.mkdir()
    shutil.copy(found.path.parent / graph.source.removeprefix("file:"), model)
    done = cli(
        *("benchmark", model, "--random-inputs", "--min-duration", "0.1s", "--count-override", "5"),
        *("--stack", "container", "--worker-prefix", "env PREFIX=1"),
    )
    assert done.code == 0, done.err
    runs = engine.asked("run")
    assert len(runs) == 2  # one tells the inputs, one runs the test
    for run in runs:
        assert f"type=bind,source={model.parent},target={model.parent},readonly" in values(run, "--mount")
    inner = runs[1][runs[1].index("sha256:" + "a" * 64) :]
    assert inner[inner.index("worker") + 1 :][:3] == ["env", "PREFIX=1", "/usr/local/bin/python"]


def test_where_no_engine_runs_it_ends_at_once(cli: Cli, engine: Engine) -> None:
    engine.program.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    done = cli("predict", "dataset", "--model-name", "Digits_CNN", "--dataset-name", "digits", "--stack", "container")
    assert done.code == 6
    assert done.err == (
        "mlscope: error: no container engine runs here: docker info failed: Cannot connect to the Docker daemon; "
        "start it, or take an environment (kind uv), which needs none\n"
    )


def test_a_container_that_cannot_start_is_one_line(cli: Cli, engine: Engine) -> None:
    engine.refuse(125, "Error response from daemon: no space for mounts")
    done = cli("predict", "dataset", "--model-name", "Digits_CNN", "--dataset-name", "digits", "--stack", "container")
    assert done.code == 6
    assert "docker cannot start the worker: Error response from daemon: no space for mounts" in done.err
    assert "Traceback" not in done.err
