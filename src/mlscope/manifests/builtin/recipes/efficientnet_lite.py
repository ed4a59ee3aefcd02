"""EfficientNet-Lite from its PyTorch weights: ``python efficientnet_lite.py job.json``.

``sources.weights`` is the state dictionary, ``arguments.variant`` the network (``efficientnet-lite0`` …), whose layers
the package efficientnet-lite-pytorch describes. ``outputs.graph`` becomes an exported program (``.pt2``) or an ONNX
file (``.onnx``). Both take float32 pictures ``[n, 3, side, side]``, any number of them, and give logits ``[n, 1000]``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from efficientnet_lite_pytorch import EfficientNet

OPSET = 18  # ONNX Runtime 1.14 and newer read it


class Network(EfficientNet):
    """The network; its input has the name that the manifest gives it, in every form."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``[n, 1000]``."""
        return super().forward(images)


def load(variant: str, weights: str) -> torch.nn.Module:
    """The network with its weights, ready for inference."""
    model = Network.from_name(variant)
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), strict=True)
    return model.eval()


def export(model: torch.nn.Module, side: int) -> torch.export.ExportedProgram:
    """The network as a graph; where each node stood in the source differs between machines and is left out."""
    pictures = torch.zeros(2, 3, side, side)
    batch = torch.export.Dim("batch", min=1, max=65535)
    program = torch.export.export(model, (pictures,), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node"):
            node.meta.pop(key, None)
    return program


def write_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    """The same as ONNX, without notes on where each node comes from."""
    made = torch.onnx.export(
        program, input_names=["images"], output_names=["logits"], opset_version=OPSET, dynamo=True, verbose=False
    )
    model = made.model_proto
    graph = model.graph
    for item in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        item.ClearField("metadata_props")
    path.write_bytes(model.SerializeToString(deterministic=True))


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    variant, out = job["arguments"]["variant"], Path(job["outputs"]["graph"])
    model = load(variant, job["sources"]["weights"])
    program = export(model, EfficientNet.get_image_size(variant))
    if out.suffix == ".onnx":
        write_onnx(program, out)
    else:
        torch.export.save(program, out)


if __name__ == "__main__":
    main(sys.argv[1])
