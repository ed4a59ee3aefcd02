"""ONNX Runtime: execution providers, session options and config entries by name; see tests/worker for its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlscope.worker.protocol import Failed, Loaded
from tests.frameworks.harness import IMAGE, ONNX, answers, check_digits, digits, load
from tests.worker import models
from tests.worker.conftest import Start


@pytest.mark.parametrize(
    "options",
    [
        {"providers": "cpu"},
        {"providers": ["CPUExecutionProvider"]},
        {"providers": "AzureExecutionProvider, CPUExecutionProvider"},
        {"providers": "cpu", "provider_options": {"CPUExecutionProvider": {}}},
        {"use_deterministic_compute": True, "log_severity_level": 3},
        {"session.set_denormal_as_zero": True, "session.disable_prepacking": "1"},
        {"precision": "FP32", "allow_spinning": False},
    ],
)
def test_options_by_name_change_no_answers(start: Start, options: dict[str, Any]) -> None:
    command = load("onnxruntime", {"graph": ONNX}, [IMAGE], batch=50, options=options, threads=2)
    (logits,) = answers(start(), command, [digits()[0]])
    check_digits(logits)


def test_what_was_set_is_read_back_from_the_session(start: Start) -> None:
    options = {"use_deterministic_compute": True, "inter_op_threads": 2, "session.set_denormal_as_zero": 1}
    loaded = start().ask(load("onnxruntime", {"graph": ONNX}, [IMAGE], options=options, threads=2), Loaded)
    assert loaded.effective["threads"] == 2
    assert loaded.effective["inter_op_threads"] == 2
    assert loaded.effective["use_deterministic_compute"] is True
    assert loaded.effective["session.set_denormal_as_zero"] == "1"
    assert loaded.effective["precision"] == "fp32"
    assert loaded.effective["providers"] == ["CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"providers": "cpuu"}, "framework", "this onnxruntime has no execution provider 'cpuu'; did you mean 'CPUE"),
        ({"providers": ["Zebra"]}, "framework", "this onnxruntime has no execution provider 'Zebra'; it has "),
        ({"provider_options": {"cpu": "fast"}}, "option", "provider_options is an object of objects, one for a"),
        ({"provider_options": {"azure": {}}}, "option", "provider_options has settings for AzureExecutionProvider,"),
        ({"session.nonsense": 1}, "option", "this onnxruntime reads no session config entry 'session.nonsense'"),
        ({"use_deterministic_compute": 1}, "option", "use_deterministic_compute must be true or false, not 1"),
        ({"log_severity_level": "low"}, "option", "log_severity_level must be a whole number from 0, not 'low'"),
        ({"intra_op_num_threads": 4}, "option", "unknown option 'intra_op_num_threads' of the predictor"),
        ({"precision": "bf16"}, "option", "precision can only be fp32 with this framework, not 'bf16'"),
        ({"streams": 2}, "option", "streams is said with --streams"),
    ],
)
def test_what_onnxruntime_cannot_do_is_an_error(
    start: Start, tmp_path: Path, options: dict[str, Any], kind: str, message: str
) -> None:
    graph = models.dense(tmp_path / "dense.onnx")
    failed = start().ask(load("onnxruntime", {"graph": graph}, options=options), Failed)
    assert (failed.kind, failed.message.startswith(message)) == (kind, True), failed


def test_a_gpu_is_not_asked_for_with_the_provider_of_the_cpu(start: Start) -> None:
    command = load("onnxruntime", {"graph": ONNX}, device="gpu", options={"providers": "cpu"})
    failed = start().ask(command, Failed)
    assert failed.kind == "option"
    assert failed.message == "the only execution provider is that of the CPU; leave out --gpu"


def test_an_operator_that_onnxruntime_lacks_is_named(start: Start, tmp_path: Path) -> None:
    graph = models.unknown_operator(tmp_path / "unknown.onnx")
    failed = start().ask(load("onnxruntime", {"graph": graph}), Failed)
    assert failed.kind == "model"
    assert failed.message.startswith("onnxruntime cannot load the model: ")
    assert "Frobnicate" in failed.message
