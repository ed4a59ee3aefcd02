"""Digits_CNN for TensorFlow: ``python digits_tensorflow.py job.json``.

Reads the weights of the ONNX file ``sources.onnx`` and writes the network as a SavedModel, in a zip file, to
``outputs.graph``. It takes any number of rows. The same weights make the same bytes.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
from onnx import numpy_helper

LAYERS = ("conv1", "conv2", "dense")


def load(path: str) -> dict[str, np.ndarray]:
    """The weights of an ONNX file, in TensorFlow's order: kernels HWIO, the dense layer behind NHWC pictures."""
    weights = {item.name: numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}
    wanted = {layer + ending for layer in LAYERS for ending in ("", "_bias")}
    if set(weights) != wanted:
        sys.exit(f"{path} has the weights {', '.join(sorted(weights))}, not {', '.join(sorted(wanted))}")
    for layer in ("conv1", "conv2"):
        weights[layer] = weights[layer].transpose(2, 3, 1, 0)
    weights["dense"] = weights["dense"].reshape(10, 64, 4, 4).transpose(2, 3, 1, 0).reshape(1024, 10)
    return weights


class Digits(tf.Module):
    """float32 pictures ``[n, 1, 8, 8]`` to logits ``[n, 10]``."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.weights = weights

    @tf.function(input_signature=[tf.TensorSpec([None, 1, 8, 8], tf.float32, name="image")])
    def serve(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Logits. The weights are constants of the graph."""
        hidden = tf.transpose(image, [0, 2, 3, 1])  # TensorFlow convolves NHWC on every CPU
        for layer, stride in (("conv1", 1), ("conv2", 2)):
            hidden = tf.pad(hidden, [[0, 0], [1, 1], [1, 1], [0, 0]])  # SAME pads a stride of 2 on one side only
            hidden = tf.nn.conv2d(hidden, self.weights[layer], stride, "VALID")
            hidden = tf.nn.relu(tf.nn.bias_add(hidden, self.weights[f"{layer}_bias"]))
        logits = tf.linalg.matmul(tf.reshape(hidden, [-1, 1024]), self.weights["dense"]) + self.weights["dense_bias"]
        return {"logits": logits}


def pack(folder: Path, target: Path) -> None:
    """A folder as a zip file without times and fingerprints."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(item for item in folder.rglob("*") if item.is_file() and item.name != "fingerprint.pb"):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            archive.writestr(member, path.read_bytes(), zipfile.ZIP_DEFLATED)


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    model = Digits(load(job["sources"]["onnx"]))
    folder = Path("saved_model")
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.serve})
    pack(folder, Path(job["outputs"]["graph"]))


if __name__ == "__main__":
    main(sys.argv[1])
