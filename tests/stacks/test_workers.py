"""Workers in environments of their own: other versions of a framework than mlscope's, from the configured indexes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.assets import fetch
from mlscope.errors import StackError
from mlscope.manifests import load_framework, load_model
from mlscope.stacks import Stack, find_stack
from mlscope.worker.protocol import Tensor
from tests.worker.process import Slots, WorkerProcess

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home", "uv")]


def onnxruntime(constraint: str) -> Stack:
    """The stack; without any index to ask, there is nothing to test."""
    try:
        return find_stack(load_framework("onnxruntime").manifest, constraint)
    except StackError as error:
        if "cannot be reached" in str(error):
            pytest.skip(str(error))
        raise


def answers(stack: Stack, folder: Path, pictures: np.ndarray[Any, Any]) -> tuple[WorkerProcess, str, list[Any]]:
    """What Digits_CNN says of pictures, and the framework's version by the worker."""
    found = load_model("Digits_CNN")
    weights = next(each for each in found.manifest.weights if each.framework == "onnxruntime")
    assert weights.graph is not None
    graph = fetch(weights.graph.source, sha256=weights.graph.sha256, base=found.path.parent).path
    spec = found.manifest.inputs[0]
    wanted = Tensor(spec.name or "", spec.element_type, tuple(spec.shape or ()))
    folder.mkdir()
    worker = WorkerProcess(folder, command=(str(stack.python),), env=stack.environment())
    try:
        loaded = worker.load("onnxruntime", [wanted], batch=len(pictures), graph=graph)
        slots = Slots.open(worker, loaded, batch=len(pictures), slots=1, samples=len(pictures))
        slots.fill(0, pictures)
        slots.run(0, 0, list(range(len(pictures))))
        return worker, loaded.framework_version, [output.copy() for output in slots.outputs()]
    finally:
        worker.channel.kill()
        worker.channel.close()


@pytest.mark.parametrize(
    ("constraint", "version", "numpy"), [("==1.20.1", "1.20.1", "2."), ("==1.18.1", "1.18.1", "1.")]
)
def test_a_worker_with_another_version_answers_as_the_hosts_does(
    constraint: str, version: str, numpy: str, tmp_path: Path
) -> None:
    stack = onnxruntime(constraint)
    assert (stack.kind, stack.framework_version) == ("uv", version)
    spec = load_model("Digits_CNN").manifest.inputs[0]
    pictures = np.random.default_rng(0).random((4, *(spec.shape or ())), np.float32)
    worker, used, found = answers(stack, tmp_path / "own", pictures)
    assert used == version
    assert worker.hello.numpy.startswith(numpy)
    assert worker.hello.python == stack.lock()["python"]["version"]
    host = find_stack(load_framework("onnxruntime").manifest, "*", kind="host")
    _, _, expected = answers(host, tmp_path / "host", pictures)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        assert (one.argmax(-1) == other.argmax(-1)).all()
