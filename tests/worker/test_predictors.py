"""Predictors give the numbers that their framework gives when it is used directly, in batches and in parts of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import interpreter as litert

from mlscope.worker.protocol import Tensor
from tests.worker import models
from tests.worker.conftest import Start
from tests.worker.process import Slots, WorkerProcess

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(11)


def answers(
    worker: WorkerProcess,
    predictor: str,
    samples: list[Array],
    *,
    batch: int,
    inputs: list[Tensor] | None = None,
    **fields: Any,
) -> list[Array]:
    """The model's outputs for all samples, run in batches of which the last may be part of one."""
    wanted = inputs or [Tensor("", values.dtype.name, values.shape[1:]) for values in samples]
    loaded = worker.load(predictor, wanted, batch=batch, **fields)
    count = len(samples[0])
    slots = Slots.open(worker, loaded, batch=batch, slots=2, samples=count)
    for number, first in enumerate(range(0, count, batch)):
        rows = range(first, min(first + batch, count))
        slots.fill(number % 2, *(values[rows.start : rows.stop] for values in samples))
        assert slots.run(number % 2, number, rows).error is None
    return slots.outputs()


@pytest.mark.parametrize("batch", [1, 2, 4, 7, 9])
def test_onnxruntime_gives_the_models_numbers(worker: WorkerProcess, tmp_path: Path, batch: int) -> None:
    samples = RANDOM.standard_normal((7, 6)).astype(np.float32)
    path = models.dense(tmp_path / "dense.onnx")
    (found,) = answers(worker, "onnxruntime", [samples], batch=batch, graph=path)
    np.testing.assert_allclose(found, samples @ models.dense_weights(6, 4), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch", "fixed"), [(1, 1), (1, 4), (2, 4), (3, 4), (4, 4)])
def test_a_fixed_batch_is_filled_up(worker: WorkerProcess, tmp_path: Path, batch: int, fixed: int) -> None:
    samples = RANDOM.standard_normal((7, 6)).astype(np.float32)
    path = models.dense(tmp_path / "fixed.onnx", batch=fixed)
    (found,) = answers(worker, "onnxruntime", [samples], batch=batch, graph=path)
    np.testing.assert_allclose(found, samples @ models.dense_weights(6, 4), rtol=1e-5, atol=1e-6)


def test_the_batch_size_and_the_fixed_batch_are_told(worker: WorkerProcess, tmp_path: Path) -> None:
    path = models.dense(tmp_path / "fixed.onnx", batch=4)
    loaded = worker.load("onnxruntime", [Tensor("x", "float32", (6,))], batch=2, graph=path)
    assert loaded.fixed_batch == 4
    assert loaded.inputs == [Tensor("x", "float32", (4, 6))]
    assert loaded.outputs == [Tensor("y", "float32", (4, 4))]
    assert loaded.load_ns > 0
    assert loaded.first_ns > 0


@pytest.mark.parametrize("names", [("left", "right"), ("right", "left"), ("1", "0"), ("", "")])
def test_several_inputs_are_fed_by_name_number_or_order(
    worker: WorkerProcess, tmp_path: Path, names: tuple[str, str]
) -> None:
    left = RANDOM.standard_normal((5, 3)).astype(np.float32)
    right = RANDOM.integers(0, 99, (5, 3))
    turned = names[0] in ("right", "1")
    samples: list[Array] = [right, left] if turned else [left, right]
    inputs = [Tensor(name, values.dtype.name, (3,)) for name, values in zip(names, samples, strict=True)]
    path = models.two_inputs(tmp_path / "two.onnx")
    total, count = answers(worker, "onnxruntime", samples, batch=2, inputs=inputs, graph=path)
    np.testing.assert_array_equal(total, left + right.astype(np.float32))
    np.testing.assert_array_equal(count, right + 1)


def test_dynamic_dimensions_take_the_declared_shape(worker: WorkerProcess, tmp_path: Path) -> None:
    samples = RANDOM.standard_normal((3, 3, 5, 8)).astype(np.float32)
    (found,) = answers(worker, "onnxruntime", [samples], batch=2, graph=models.dynamic(tmp_path / "dynamic.onnx"))
    np.testing.assert_allclose(found, samples.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{"graph_optimization_level": "disable"}, {"execution_mode": "parallel"}])
