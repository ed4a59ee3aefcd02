"""``mlscope benchmark FILE --random-inputs``: no manifest, no labels, no pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

import mlscope
from mlscope.conductor import inspect_model
from mlscope.worker.protocol import Tensor
from tests.conftest import Cli
from tests.e2e import running

pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")

SHORT = ("--random-inputs", "--min-duration", "0.2")


def save(path: Path, inputs: Sequence[Any], outputs: Sequence[Any], nodes: Sequence[Any]) -> Path:
    """Write an ONNX model."""
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def value(name: str, kind: int, shape: Sequence[int | str]) -> Any:
    """Declaration of an input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.fixture
def two_inputs(tmp_path: Path) -> Path:
    """y = a + b, of floats and of whole numbers."""
    return save(
        tmp_path / "two.onnx",
        [value("a", TensorProto.FLOAT, ["n", 4]), value("b", TensorProto.INT64, ["n", 4])],
        [value("y", TensorProto.FLOAT, ["n", 4])],
        [helper.make_node("Cast", ["b"], ["c"], to=TensorProto.FLOAT), helper.make_node("Add", ["a", "c"], ["y"])],
    )


@pytest.fixture
def dynamic(tmp_path: Path) -> Path:
    """Mean of three planes of any height and width."""
    return save(
        tmp_path / "dynamic.onnx",
        [value("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [value("y", TensorProto.FLOAT, ["n", 3])],
        [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])],
    )


@pytest.fixture
def fixed(tmp_path: Path) -> Path:
    """A model whose batch is two."""
    return save(
        tmp_path / "fixed.onnx",
        [value("x", TensorProto.FLOAT, [2, 1, 8, 8])],
        [value("y", TensorProto.FLOAT, [2, 64])],
        [helper.make_node("Flatten", ["x"], ["y"])],
    )


def test_a_model_is_inspected_without_a_manifest(two_inputs: Path) -> None:
    framework, inputs, outputs = inspect_model(two_inputs)
    assert framework == "onnxruntime"
    assert inputs == [Tensor("a", "float32", (-1, 4)), Tensor("b", "int64", (-1, 4))]
    assert outputs == [Tensor("y", "float32", (-1, 4))]


def test_several_inputs_of_several_types(cli: Cli, home: Path, two_inputs: Path) -> None:
    result = cli("benchmark", two_inputs, *SHORT)
    assert result.code == 0, result
    assert "calls the result VALID" in result.out
    record = running.only(home).record
    assert (record.model_name, record.dataset_name, record.accuracy) == ("two", None, None)
    assert record.latency[0].count > 50


@pytest.mark.parametrize(
    ("scenario", "batch"), [("SingleStream", 1), ("MultiStream", 4), ("Server", 2), ("Offline", 8)]
)
def test_dynamic_shapes_are_named_in_every_scenario(home: Path, dynamic: Path, scenario: str, batch: int) -> None:
    load = {"random_inputs": True, "shapes": {"x": (batch, 3, 12, 16)}, "min_duration_s": 0.1}
    run = mlscope.evaluate(dynamic, scenario=scenario, load=load)
    assert run.record.status == "complete"
    assert run.record.batch_size == batch
    assert run.record.loadgen is not None
    assert run.record.loadgen.validity is not None


def test_an_input_of_open_size_asks_for_its_shape(inside: Cli, dynamic: Path) -> None:
    line = running.one_line(inside("benchmark", dynamic, *SHORT), 2)
    assert "'x'" in line
    assert "--shape x:" in line


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("y:1x3x8x8", "no input 'y'; it has x"),
        ("x:1x4x8x8", "does not fit"),
        ("x:1x3x8", "does not fit"),
        ("x:1x3x0x8", "0"),
        ("x=1,3", "--shape"),
    ],
)
def test_a_shape_that_does_not_fit_is_one_line(inside: Cli, home: Path, dynamic: Path, shape: str, words: str) -> None:
    assert words in running.one_line(inside("benchmark", dynamic, *SHORT, "--shape", shape), 2)
    assert running.folders(home) == []


def test_a_models_own_batch_is_taken_and_a_larger_one_refused(cli: Cli, home: Path, fixed: Path) -> None:
    result = cli("benchmark", fixed, *SHORT)
    assert result.code == 0, result
    assert running.only(home).record.batch_size == 2
    line = running.one_line(cli("benchmark", fixed, *SHORT, "--batch-size", "4"), 7)
    assert "fixed at 2" in line
    assert "--batch-size 4" in line


def test_a_tflite_file_needs_no_manifest_either(cli: Cli, home: Path, shared_dir: Path) -> None:
    result = cli("benchmark", shared_dir / "models" / "mobilenet_v1_0.25_128_quant.tflite", *SHORT)
    assert result.code == 0, result
    assert running.only(home).record.framework_name == "litert"


def test_what_needs_labels_or_random_inputs_says_so(inside: Cli, two_inputs: Path) -> None:
    assert "--random-inputs" in running.one_line(inside("benchmark", two_inputs), 2)
    assert "GPU" in running.one_line(inside("benchmark", two_inputs, *SHORT, "--gpu", "--gpu-device-id", "99"), 6)
    assert "no labels" in running.one_line(inside("benchmark", two_inputs, *SHORT, "--mode", "AccuracyOnly"), 2)
    assert "no such file" in running.one_line(inside("benchmark", two_inputs.with_name("three.onnx"), *SHORT), 5)


def test_a_model_with_a_manifest_can_be_run_on_random_inputs_too(home: Path) -> None:
    run = mlscope.evaluate(scenario="SingleStream", load={"random_inputs": True, "min_duration_s": 0.1})
    assert (run.record.model_name, run.record.dataset_name) == ("Digits_CNN", None)


def test_random_inputs_follow_from_the_seed(home: Path, two_inputs: Path) -> None:
    def plan(seed: int) -> str:
        load = {"random_inputs": True, "count_override": 5, "min_duration_s": 0}
        return mlscope.evaluate(two_inputs, scenario="SingleStream", seed=seed, load=load).record.plan_id

    assert plan(1) == plan(1)
    assert plan(1) != plan(2)
