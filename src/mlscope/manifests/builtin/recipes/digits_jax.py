"""Digits_CNN for JAX: ``python digits_jax.py job.json``.

Reads the weights of the ONNX file ``sources.onnx`` and writes the network as a serialized ``jax.export`` (StableHLO)
to ``outputs.graph``. It takes any number of rows. One version of JAX makes the same bytes again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import onnx
from jax import export, lax
from jax import numpy as jnp
from onnx import numpy_helper

LAYERS = ("conv1", "conv2", "dense")


def load(path: str) -> dict[str, jax.Array]:
    """The weights of an ONNX file."""
    weights = {item.name: jnp.asarray(numpy_helper.to_array(item)) for item in onnx.load(path).graph.initializer}
    wanted = {layer + ending for layer in LAYERS for ending in ("", "_bias")}
    if set(weights) != wanted:
        sys.exit(f"{path} has the weights {', '.join(sorted(weights))}, not {', '.join(sorted(wanted))}")
    return weights


def convolve(images: jax.Array, kernel: jax.Array, bias: jax.Array, stride: int) -> jax.Array:
    """3x3 convolution with one pixel of padding, and ReLU; ``[n, c, h, w]``."""
    layout = ("NCHW", "OIHW", "NCHW")
    out = lax.conv_general_dilated(images, kernel, (stride, stride), ((1, 1), (1, 1)), dimension_numbers=layout)
    return jax.nn.relu(out + bias[:, None, None])


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    jax.config.update("jax_hlo_source_file_canonicalization_regex", ".*/")  # no folders of this machine in the file
    weights = load(job["sources"]["onnx"])

    def digits(image: jax.Array) -> jax.Array:
        """float32 pictures ``[n, 1, 8, 8]`` to logits ``[n, 10]``."""
        hidden = convolve(image, weights["conv1"], weights["conv1_bias"], 1)
        hidden = convolve(hidden, weights["conv2"], weights["conv2_bias"], 2)
        return hidden.reshape(hidden.shape[0], -1) @ weights["dense"].T + weights["dense_bias"]

    shape = export.symbolic_shape("batch, 1, 8, 8")
    platforms = job["arguments"].get("platforms", ["cpu", "cuda"])
    exported = export.export(jax.jit(digits), platforms=platforms)(image=jax.ShapeDtypeStruct(shape, jnp.float32))
    Path(job["outputs"]["graph"]).write_bytes(exported.serialize())


if __name__ == "__main__":
    main(sys.argv[1])
