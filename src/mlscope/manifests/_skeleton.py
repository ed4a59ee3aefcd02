"""A first manifest for a model file, from the file's own inputs and outputs.

What a file cannot tell (normalisation, interpolation, labels) is filled in with what is most common and marked
with ``CHECK``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from mlscope.errors import ManifestError
from mlscope.manifests._fields import ElementType
from mlscope.manifests._model import ModelManifest
from mlscope.worker.protocol import Tensor

__all__ = ["skeleton_model"]

_CROP_RATIO = 0.875
_SMALL = 64  # pixels; smaller pictures are resized, not cropped
_DYNAMIC_SIDE = 224
_IMAGENET = "mean: [123.675, 116.28, 103.53], scale: [58.395, 57.12, 57.375]"


def skeleton_model(  # noqa: PLR0917 - read in the order of the file
    name: str,
    framework: str,
    graph_file: Path | str,
    sha256: str,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
) -> str:
    """A filled manifest, with comments on what to check.

    Args:
        name: Name of the model.
        framework: Name of the framework that reads the file.
        graph_file: The model file, relative to where the manifest will be.
        sha256: Digest of the model file.
        inputs: The model's inputs, shapes with the batch dimension, -1 for a dynamic one.
        outputs: The model's outputs, likewise.

    Raises:
        ManifestError: The file has no inputs or outputs, or one that no manifest can describe.
    """
    for tensor in (*inputs, *outputs):
        if tensor.element_type not in get_args(ElementType):
            raise ManifestError(
                f"tensor '{tensor.name}' has element type {tensor.element_type}, which a manifest cannot describe",
                where=str(graph_file),
            )
    if not inputs or not outputs:
        raise ManifestError("the model has no inputs or no outputs", where=str(graph_file))
    chosen = sorted(enumerate(outputs), key=lambda item: _classes(item[1]) is None)  # classes first
    task = "classification" if _classes(chosen[0][1]) else "raw"
    lines = [
        "# Written from the model's own inputs and outputs. Lines marked CHECK hold guesses: a file does not say",
        "# how its pictures were prepared. Then: mlscope manifest check",
        f"schema: {ModelManifest.SCHEMA}",
        f"name: {_text(name)}",
        'version: "1.0"',
        'description: ""',
        f"task: {task}",
        'license: ""  # CHECK: an SPDX identifier such as Apache-2.0',
        f'framework: {{name: {_text(framework)}, version: "*"}}  # CHECK: for instance ">=1.16,<2"',
        "weights:",
        f"  - framework: {_text(framework)}",
        "    graph:",
        f"      source: {_text(f'file:{graph_file}')}",
        f"      sha256: {_text(sha256)}",
        "inputs:",
        *(line for tensor in inputs for line in _input(tensor, framework)),
        "outputs:",
        *(line for index, tensor in chosen for line in _output(index, tensor)),
    ]
    return "\n".join(lines) + "\n"


@dataclasses.dataclass(frozen=True)
class _Picture:
    """What a tensor's shape tells of the pictures that it is made from."""

    layout: str
    channels: int
    height: int
    width: int
    guessed: bool


def _picture(tensor: Tensor, framework: str) -> _Picture | None:
    """None where the tensor can be no picture: not four dimensions, or no dimension of 1 or 3 channels."""
    if len(tensor.shape) != 4:
        return None
    _, first, second, third = tensor.shape
    possible = {"CHW": first in (1, 3), "HWC": third in (1, 3)}
    layouts = ("HWC", "CHW") if framework == "litert" else ("CHW", "HWC")
    layout = next((layout for layout in layouts if possible[layout]), None)
    if layout is None:
        return None
    channels, height, width = (first, second, third) if layout == "CHW" else (third, first, second)
    guessed = height < 1 or width < 1
    return _Picture(
        layout,
        channels,
        height if height > 0 else _DYNAMIC_SIDE,
        width if width > 0 else _DYNAMIC_SIDE,
        guessed,
    )


