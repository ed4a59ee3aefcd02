"""A framework is one predictor file and one framework manifest; nothing else knows of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import mlscope
from tests.conftest import Cli
from tests.e2e import running
from tests.frameworks.harness import digits

PREDICTOR = '''
"""Toy: a matrix in a JSON file."""

from __future__ import annotations

import json

import numpy as np

from mlscope.worker.predictors import Description
from mlscope.worker.predictors._inputs import match
from mlscope.worker.predictors._options import take
from mlscope.worker.protocol import Tensor


class _Toy:
    def load(self, command):
        take(command.options, {})
        with open(command.files["graph"]) as file:
            self._matrix = np.array(json.load(file), np.float32)
        inputs, fixed = match([Tensor("pixels", "float32", (-1, 1, 8, 8))], command)
        outputs = [Tensor("scores", "float32", (-1, self._matrix.shape[1]))]
        return Description("1.0", inputs, outputs, fixed, {"precision": "fp32"})

    def predict(self, feeds):
        pixels = feeds["pixels"]
        return [pixels.reshape(len(pixels), -1) @ self._matrix]

    def stream(self, number):
        return self.predict

    def close(self):
        pass


def create():
    return _Toy()
'''
FRAMEWORK = """
schema: mlscope/framework/v1
name: toy
description: Multiplies with a matrix
predictor: toy
package: null
suffixes: [.toy]
devices: [cpu]
"""
MODEL = """
schema: mlscope/model/v1
name: Toy
version: "1.0"
task: classification
framework: {name: toy}
weights:
  - framework: toy
    graph: {source: "file:net.toy"}
inputs:
  - name: pixels
    type: image
    element_type: float32
    shape: [1, 8, 8]
    layout: CHW
    color_mode: GRAY
    steps:
      - {op: decode, library: opencv}
      - {op: normalize, mean: 0, scale: 255}
outputs:
  - {type: classification, element_type: float32, classes: 10}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of mlscope with two more files; the folder for PYTHONPATH."""
    source = Path(mlscope.__file__).parent
    copied = tmp_path / "tree" / "mlscope"
    shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__"))
    (copied / "worker" / "predictors" / "toy.py").write_text(PREDICTOR)
    (copied / "manifests" / "builtin" / "frameworks" / "toy.yml").write_text(FRAMEWORK)
    return copied.parent


def test_two_files_make_a_framework(cli: Cli, home: Path, tree: Path, tmp_path: Path) -> None:
    pictures, labels = digits()
    flat = pictures.reshape(500, -1)
    means = np.stack([flat[labels == digit].mean(axis=0) for digit in range(10)])
    matrix = (means / np.linalg.norm(means, axis=1, keepdims=True)).T.astype(np.float32)
    (tmp_path / "net.toy").write_text(json.dumps(matrix.tolist()))
    (tmp_path / "toy.yml").write_text(MODEL)
    env = {"PYTHONPATH": str(tree)}

    bare = cli("benchmark", tmp_path / "net.toy", "--random-inputs", "--min-duration", "0.2", env=env)
    assert bare.code == 0, bare
    done = cli("predict", "dataset", "--model-name", tmp_path / "toy.yml", "-b", "50", env=env)
    assert done.code == 0, done
    load, prediction = running.evaluations(home)
    assert load.record.framework_name == prediction.record.framework_name == "toy"
    assert load.record.loadgen is not None
    assert prediction.record.dataset_name == "digits"
    assert prediction.record.effective["precision"] == "fp32"
    accuracy = prediction.record.accuracy
    assert accuracy is not None
    right = int(((flat @ matrix).argmax(axis=1) == labels).sum())
    assert right > 400
    assert abs(accuracy.top1_good - right) <= 1  # sums in another order
