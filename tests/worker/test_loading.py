"""Models that cannot be loaded, or do not fit what is declared: one clear answer of the right kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from mlscope.worker.protocol import Tensor
from tests.worker import models
from tests.worker.process import WorkerProcess

X = Tensor("x", "float32", (6,))


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    return models.dense(tmp_path / "dense.onnx")


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    return models.tflite_sum(tmp_path / "sum.tflite")


@pytest.mark.parametrize("keep", [0, 1, 7, 0.3, 0.9])
@pytest.mark.parametrize("predictor", ["onnxruntime", "litert"])
def test_a_truncated_file_is_a_model_error(
    worker: WorkerProcess, dense: Path, tflite: Path, predictor: str, keep: float
) -> None:
    path = dense if predictor == "onnxruntime" else tflite
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    failed = worker.refuse(predictor, graph=path)
    assert failed.kind == "model"
    assert failed.message.startswith(f"{predictor} cannot load the model: ")


@pytest.mark.parametrize("predictor", ["onnxruntime", "litert"])
@pytest.mark.parametrize("content", [b"this is text\n" * 100, bytes(range(256)) * 40])
def test_a_file_of_another_kind_is_a_model_error(
    worker: WorkerProcess, tmp_path: Path, predictor: str, content: bytes
) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    assert worker.refuse(predictor, graph=path).kind == "model"


@pytest.mark.parametrize("predictor", ["onnxruntime", "litert"])
def test_a_missing_file_is_a_model_error(worker: WorkerProcess, tmp_path: Path, predictor: str) -> None:
    assert worker.refuse(predictor, graph=tmp_path / "none").kind == "model"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([Tensor("x", "uint8", (6,))], "input 'x' is float32, the manifest says uint8"),
        ([Tensor("x", "float32", (7,))], "input 'x' has shape [6] without the batch, the manifest says [7]"),
        ([Tensor("x", "float32", (6, 1))], "input 'x' has shape [6] without the batch, the manifest says [6, 1]"),
        ([Tensor("xx", "float32", (6,))], "the model has no input 'xx'; did you mean 'x'?"),
        ([Tensor("image", "float32", (6,))], "the model has no input 'image'; it has x"),
        ([Tensor("1", "float32", (6,))], "the model has no input '1'; it has x"),
        ([X, X], "the model has 1 inputs (x), 2 are declared"),
    ],
)
def test_an_onnx_input_that_is_declared_wrong(
    worker: WorkerProcess, dense: Path, inputs: list[Tensor], message: str
) -> None:
    failed = worker.refuse("onnxruntime", inputs, graph=dense)
    assert (failed.kind, failed.message) == ("input", message)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([Tensor("x", "uint8", (3,))], "input 'x' is float32, the manifest says uint8"),
        ([Tensor("x", "float32", (4,))], "input 'x' has shape [3] without the batch, the manifest says [4]"),
        ([Tensor("xx", "float32", (3,))], "the model has no input 'xx'; did you mean 'x'?"),
        ([Tensor("x", "float32", (3,))] * 2, "the model has 1 inputs (x), 2 are declared"),
    ],
)
def test_a_tflite_input_that_is_declared_wrong(
    worker: WorkerProcess, tflite: Path, inputs: list[Tensor], message: str
) -> None:
    failed = worker.refuse("litert", inputs, graph=tflite)
    assert (failed.kind, failed.message) == ("input", message)


def test_an_input_declared_twice(worker: WorkerProcess, tmp_path: Path) -> None:
    path = models.two_inputs(tmp_path / "two.onnx")
    wanted = [Tensor("left", "float32", (3,)), Tensor("0", "float32", (3,))]
    failed = worker.refuse("onnxruntime", wanted, graph=path)
    assert failed.message == "input 'left' is declared twice; the model has left, right"


@pytest.mark.parametrize(
    ("predictor", "options", "message"),
    [
        ("null", {"clases": 3}, "unknown option 'clases' of the predictor; did you mean 'classes'?"),
        ("null", {"speed": 3}, "unknown option 'speed' of the predictor; known are classes"),
        ("null", {"classes": 0}, "classes must be a whole number from 1, not 0"),
        ("null", {"classes": "ten"}, "classes must be a whole number from 1, not 'ten'"),
        ("sleep", {"law": "gauss:1ms"}, "'gauss:1ms' is no latency law; write for instance constant:5ms or"),
        ("sleep", {"law": "constant"}, "'constant' is no latency law"),
        ("sleep", {"law": "constant:1ms,2ms"}, "'constant:1ms,2ms' is no latency law"),
        ("sleep", {"law": "constant:5"}, "'5' is no duration; write for instance 5ms"),
        ("sleep", {"law": "constant:1.2.3ms"}, "'1.2.3ms' is no duration"),
        ("sleep", {"law": "constant:-1ms"}, "'-1ms' is no duration"),
        ("sleep", {"law": "bimodal:1ms,2ms,often"}, "'often' is no probability, a number from 0 to 1"),
        ("sleep", {"law": "bimodal:1ms,2ms,1.5"}, "'1.5' is no probability, a number from 0 to 1"),
        ("sleep", {"law": "bimodal:1ms,2ms,nan"}, "'nan' is no probability, a number from 0 to 1"),
        ("sleep", {"per_sample": "2"}, "'2' is no duration"),
        ("sleep", {"seed": -1}, "seed must be a whole number from 0, not -1"),
        ("onnxruntime", {"graph_optimisation_level": "all"}, "did you mean 'graph_optimization_level'?"),
        ("onnxruntime", {"graph_optimization_level": "most"}, "is one of disable, basic, extended, layout, all"),
        ("onnxruntime", {"execution_mode": "both"}, "execution_mode is sequential or parallel, not 'both'"),
        ("onnxruntime", {"inter_op_threads": True}, "inter_op_threads must be a whole number from 0, not True"),
        ("onnxruntime", {"allow_spinning": "no"}, "allow_spinning must be true or false, not 'no'"),
        ("litert", {"xnnpak": True}, "unknown option 'xnnpak' of the predictor; did you mean 'xnnpack'?"),
        ("litert", {"xnnpack": "false"}, "xnnpack must be true or false, not 'false'"),
    ],
)
def test_an_option_that_makes_no_sense(
    request: pytest.FixtureRequest, worker: WorkerProcess, predictor: str, options: dict[str, Any], message: str
) -> None:
    files = {"onnxruntime": "dense", "litert": "tflite"}
    path = request.getfixturevalue(files[predictor]) if predictor in files else None
    failed = worker.refuse(predictor, options=options, graph=path)
    assert failed.kind == "option"
    assert message in failed.message


@pytest.mark.parametrize("name", ["onnxruntim", "caffe", "_options", "", "os", "../null", "null.x", "__init__"])
def test_a_predictor_that_there_is_not(worker: WorkerProcess, name: str) -> None:
    failed = worker.refuse(name)
    assert failed.kind == "framework"
    assert failed.message.startswith(f"there is no predictor {name!r}; ")
    assert ("did you mean 'onnxruntime'?" in failed.message) == (name == "onnxruntim")


def test_onnxruntime_without_a_gpu_says_how_to_go_on(worker: WorkerProcess, dense: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is a GPU build here")
    failed = worker.refuse("onnxruntime", [X], graph=dense, device="gpu")
    assert failed.kind == "framework"
    assert "leave out --gpu" in failed.message


def test_litert_has_no_gpu(worker: WorkerProcess, tflite: Path) -> None:
    failed = worker.refuse("litert", graph=tflite, device="gpu")
    assert (failed.kind, failed.message) == ("framework", "litert runs on the CPU here; leave out --gpu")


def test_a_fixed_batch_smaller_than_the_batch_size_is_refused(worker: WorkerProcess, tmp_path: Path) -> None:
    path = models.dense(tmp_path / "fixed.onnx", batch=2)
    failed = worker.refuse("onnxruntime", [X], batch=4, graph=path)
    assert failed.kind == "input"
    assert failed.message == "the model's batch is fixed at 2, smaller than --batch-size 4"


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_tflite_graph_of_a_fixed_batch_names_it(worker: WorkerProcess, tmp_path: Path, batch: int) -> None:
    path = models.tflite_sum(tmp_path / "fixed.tflite", batch=4, fixed=True)
    failed = worker.refuse("litert", batch=batch, graph=path)
    assert (failed.kind, failed.message) == ("input", "the model's batch is fixed at 4; use --batch-size 4")


@pytest.mark.parametrize("predictor", ["onnxruntime", "litert"])
def test_dynamic_dimensions_are_inspected_and_must_be_said(
    worker: WorkerProcess, tmp_path: Path, predictor: str
) -> None:
    shape: tuple[int, ...]
    if predictor == "onnxruntime":
        path, shape = models.dynamic(tmp_path / "dynamic.onnx"), (-1, 3, -1, -1)
    else:
        path, shape = models.tflite_sum(tmp_path / "dynamic.tflite", dynamic=True), (-1, -1)
    loaded = worker.load(predictor, graph=path, inspect=True)
    assert loaded.inputs == [Tensor("x", "float32", shape)]
    assert loaded.outputs[0].shape[0] == -1
    failed = worker.refuse(predictor, graph=path)
    assert failed.kind == "input"
    assert "leaves its shape open" in failed.message
    sizes = (3, 5, 7) if predictor == "onnxruntime" else (9,)
    loaded = worker.load(predictor, [Tensor("x", "float32", sizes)], batch=2, graph=path)
    assert loaded.inputs == [Tensor("x", "float32", (2, *sizes))]
    assert loaded.outputs[0].shape == ((2, 3) if predictor == "onnxruntime" else (2, 9))


def test_what_is_inspected_is_what_the_file_declares(worker: WorkerProcess, tmp_path: Path) -> None:
    loaded = worker.load("onnxruntime", graph=models.two_inputs(tmp_path / "two.onnx"), inspect=True)
    assert loaded.inputs == [Tensor("left", "float32", (-1, 3)), Tensor("right", "int64", (-1, 3))]
    assert loaded.outputs == [Tensor("sum", "float32", (-1, 3)), Tensor("count", "int64", (-1, 3))]
    assert loaded.fixed_batch is None
    assert loaded.first_ns == 0


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_is_inspected(worker: WorkerProcess, tmp_path: Path, batch: int) -> None:
    loaded = worker.load("onnxruntime", graph=models.dense(tmp_path / "f.onnx", batch=batch), inspect=True)
    assert (loaded.inputs, loaded.fixed_batch) == ([Tensor("x", "float32", (batch, 6))], batch)
    loaded = worker.load("litert", graph=models.tflite_sum(tmp_path / "f.tflite", batch=batch), inspect=True)
    assert loaded.inputs == [Tensor("x", "float32", (batch, 3))]


def test_an_answer_that_is_no_tensor_is_refused(worker: WorkerProcess, tmp_path: Path) -> None:
    failed = worker.refuse("onnxruntime", graph=models.sequence_output(tmp_path / "sequence.onnx"))
    assert failed.kind == "model"
    assert failed.message == "output 'y' is a seq(tensor(float)), which is not supported"


def test_an_input_of_text_is_refused(worker: WorkerProcess, tmp_path: Path) -> None:
    path = models.save(
        tmp_path / "text.onnx",
        [helper.make_node("Shape", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.STRING, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1])],
    )
    failed = worker.refuse("onnxruntime", graph=path)
    assert (failed.kind, failed.message) == ("input", "input 'x' is a tensor(string), which is not supported")


def test_a_model_that_fails_on_its_first_run_is_refused(worker: WorkerProcess, tmp_path: Path) -> None:
    """A reshape to 3 rows refuses every batch but 3, and the file does not say so."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [3, 6])
    path = models.save(
        tmp_path / "reshape.onnx",
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 6])],
        [shape],
    )
    failed = worker.refuse("onnxruntime", [X], graph=path)
    assert failed.kind == "input"
    assert failed.message.startswith("the model refuses its input: ")
    assert worker.load("onnxruntime", [X], batch=3, graph=path).outputs == [Tensor("y", "float32", (3, 6))]