def _input(tensor: Tensor, framework: str) -> list[str]:
    picture = _picture(tensor, framework)
    lines = [f"  - name: {_text(tensor.name)}"]
    if picture is None:
        shape = [side if side > 0 else 1 for side in tensor.shape[1:]]
        check = "  # CHECK: dynamic dimensions are written as 1" if min(tensor.shape[1:], default=1) < 1 else ""
        return [
            *lines,
            "    type: tensor  # no picture, going by its shape",
            f"    element_type: {tensor.element_type}",
            f"    shape: {shape}{check}",
        ]
    height, width, channels = picture.height, picture.width, picture.channels
    shape = [height, width, channels] if picture.layout == "HWC" else [channels, height, width]
    check = "  # CHECK: the model takes more than one size" if picture.guessed else ""
    order = "RGB  # CHECK: or BGR" if channels == 3 else "GRAY"
    return [
        *lines,
        "    type: image",
        f"    element_type: {tensor.element_type}",
        f"    shape: {shape}{check}",
        f"    layout: {picture.layout}",
        f"    color_mode: {order}",
        "    steps:  # CHECK: as the model was trained",
        "      - {op: decode, library: opencv}",
        *(f"      - {step}" for step in _geometry(height, width)),
        *(f"      - {step}" for step in _normalisation(tensor.element_type, picture)),
    ]


def _geometry(height: int, width: int) -> list[str]:
    resize = "op: resize, library: opencv, interpolation: bilinear"
    if height != width or height <= _SMALL:
        return [f"{{{resize}, rule: exact, size: [{height}, {width}]}}"]
    return [
        f"{{{resize}, rule: short_side, size: {int(height / _CROP_RATIO)}}}",
        f"{{op: crop, method: center, size: [{height}, {width}]}}",
    ]


def _normalisation(element_type: str, picture: _Picture) -> list[str]:
    if element_type == "uint8":
        return []  # the pixels as they are
    if element_type == "int8":
        return ["{op: normalize, mean: 128, scale: 1}  # CHECK: the pixels, moved to -128 … 127"]
    if picture.channels == 1:
        return ["{op: normalize, mean: 0, scale: 255}  # CHECK: (x - mean) / scale"]
    if picture.layout == "CHW":
        return [f"{{op: normalize, {_IMAGENET}}}  # CHECK: (x - mean) / scale"]
    return ["{op: normalize, mean: 127.5, scale: 127.5}  # CHECK: (x - mean) / scale"]


def _classes(tensor: Tensor) -> int | None:
    """Length of a vector of classes; None where the output is no such vector."""
    *others, last = tensor.shape or (0,)
    return last if last > 1 and len(others) > 0 and all(side == 1 for side in others[1:]) else None


def _output(index: int, tensor: Tensor) -> list[str]:
    lines = [
        f"  - name: {_text(tensor.name)}",
        f"    index: {index}",
    ]
    classes = _classes(tensor)
    if classes is None:
        return [*lines, f"    type: raw  # shape {list(tensor.shape)}", f"    element_type: {tensor.element_type}"]
    background = classes == 1001
    reason = "class 0 is background, as in every model of 1001 classes" if background else "1 if class 0 is background"
    named = any(word in tensor.name.lower() for word in ("softmax", "prob"))
    transform = "none" if named or not tensor.element_type.startswith("float") else "softmax"
    return [
        *lines,
        "    type: classification",
        f"    element_type: {tensor.element_type}",
        f"    transform: {transform}  # CHECK: softmax if the model gives logits, none if it gives probabilities",
        f"    classes: {classes}",
        f"    offset: {int(background)}  # CHECK: {reason}",
        "    labels: null  # CHECK: {source: file:labels.txt, sha256: …}, one class name a line",
    ]


def _text(value: str) -> str:
    """A text in double quotes: JSON's strings are YAML's, and what is not printable is escaped."""
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in quoted)
