"""Digits_CNN for PyTorch: ``python digits_pytorch.py job.json``.

Reads the weights of the ONNX file ``sources.onnx`` and writes every file of ``outputs`` in the form that its ending
names: ``.pt2`` an exported program, ``.pt`` or ``.ts`` TorchScript. Both take any number of rows.
One version of PyTorch makes the same exported program again, byte by byte.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper


class Digits(torch.nn.Module):
    """float32 pictures ``[n, 1, 8, 8]`` to logits ``[n, 10]``; layers are named as in the ONNX file."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = torch.nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.dense = torch.nn.Linear(64 * 4 * 4, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits."""
        hidden = torch.relu(self.conv2(torch.relu(self.conv1(image))))
        logits: torch.Tensor = self.dense(hidden.flatten(1))
        return logits


def build(path: str) -> Digits:
    """The network with the weights of an ONNX file."""
    weights = {
        item.name: torch.from_numpy(numpy_helper.to_array(item).copy()) for item in onnx.load(path).graph.initializer
    }
    model = Digits()
    model.load_state_dict(
        {
            f"{layer}.{kind}": weights.pop(layer + ending)
            for layer in ("conv1", "conv2", "dense")
            for kind, ending in (("weight", ""), ("bias", "_bias"))
        }
    )
    if weights:
        sys.exit(f"{path} has weights that this network lacks: {', '.join(sorted(weights))}")
    return model.eval().requires_grad_(False)


def save(model: Digits, path: Path) -> None:
    """Write the network in the form that the file's ending names."""
    if path.suffix == ".pt2":
        example = torch.zeros(2, 1, 8, 8)
        program = torch.export.export(model, (example,), dynamic_shapes={"image": {0: torch.export.Dim("batch")}})
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # it names files of this machine
        buffer = io.BytesIO()
        torch.export.save(program, buffer)  # a path would become a part of the archive
        path.write_bytes(buffer.getvalue())
    elif path.suffix in (".pt", ".ts"):
        path.write_bytes(torch.jit.script(model).save_to_buffer())
    else:
        sys.exit(f"{path.name}: an output ends in .pt2, .pt or .ts")


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    model = build(job["sources"]["onnx"])
    for path in job["outputs"].values():
        save(model, Path(path))


if __name__ == "__main__":
    main(sys.argv[1])
