"""ResNet50_v1 with random weights as ONNX: ``python resnet50_v1_random.py job.json``.

The network of the ONNX model zoo's ``resnet50-v1-7.onnx`` with the same names: GluonCV's ``resnet50_v1``, where a
bottleneck strides in its first 1x1 convolution and 1x1 convolutions have biases. It takes float32 pictures ``data``
``[N, 3, 224, 224]`` and gives 1000 logits. Each weight is drawn from ``seed`` and its own name (He's initialisation),
so that every framework can draw the same ones; biases are 0, normalisations do nothing.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PREFIX = "resnetv17_"
STAGES = ((3, 256), (4, 512), (6, 1024), (3, 2048))  # bottlenecks and channels
OPSET, IR = 13, 7
EPSILON = 1e-5


def draw(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """He's initialisation from the seed and the name."""
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))


class Network:
    """Nodes and weights, written from the input to the output."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        """One node with one output, whose name it has."""
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def convolution(self, x: str, name: str, channels: tuple[int, int], kernel: int, stride: int, bias: bool) -> str:  # noqa: PLR0917
        """A convolution from the first number of channels to the second."""
        weight = f"{name}_weight"
        self.weights[weight] = draw(weight, (channels[1], channels[0], kernel, kernel), self.seed)
        inputs = [x, weight]
        if bias:
            self.weights[f"{name}_bias"] = np.zeros(channels[1], np.float32)
            inputs.append(f"{name}_bias")
        sizes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [kernel // 2] * 4}
        return self.node("Conv", inputs, f"{name}_fwd", **sizes)

    def normalisation(self, x: str, name: str, channels: int) -> str:
        """Batch normalisation that does nothing."""
        values = {"gamma": 1, "beta": 0, "running_mean": 0, "running_var": 1}
        for key, value in values.items():
            self.weights[f"{name}_{key}"] = np.full(channels, value, np.float32)
        inputs = [x, *(f"{name}_{key}" for key in values)]
        return self.node("BatchNormalization", inputs, f"{name}_fwd", epsilon=EPSILON)

    def bottleneck(self, x: str, stage: int, first: int, channels: tuple[int, int], stride: int) -> str:
        """Three convolutions beside a shortcut; `first` is the number of its first convolution in the stage."""
        prefix, inner = f"{PREFIX}stage{stage}_", channels[1] // 4
        shapes = (((channels[0], inner), 1, stride), ((inner, inner), 3, 1), ((inner, channels[1]), 1, 1))
        out = x
        for number, (pair, kernel, step) in enumerate(shapes, first):
            out = self.convolution(out, f"{prefix}conv{number}", pair, kernel, step, bias=kernel == 1)
            out = self.normalisation(out, f"{prefix}batchnorm{number}", pair[1])
            if number < first + 2:
                out = self.node("Relu", [out], f"{prefix}relu{number}_fwd")
        if channels[0] != channels[1]:
            x = self.convolution(x, f"{prefix}conv{first + 3}", channels, 1, stride, bias=False)
            x = self.normalisation(x, f"{prefix}batchnorm{first + 3}", channels[1])
        out = self.node("Add", [out, x], f"{prefix}plus{first}")
        return self.node("Relu", [out], f"{prefix}activation{first}")

    def build(self) -> onnx.ModelProto:
        """The whole network."""
        x = self.convolution("data", f"{PREFIX}conv0", (3, 64), 7, 2, bias=False)
        x = self.node("Relu", [self.normalisation(x, f"{PREFIX}batchnorm0", 64)], f"{PREFIX}relu0_fwd")
        x = self.node("MaxPool", [x], f"{PREFIX}pool0_fwd", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        channels = 64
        for stage, (blocks, wide) in enumerate(STAGES, 1):
            first = 0
            for block in range(blocks):
                stride = 2 if block == 0 and stage > 1 else 1
                x = self.bottleneck(x, stage, first, (channels, wide), stride)
                first += 4 if channels != wide else 3
                channels = wide
        x = self.node("GlobalAveragePool", [x], f"{PREFIX}pool1_fwd")
        x = self.node("Flatten", [x], f"{PREFIX}flatten0")
        dense = f"{PREFIX}dense0"
        self.weights[f"{dense}_weight"] = draw(f"{dense}_weight", (1000, channels), self.seed)
        self.weights[f"{dense}_bias"] = np.zeros(1000, np.float32)
        out = self.node("Gemm", [x, f"{dense}_weight", f"{dense}_bias"], f"{dense}_fwd", transB=1)
        graph = helper.make_graph(
            self.nodes,
            "ResNet50_v1",
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, 224, 224])],
            [helper.make_tensor_value_info(out, TensorProto.FLOAT, ["N", 1000])],
            [numpy_helper.from_array(value, name) for name, value in self.weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        onnx.checker.check_model(model, full_check=True)
        return model


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    if job.get("seed") is None:
        sys.exit("the job has no seed for the random weights")
    Path(job["outputs"]["graph"]).write_bytes(Network(job["seed"]).build().SerializeToString(deterministic=True))


if __name__ == "__main__":
    main(sys.argv[1])
