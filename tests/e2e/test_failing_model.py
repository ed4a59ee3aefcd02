"""A model that fails on some pictures while it runs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mlscope
from mlscope.manifests import load_dataset
from tests.conftest import Cli
from tests.e2e import running


def brightness() -> list[float]:
    """Sum of the pixels of each digit, black 0 and white 1."""
    from PIL import Image

    found = load_dataset("digits")
    names = (running.digits_folder() / found.manifest.listing).read_text(encoding="utf-8").split()[::2]
    return [float((np.asarray(Image.open(running.digits_folder() / name)) / 255).sum()) for name in names]


def limit() -> float:
    """Some thirty pictures are brighter than this."""
    return sorted(brightness())[-40] + 0.01


@pytest.fixture
def fails_on_bright(tmp_path: Path) -> Path:
    """Manifest of a model that looks a row up, one that is not there for the brightest pictures."""
    nodes = [
        helper.make_node("ReduceSum", ["image", "axes"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "limit"], ["bright"]),
        helper.make_node("Cast", ["bright"], ["one"], to=TensorProto.INT64),
        helper.make_node("Mul", ["one", "far"], ["row"]),
        helper.make_node("Gather", ["table", "row"], ["logits"], axis=0),
    ]
    constants = {
        "axes": np.array([1, 2, 3]),
        "limit": np.float32(limit()),
        "far": np.int64(100),
        "table": np.eye(10, dtype=np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "model" / "digits_cnn.onnx"

    def change(data: dict[str, Any]) -> None:
        onnx.save(model, path)
        data["weights"][0]["graph"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()

    return running.manifest(tmp_path / "model", change=change)


def test_failed_samples_count_as_wrong_and_are_in_no_latency(cli: Cli, home: Path, fails_on_bright: Path) -> None:
    result = cli("predict", "dataset", "--model-name", fails_on_bright)
    assert result.code == 0, result
    run = running.only(home)
    predictions = run.predictions()
    bright = np.array(brightness()) > limit()
    count = int(bright.sum())
    assert 20 < count < 60
    assert f"{count} of 500 samples failed" in result.err
    np.testing.assert_array_equal(predictions["failed"], bright)
    assert all(error.startswith("the model failed") for error in predictions["error"][bright])
    assert set(predictions["top1"][~bright]) == {0}
    accuracy = run.record.accuracy
    assert accuracy is not None
    assert (accuracy.evaluated, accuracy.failed) == (500, count)
    assert accuracy.top1_good == int(((predictions["label"] == 0) & ~bright).sum())
    table = run.to_pandas()
    assert sorted(table[table.failed].sample_index) == list(np.flatnonzero(bright))
    assert (run.record.latency[0].count, run.record.latency[0].failed) == (500 - count, count)
    assert len(run.latencies_ns()) == 500 - count


def test_a_failed_batch_fails_all_its_samples(home: Path, fails_on_bright: Path) -> None:
    run = mlscope.evaluate(fails_on_bright, batch_size=10)
    bright = np.array(brightness()) > limit()
    whole = np.repeat(bright.reshape(50, 10).any(axis=1), 10)
    np.testing.assert_array_equal(run.predictions()["failed"], whole)
    assert run.record.latency[0].failed == int(bright.reshape(50, 10).any(axis=1).sum())


def test_fail_on_error_ends_at_the_first(cli: Cli, home: Path, fails_on_bright: Path) -> None:
    line = running.one_line(cli("predict", "dataset", "--model-name", fails_on_bright, "--fail-on-error"), 7)
    assert "the model failed" in line
    assert running.only(home).record.status == "failed"


@pytest.mark.parametrize("scenario", ["SingleStream", "Server", "Offline"])
def test_a_load_test_ends_at_the_first_and_keeps_what_was_measured(
    cli: Cli, home: Path, fails_on_bright: Path, scenario: str
) -> None:
    pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    flags = ("--model-name", fails_on_bright, "--scenario", scenario, "--min-duration", "5", "--target-qps", "500")
    result = cli("benchmark", *(flags if scenario != "SingleStream" else flags[:-2]))
    assert "the model failed during the test" in running.one_line(result, 7)
    run = running.only(home)
    assert run.record.status == "failed"
    assert run.record.loadgen is None
    bright = np.array(brightness()) > limit()
    table = run.to_pandas()
    samples = table[~table.warmup & ~table.failed]
    assert not bright[samples.sample_index].any()


def test_a_framework_that_crashes_while_it_is_imported_ends_no_command(cli: Cli, home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "onnxruntime"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(
        "import os, signal\nprint('about to crash', flush=True)\nos.kill(os.getpid(), 11)\n"
    )
    result = cli("predict", "dataset", "--num-file-parts", "3", "--env", f"PYTHONPATH={broken.parent}")
    line = running.one_line(result, 8)
    assert line.startswith(
        "the worker was ended by SIGSEGV; what it measured is kept; its log ends with: about to crash"
    )
    record = running.only(home).record
    assert (record.status, record.failure.kind if record.failure else None) == ("failed", "WorkerError")
