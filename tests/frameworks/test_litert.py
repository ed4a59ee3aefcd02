"""LiteRT: names of signatures, delegates and common options; see tests/worker for its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.worker.protocol import Failed, Loaded, Tensor
from tests.frameworks.harness import IMAGE, answers, check_digits, digits, interpreter, load, run_recipe, served
from tests.worker import models
from tests.worker.conftest import Start


@pytest.fixture(scope="module")
def digits_tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits_CNN, converted by TensorFlow."""
    folder = tmp_path_factory.mktemp("recipe") / "folder"
    python = interpreter("tensorflow", "onnx")
    return run_recipe(python, "digits_litert.py", folder, {"graph": "digits_cnn.tflite"})["graph"]


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (32, 2)])
def test_digits_cnn_is_what_it_is_in_onnxruntime(start: Start, digits_tflite: Path, batch: int, threads: int) -> None:
    command = load("litert", {"graph": digits_tflite}, [IMAGE], batch=batch, threads=threads)
    (logits,) = answers(start(), command, [digits()[0]])
    check_digits(logits)


@pytest.mark.frameworks
@pytest.mark.slow
@pytest.mark.parametrize("name", ["image", "serving_default_image:0", "0", ""])
def test_an_input_is_known_by_the_names_of_signature_and_tensor(start: Start, digits_tflite: Path, name: str) -> None:
    wanted = Tensor(name, "float32", (1, 8, 8))
    loaded = start().ask(load("litert", {"graph": digits_tflite}, [wanted], batch=4), Loaded)
    assert loaded.inputs[0].shape == (4, 1, 8, 8)
    assert loaded.outputs == [Tensor("logits", "float32", (4, 10))]
    assert loaded.effective["rows_per_call"] == 4


@pytest.mark.frameworks
@pytest.mark.slow
def test_a_model_with_a_signature_is_inspected_under_its_names(start: Start, digits_tflite: Path) -> None:
    loaded = start().ask(load("litert", {"graph": digits_tflite}, inspect=True), Loaded)
    assert loaded.inputs == [Tensor("image", "float32", (-1, 1, 8, 8))]
    assert loaded.outputs == [Tensor("logits", "float32", (-1, 10))]


@pytest.mark.frameworks
@pytest.mark.slow
def test_the_recipe_makes_the_same_bytes_again(digits_tflite: Path, tmp_path: Path) -> None:
    python = interpreter("tensorflow", "onnx")
    again = run_recipe(python, "digits_litert.py", tmp_path / "again", {"graph": "other.tflite"})["graph"]
    assert again.read_bytes() == digits_tflite.read_bytes()


@pytest.mark.parametrize(("threads", "fixed", "pin"), [(1, False, True), (2, False, False), (1, True, False)])
def test_streams_give_the_same_numbers(start: Start, tmp_path: Path, threads: int, fixed: bool, pin: bool) -> None:
    values = np.arange(60, dtype=np.float32).reshape(20, 3)
    path = models.tflite_sum(tmp_path / "sum.tflite", fixed=fixed)
    x = Tensor("x", "float32", (3,))
    command = load("litert", {"graph": path}, [x], batch=3, threads=threads, streams=2, pin=pin)
    (sums,) = served(start(), command, [values])
    np.testing.assert_array_equal(sums, values + 0.5)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"delegate": "libnone.so"}, "framework", "litert cannot load the delegate libnone.so: "),
        ({"delegate_options": {"a": 1}}, "option", "delegate_options are of no use without delegate"),
        ({"delegate": "x", "delegate_options": "a"}, "option", "delegate_options is an object, not 'a'"),
        ({"precision": "fp16"}, "option", "precision can only be fp32 with this framework, not 'fp16'"),
        ({"streams": 2}, "option", "streams is said with --streams"),
        ({"delegat": "x"}, "option", "unknown option 'delegat' of the predictor; did you mean 'delegate'?"),
    ],
)
def test_what_litert_cannot_do_is_an_error(
    start: Start, tmp_path: Path, options: dict[str, Any], kind: str, message: str
) -> None:
    graph = models.tflite_sum(tmp_path / "sum.tflite")
    failed = start().ask(load("litert", {"graph": graph}, options=options), Failed)
    assert (failed.kind, failed.message.startswith(message)) == (kind, True), failed


def test_an_operator_that_litert_lacks_is_named(start: Start, tmp_path: Path) -> None:
    graph = models.tflite_sum(tmp_path / "custom.tflite", custom="Frobnicate")
    failed = start().ask(load("litert", {"graph": graph}), Failed)
    assert failed.kind == "model"
    assert "Frobnicate" in failed.message
