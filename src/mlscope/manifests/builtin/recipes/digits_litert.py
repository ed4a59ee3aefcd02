"""Digits_CNN for LiteRT: ``python digits_litert.py job.json``, with TensorFlow.

Reads the weights of the ONNX file ``sources.onnx`` and writes the network as a .tflite file to ``outputs.graph``, by
TensorFlow's converter. It takes any number of rows. The same weights make the same bytes.
"""

from __future__ import annotations

import json
import sys
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


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    weights = load(job["sources"]["onnx"])

    @tf.function(input_signature=[tf.TensorSpec([None, 1, 8, 8], tf.float32, name="image")])
    def digits(image: tf.Tensor) -> dict[str, tf.Tensor]:
        """float32 pictures ``[n, 1, 8, 8]`` to logits ``[n, 10]``."""
        hidden = tf.transpose(image, [0, 2, 3, 1])  # LiteRT convolves NHWC
        for layer, stride in (("conv1", 1), ("conv2", 2)):
            hidden = tf.pad(hidden, [[0, 0], [1, 1], [1, 1], [0, 0]])  # SAME pads a stride of 2 on one side only
            hidden = tf.nn.conv2d(hidden, weights[layer], stride, "VALID")
            hidden = tf.nn.relu(tf.nn.bias_add(hidden, weights[f"{layer}_bias"]))
        logits = tf.linalg.matmul(tf.reshape(hidden, [-1, 1024]), weights["dense"]) + weights["dense_bias"]
        return {"logits": logits}

    model = tf.Module()
    model.digits = digits
    converter = tf.lite.TFLiteConverter.from_concrete_functions([digits.get_concrete_function()], model)
    Path(job["outputs"]["graph"]).write_bytes(converter.convert())


if __name__ == "__main__":
    main(sys.argv[1])
