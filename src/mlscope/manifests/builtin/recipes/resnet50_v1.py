"""ResNet50_v1 for MXNet: ``python resnet50_v1.py job.json``.

Writes the graph of Gluon's model zoo (which is that of GluonCV's ``resnet50_v1``: a bottleneck strides in its first 1x1
convolution) as a symbol's JSON to ``outputs.graph``. It takes float32 pictures ``data`` ``[n, 3, 224, 224]`` and gives
1000 logits.

``outputs.params``, where it is wanted, becomes the parameters: those of the ONNX file ``sources.onnx``, which bears
Gluon's names (``resnet50-v1-7.onnx`` of the ONNX model zoo was written by MXNet), or random ones, drawn from ``seed``
and each weight's name as ``resnet50_v1_random.py`` draws them for ONNX.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import mxnet as mx
import numpy as np

PREFIX = "resnetv17_"
CONSTANT = {"gamma": 1, "running_var": 1, "beta": 0, "running_mean": 0, "bias": 0}


def draw(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """He's initialisation for weights, from the seed and the name; biases and normalisations do nothing."""
    for ending, value in CONSTANT.items():
        if name.endswith(f"_{ending}"):
            return np.full(shape, value, np.float32)
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))


def learned(path: str, names: set[str]) -> dict[str, np.ndarray]:
    """The parameters of an ONNX file."""
    import onnx
    from onnx import numpy_helper

    found = {item.name: numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}
    if not names <= set(found):
        missing = sorted(names - set(found))
        sys.exit(f"{path} lacks {len(missing)} of the network's {len(names)} parameters, for instance {missing[0]}")
    return {name: found[name] for name in names}


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    network = mx.gluon.model_zoo.vision.resnet50_v1(prefix=PREFIX)
    data = mx.sym.Variable("data", shape=(0, 3, 224, 224), dtype="float32")
    symbol = network(data)
    symbol.save(job["outputs"]["graph"])
    if "params" not in job["outputs"]:
        return
    arguments, _, auxiliary = symbol.infer_shape(data=(1, 3, 224, 224))
    shapes = dict(zip(symbol.list_arguments(), arguments)) | dict(zip(symbol.list_auxiliary_states(), auxiliary))
    del shapes["data"]
    if "onnx" in job["sources"]:
        values = learned(job["sources"]["onnx"], set(shapes))
    elif job.get("seed") is not None:
        values = {name: draw(name, shape, job["seed"]) for name, shape in shapes.items()}
    else:
        sys.exit("the job has neither an ONNX file with parameters nor a seed for random ones")
    states = set(symbol.list_auxiliary_states())
    named = {f"{'aux' if name in states else 'arg'}:{name}": mx.nd.array(values[name]) for name in shapes}
    mx.nd.save(job["outputs"]["params"], named)


if __name__ == "__main__":
    main(sys.argv[1])
