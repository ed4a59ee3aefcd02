"""Interpreters of frameworks, and Digits_CNN as every framework should compute it."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import cv2
import numpy as np
import onnxruntime
import pytest

from mlscope.errors import MlscopeError
from mlscope.manifests import load_framework
from mlscope.stacks import find_stack
from mlscope.worker.protocol import Load, Loaded, Tensor, TestDone
from tests.worker.process import Slots, WorkerProcess, load_test

Array = np.ndarray[Any, Any]
BUILTIN = Path(__file__).resolve().parents[2] / "src/mlscope/manifests/builtin"
ONNX = BUILTIN / "models/digits_cnn.onnx"
IMAGE = Tensor("image", "float32", (1, 8, 8))
# Tests have a home of their own; what uv has downloaded before is used all the same.
_UV_CACHE = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")


IN_CI = frozenset({"onnxruntime", "openvino", "pytorch", "mxnet"})
"""What continuous integration (CI=true) must have run; MLSCOPE_TEST_WITHOUT names what is out of its reach."""


def unavailable(framework: str, reason: str) -> NoReturn:
    """Skip a test for want of a framework; in continuous integration that is a failure, unless it was said before."""
    out_of_reach = re.split(r"[\s,]+", os.environ.get("MLSCOPE_TEST_WITHOUT", ""))
    if os.environ.get("CI") == "true" and framework in IN_CI and framework not in out_of_reach:
        pytest.fail(f"{reason}; where that cannot be helped, name {framework} in MLSCOPE_TEST_WITHOUT", pytrace=False)
    pytest.skip(reason)


@functools.cache
def interpreter(framework: str, *extra: str) -> str:
    """The Python that has a framework: ``MLSCOPE_TEST_PYTHON_<NAME>``, or that of its stack; skips without one."""
    variable = f"MLSCOPE_TEST_PYTHON_{framework.upper()}"
    if variable in os.environ:
        return os.environ[variable]
    use_uv_cache()
    try:
        return str(find_stack(load_framework(framework).manifest, "*", extra=extra).python)
    except MlscopeError as error:
        unavailable(framework, f"no stack for {framework}: {error}; name a Python that has it in {variable}")


def use_uv_cache() -> None:
    """Let uv find what it has downloaded before, though tests have a home of their own."""
    os.environ.setdefault("UV_CACHE_DIR", _UV_CACHE)


def has(python: str, module: str) -> bool:
    """Whether an interpreter can import a module."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def run_recipe(
    python: str,
    script: str,
    folder: Path,
    outputs: dict[str, str],
    *,
    sources: dict[str, str] | None = None,
    seed: int | None = None,
) -> dict[str, Path]:
    """Carry out a built-in recipe (on Digits_CNN's ONNX file, or `sources`) in an empty folder, as mlscope does it."""
    if sources is None and not has(python, "onnx"):
        pytest.skip(f"{python} cannot read ONNX files: it has no onnx package")
    folder.mkdir()
    paths = {role: folder / name for role, name in outputs.items()}
    job = {
        "sources": {"onnx": str(ONNX)} if sources is None else sources,
        "outputs": {role: str(path) for role, path in paths.items()},
        "arguments": {},
        "seed": seed,
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [python, str(BUILTIN / "recipes" / script), "job.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return paths


@functools.cache
def digits() -> tuple[Array, Array]:
    """The 500 pictures of the data set, float32 ``[500, 1, 8, 8]`` from 0 to 1, and their labels."""
    folder = BUILTIN / "datasets/digits"
    lines = [line.split() for line in (folder / "val_map.txt").read_text().splitlines()]
    pictures = [np.asarray(cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE), np.uint8) for name, _ in lines]
    return np.stack(pictures)[:, None].astype(np.float32) / np.float32(255), np.array(
        [int(label) for _, label in lines]
    )


@functools.cache
def expected() -> Array:
    """Logits that onnxruntime gives for the 500 pictures."""
    session = onnxruntime.InferenceSession(ONNX, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, {"image": digits()[0]})[0]
    return found


def check_digits(logits: Array) -> None:
    """The same numbers as onnxruntime's, but for rounding, and the same number of right answers."""
    np.testing.assert_allclose(logits, expected(), rtol=1e-4, atol=1e-4)
    assert int((logits.argmax(axis=1) == digits()[1]).sum()) == 493


def load(
    predictor: str, files: dict[str, Path], inputs: Sequence[Tensor] = (), *, batch: int = 1, **fields: Any
) -> Load:
    """A Load command; files by role."""
    paths = {role: str(path) for role, path in files.items()}
    return Load(predictor, paths, list(inputs), batch, fields.pop("threads", 1), **fields)


def served(worker: WorkerProcess, command: Load, samples: Sequence[Array]) -> list[Array]:
    """The model's outputs for all samples, asked for by LoadGen and answered by the streams of the command."""
    loaded = worker.ask(command, Loaded)
    assert loaded.effective["streams"] == command.streams
    assert loaded.effective["threads"] == command.threads
    count, outputs = len(samples[0]), []
    for number, tensor in enumerate(loaded.outputs):
        outputs.append(worker.folder / f"served-{number}.npy")
        np.lib.format.open_memmap(outputs[-1], "w+", np.dtype(tensor.element_type), (count, *tensor.shape[1:]))
    paths = [str(path) for path in outputs]
    test = load_test(worker.folder, "Offline", "AccuracyOnly", samples, outputs=paths, answer="none")
    assert worker.ask(test, TestDone).serving["streams"] == command.streams
    return [np.load(path) for path in outputs]


def answers(worker: WorkerProcess, command: Load, samples: Sequence[Array]) -> list[Array]:
    """The model's outputs for all samples, run in batches of which the last may be part of one."""
    loaded = worker.ask(command, Loaded)
    count, batch = len(samples[0]), command.batch_size
    slots = Slots.open(worker, loaded, batch=batch, slots=2, samples=count)
    for number, first in enumerate(range(0, count, batch)):
        rows = range(first, min(first + batch, count))
        slots.fill(number % 2, *(values[rows.start : rows.stop] for values in samples))
        done = slots.run(number % 2, number, rows)
        assert done.error is None, done.error
    return slots.outputs()
