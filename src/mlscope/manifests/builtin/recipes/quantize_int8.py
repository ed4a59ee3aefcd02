"""An ONNX model with 8-bit weights and activations: ``python quantize_int8.py job.json``.

``sources.onnx`` is the model in float32, ``sources.samples`` the pictures that its ranges are measured on, as tensors
of its one input. ``arguments`` may hold ``per_channel`` (default true: a scale for each channel of a kernel),
``method`` (``minmax``, ``entropy`` or ``percentile``; default minmax), ``activations`` and ``weights`` (``int8`` or
``uint8``; default int8 both). ``outputs.graph`` is the model with QuantizeLinear and DequantizeLinear nodes around
what is computed in 8 bits. (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

BATCH = 8
METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
TYPES = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}


class Samples(CalibrationDataReader):
    """The calibration pictures, some at a time."""

    def __init__(self, name: str, tensors: np.ndarray, batch: int) -> None:
        self.batches = iter([{name: tensors[start : start + batch]} for start in range(0, len(tensors), batch)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch; None at the end."""
        return next(self.batches, None)


def chosen(arguments: dict, key: str, default: str, known: dict) -> object:
    """The value that an argument names."""
    name = arguments.get(key, default)
    if name not in known:
        sys.exit(f"{key} is {name!r}, which is none of {', '.join(known)}")
    return known[name]


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    arguments = job["arguments"]
    unknown = set(arguments) - {"per_channel", "method", "activations", "weights"}
    if unknown:
        sys.exit(f"unknown arguments: {', '.join(sorted(unknown))}")
    ready = Path("ready.onnx")
    quant_pre_process(job["sources"]["onnx"], ready)
    model = onnx.load(ready)
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    if len(inputs) != 1:
        sys.exit(f"the model has {len(inputs)} inputs; the samples are for one")
    batch = inputs[0].type.tensor_type.shape.dim[0].dim_value or BATCH
    tensors = np.load(job["sources"]["samples"], allow_pickle=False)
    tensors = tensors[: len(tensors) // batch * batch] if len(tensors) >= batch else tensors
    quantize_static(
        ready,
        job["outputs"]["graph"],
        Samples(inputs[0].name, tensors, batch),
        quant_format=QuantFormat.QDQ,
        per_channel=bool(arguments.get("per_channel", True)),
        activation_type=chosen(arguments, "activations", "int8", TYPES),
        weight_type=chosen(arguments, "weights", "int8", TYPES),
        calibrate_method=chosen(arguments, "method", "minmax", METHODS),
    )


if __name__ == "__main__":
    main(sys.argv[1])