def test_options_of_onnxruntime_change_no_numbers(
    worker: WorkerProcess, tmp_path: Path, options: dict[str, Any]
) -> None:
    samples = RANDOM.standard_normal((3, 6)).astype(np.float32)
    path = models.dense(tmp_path / "dense.onnx")
    (found,) = answers(worker, "onnxruntime", [samples], batch=2, graph=path, options=options, threads=2)
    np.testing.assert_allclose(found, samples @ models.dense_weights(6, 4), rtol=1e-5, atol=1e-6)


def test_what_the_framework_says_of_its_settings_is_told(worker: WorkerProcess, tmp_path: Path) -> None:
    import onnxruntime

    path = models.dense(tmp_path / "dense.onnx")
    loaded = worker.load("onnxruntime", graph=path, threads=2)
    assert loaded.framework_version == onnxruntime.__version__
    assert loaded.effective["threads"] == 2
    assert loaded.effective["providers"] == ["CPUExecutionProvider"]


@pytest.mark.parametrize("xnnpack", [True, False])
@pytest.mark.parametrize("kind", ["free", "fixed", "dynamic"])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_litert_gives_the_models_numbers(
    worker: WorkerProcess, tmp_path: Path, batch: int, kind: str, xnnpack: bool
) -> None:
    samples = RANDOM.standard_normal((7, 3)).astype(np.float32)
    path = models.tflite_sum(tmp_path / "sum.tflite", fixed=kind == "fixed", dynamic=kind == "dynamic")
    (found,) = answers(worker, "litert", [samples], batch=batch, graph=path, options={"xnnpack": xnnpack})
    np.testing.assert_array_equal(found, samples + np.float32(0.5))


def test_a_tflite_graph_of_the_right_fixed_batch_is_used_as_it_is(worker: WorkerProcess, tmp_path: Path) -> None:
    samples = RANDOM.standard_normal((7, 3)).astype(np.float32)
    path = models.tflite_sum(tmp_path / "sum.tflite", batch=4, fixed=True)
    (found,) = answers(worker, "litert", [samples], batch=4, graph=path)
    np.testing.assert_array_equal(found, samples + np.float32(0.5))


def test_litert_says_when_rows_are_run_one_after_the_other(start: Start, tmp_path: Path) -> None:
    path = models.tflite_sum(tmp_path / "fixed.tflite", fixed=True)
    loaded = start().load("litert", batch=4, graph=path)
    assert loaded.effective["rows_per_call"] == 1
    assert loaded.warnings == ["the model's own batch is fixed at 1: the rows of a batch are run one after the other"]
    assert loaded.inputs == [Tensor("x", "float32", (4, 3))]
    assert loaded.outputs == [Tensor("z", "float32", (4, 3))]
    path = models.tflite_sum(tmp_path / "free.tflite")
    loaded = start().load("litert", batch=4, graph=path)
    assert loaded.effective["rows_per_call"] == 4
    assert loaded.warnings == []


@pytest.mark.parametrize("batch", [1, 3])
def test_a_real_quantised_model_gives_what_its_interpreter_gives(
    worker: WorkerProcess, shared_dir: Path, batch: int
) -> None:
    path = shared_dir / "models" / "mobilenet_v1_0.25_128_quant.tflite"
    samples = RANDOM.integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
    (found,) = answers(worker, "litert", [samples], batch=batch, graph=path, threads=2)
    interpreter = litert.Interpreter(str(path), num_threads=2)
    interpreter.allocate_tensors()
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    for sample, answer in zip(samples, found, strict=True):
        interpreter.set_tensor(given["index"], sample[None])
        interpreter.invoke()
        np.testing.assert_array_equal(interpreter.get_tensor(taken["index"])[0], answer)


@pytest.mark.parametrize("predictor", ["null", "sleep"])
@pytest.mark.parametrize("batch", [1, 4])
def test_null_and_sleep_answer_class_0(worker: WorkerProcess, predictor: str, batch: int) -> None:
    options: dict[str, Any] = {"classes": 3} | ({"law": "constant:0ms"} if predictor == "sleep" else {})
    samples = np.ones((6, 2, 2), np.uint8)
    (found,) = answers(worker, predictor, [samples], batch=batch, options=options)
    np.testing.assert_array_equal(found, np.tile(np.array([1, 0, 0], np.float32), (6, 1)))
