"""Digits_CNN for MXNet: ``python digits_mxnet.py job.json``.

Reads the weights of the ONNX file ``sources.onnx`` and writes the network as a symbol's JSON to ``outputs.graph`` and
its parameters to ``outputs.params``. It takes any number of rows.

The network is written out here, because MXNet's own reader of ONNX files wants onnx 1.13, protobuf before 4 and
initializers listed among the inputs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mxnet as mx
import onnx
from onnx import numpy_helper

LAYERS = ("conv1", "conv2", "dense")


def load(path: str) -> dict[str, mx.nd.NDArray]:
    """The weights of an ONNX file, under MXNet's names."""
    weights = {item.name: mx.nd.array(numpy_helper.to_array(item)) for item in onnx.load(path).graph.initializer}
    wanted = {layer + ending for layer in LAYERS for ending in ("", "_bias")}
    if set(weights) != wanted:
        sys.exit(f"{path} has the weights {', '.join(sorted(weights))}, not {', '.join(sorted(wanted))}")
    return {
        f"arg:{name}" if name.endswith("_bias") else f"arg:{name}_weight": weights[name] for name in sorted(weights)
    }


def build() -> mx.sym.Symbol:
    """float32 pictures ``[n, 1, 8, 8]`` to logits ``[n, 10]``."""
    hidden = mx.sym.Variable("image", shape=(0, 1, 8, 8), dtype="float32")
    for layer, filters, stride in (("conv1", 32, 1), ("conv2", 64, 2)):
        hidden = mx.sym.Convolution(
            hidden, name=layer, num_filter=filters, kernel=(3, 3), stride=(stride, stride), pad=(1, 1)
        )
        hidden = mx.sym.relu(hidden, name=f"relu_{layer}")
    return mx.sym.FullyConnected(mx.sym.flatten(hidden, name="flat"), name="dense", num_hidden=10)


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    build().save(job["outputs"]["graph"])
    mx.nd.save(job["outputs"]["params"], load(job["sources"]["onnx"]))


if __name__ == "__main__":
    main(sys.argv[1])
