#!/usr/bin/env python3
"""Make the embedded default: the data set `digits` and the model `Digits_CNN`.

    python scripts/make_digits.py            # write both into the package
    python scripts/make_digits.py --check    # make them again elsewhere and compare

The pictures are scikit-learn's copy of the UCI handwritten digits. A stratified split with a fixed seed holds
500 of them out; those become PNG files. A small convolutional network is trained on the rest with plain numpy
on one thread and written as ONNX; recipes in the manifest make the files of other frameworks from that. 100 training
pictures go with it, on which `Digits_CNN_int8` measures its ranges. Everything is seeded: on one machine a second run
gives the same bytes. On another one the pictures are the same bytes too, the weights may differ in their last bits
(BLAS libraries add in different orders), and the accuracy agrees within half a percent.

Needs the development dependencies numpy, scikit-learn and onnx.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import struct
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import onnx
import sklearn
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

BUILTIN = Path(__file__).resolve().parents[1] / "src/mlscope/manifests/builtin"
SEED = 1998  # the year of the data set
HELD_OUT = 500
CALIBRATION = 100
EPOCHS = 100
BATCH = 32
RATE = 2e-3
TOLERANCE = 0.005
CHANNELS = (32, 64)
LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

Weights = dict[str, np.ndarray]


# --- data ---------------------------------------------------------------------------------------------------


def load_split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pictures uint8 [n, 8, 8] and labels int64 [n]: for training, then held out, in the set's own order."""
    digits = load_digits()
    pictures = ((digits.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)  # 0..16 to 0..255, rounded
    train, held_out = train_test_split(
        np.arange(len(pictures)), test_size=HELD_OUT, stratify=digits.target, random_state=SEED
    )
    train.sort()
    held_out.sort()
    return pictures[train], digits.target[train], pictures[held_out], digits.target[held_out]


def png(picture: np.ndarray) -> bytes:
    """A grey 8-bit PNG; stored without compression, so that no zlib version can change its bytes."""
    height, width = picture.shape
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    stored = struct.pack("<BHH", 1, len(rows), 0xFFFF ^ len(rows)) + rows
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(rows))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def write_dataset(folder: Path, pictures: np.ndarray, labels: np.ndarray) -> None:
    """The held-out pictures, their list and their manifest."""
    (folder / "digits").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        name = f"digit_{number:03d}.png"
        (folder / "digits" / name).write_bytes(png(picture))
        lines.append(f"{name} {label}\n")
    (folder / "digits/val_map.txt").write_text("".join(lines))
    (folder / "digits.yml").write_text(DATASET_MANIFEST)


def write_calibration(folder: Path, pictures: np.ndarray, labels: np.ndarray) -> None:
    """Some of the training pictures, spread over all of them, in a zip file, and their manifest."""
    chosen = np.linspace(0, len(pictures) - 1, CALIBRATION).astype(int)
    with zipfile.ZipFile(folder / "digits_calibration.zip", "w") as archive:
        for number in chosen:
            name = zipfile.ZipInfo(f"train_{number:04d}_{labels[number]}.png")  # of 1980, as no clock is asked
            name.external_attr = 0o644 << 16
            archive.writestr(name, png(pictures[number]))
    digest = hashlib.sha256((folder / "digits_calibration.zip").read_bytes()).hexdigest()
    manifest = CALIBRATION_MANIFEST.format(count=CALIBRATION, sha256=digest)
    (folder / "digits_calibration.yml").write_text(manifest)


# --- network ------------------------------------------------------------------------------------------------


def initial_weights(generator: np.random.RandomState) -> Weights:
    """He's initialisation; shapes as ONNX wants them."""

    def normal(*shape: int) -> np.ndarray:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return (generator.standard_normal(shape) * scale).astype(np.float32)

    first, second = CHANNELS
    weights = {"conv1": normal(first, 1, 3, 3), "conv2": normal(second, first, 3, 3)}
    weights["dense"] = normal(10, second * 4 * 4)
    return weights | {f"{name}_bias": np.zeros(len(value), np.float32) for name, value in weights.items()}


def columns(x: np.ndarray, stride: int) -> np.ndarray:
    """im2col of a 3x3 window with one pixel of padding: [n, c, h, w] to [n * h' * w', c * 9]."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(-1, x.shape[1] * 9)


def uncolumns(gradient: np.ndarray, shape: tuple[int, ...], stride: int) -> np.ndarray:
    """The transpose of `columns`: adds every window's gradient back to the pixels that it read."""
    n, c, h, w = shape
    windows = gradient.reshape(n, h // stride, w // stride, c, 3, 3).transpose(0, 3, 4, 5, 1, 2)
    padded = np.zeros((n, c, h + 2, w + 2), np.float32)
    for row in range(3):
        for column in range(3):
            padded[:, :, row : row + h : stride, column : column + w : stride] += windows[:, :, row, column]
    return padded[:, :, 1:-1, 1:-1]


def convolve(x: np.ndarray, weights: Weights, name: str, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Convolution and ReLU; gives the output and the columns that the gradient needs."""
    cols = columns(x, stride)
    kernel = weights[name]
    out = cols @ kernel.reshape(len(kernel), -1).T + weights[f"{name}_bias"]
    side = x.shape[2] // stride
    return np.maximum(out, 0).reshape(len(x), side, side, len(kernel)).transpose(0, 3, 1, 2), cols


def forward(x: np.ndarray, weights: Weights) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Logits [n, 10] of pictures float32 [n, 1, 8, 8] and what the gradient needs."""
    hidden1, cols1 = convolve(x, weights, "conv1", 1)
    hidden2, cols2 = convolve(hidden1, weights, "conv2", 2)
    flat = hidden2.reshape(len(x), -1)
    return flat @ weights["dense"].T + weights["dense_bias"], (cols1, hidden1, cols2, hidden2, flat)


def gradients(x: np.ndarray, labels: np.ndarray, weights: Weights) -> Weights:
    """Gradients of the mean cross-entropy."""
    logits, (cols1, hidden1, cols2, hidden2, flat) = forward(x, weights)
    delta = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta /= delta.sum(axis=1, keepdims=True)
    delta[np.arange(len(x)), labels] -= 1
    delta /= len(x)
    out = {"dense": delta.T @ flat, "dense_bias": delta.sum(axis=0)}
    delta = (delta @ weights["dense"]).reshape(hidden2.shape)
    for name, hidden, cols in (("conv2", hidden2, cols2), ("conv1", hidden1, cols1)):
        kernel = weights[name]
        rows = (delta * (hidden > 0)).transpose(0, 2, 3, 1).reshape(-1, len(kernel))
        out[name] = (rows.T @ cols).reshape(kernel.shape)
        out[f"{name}_bias"] = rows.sum(axis=0)
        if name == "conv2":
            delta = uncolumns(rows @ kernel.reshape(len(kernel), -1), hidden1.shape, 2)
    return out


def train(pictures: np.ndarray, labels: np.ndarray, epochs: int) -> Weights:
    """Adam (Kingma and Ba, 2015), its rate falling to zero by a cosine, on pictures shifted a little."""
    generator = np.random.RandomState(SEED)
    weights = initial_weights(generator)
    mean = {name: np.zeros_like(value) for name, value in weights.items()}
    square = {name: np.zeros_like(value) for name, value in weights.items()}
    steps = epochs * (len(pictures) // BATCH)
    inputs = to_input(pictures)
    step = 0
    for _ in range(epochs):
        order = generator.permutation(len(pictures))
        for start in range(0, len(pictures) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            gradient = gradients(shifted(inputs[chosen], generator), labels[chosen], weights)
            step += 1
            rate = RATE * (1 + np.cos(np.pi * step / steps)) / 2
            rate *= np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            for name, value in gradient.items():
                mean[name] += np.float32(0.1) * (value - mean[name])
                square[name] += np.float32(0.001) * (value * value - square[name])
                weights[name] -= np.float32(rate) * mean[name] / (np.sqrt(square[name]) + np.float32(1e-8))
    return weights


def shifted(x: np.ndarray, generator: np.random.RandomState) -> np.ndarray:
    """Each picture moved by up to half a pixel both ways (bilinear); whole pixels would cut strokes off."""
    moves = generator.uniform(-0.5, 0.5, (2, len(x), 1, 1, 1)).astype(np.float32)
    for axis, move in zip((2, 3), moves, strict=True):
        margin = [(0, 0)] * 4
        margin[axis] = (1, 1)
        padded = np.pad(x, margin)
        before, after = (np.take(padded, np.arange(8) + start, axis) for start in (0, 2))
        x = (1 - np.abs(move)) * x + np.abs(move) * np.where(move > 0, before, after)
    return x


def to_input(pictures: np.ndarray) -> np.ndarray:
    """uint8 [n, 8, 8] to what the manifest's input steps make of it: float32 [n, 1, 8, 8] from 0 to 1."""
    return pictures.astype(np.float32)[:, None] / np.float32(255)


def hits(pictures: np.ndarray, labels: np.ndarray, weights: Weights, k: int = 1) -> float:
    """Share of pictures whose label is among the k best."""
    best = np.argsort(-forward(to_input(pictures), weights)[0], axis=1, kind="stable")[:, :k]
    return float((best == labels[:, None]).any(axis=1).mean())


# --- files --------------------------------------------------------------------------------------------------


def to_onnx(weights: Weights) -> bytes:
    """The network as ONNX: image [N, 1, 8, 8] to logits [N, 10]."""
    nodes = [
        helper.make_node("Conv", ["image", "conv1", "conv1_bias"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "conv2", "conv2_bias"], ["c2"], "conv2", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("Flatten", ["r2"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "dense", "dense_bias"], ["logits"], "dense", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "Digits_CNN",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="mlscope make_digits"
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def write_model(folder: Path, weights: Weights, accuracy: dict[str, float], epochs: int, train_size: int) -> None:
    """The ONNX file, its labels, its provenance and its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    graph, labels = to_onnx(weights), "".join(f"{label}\n" for label in LABELS).encode()
    (folder / "digits_cnn.onnx").write_bytes(graph)
    (folder / "digits_labels.txt").write_bytes(labels)
    provenance = {
        "script": "scripts/make_digits.py",
        "seed": SEED,
        "epochs": epochs,
        "split": {"train": train_size, "held_out": HELD_OUT, "stratified": True},
        "accuracy": accuracy,
        "parameters": int(sum(value.size for value in weights.values())),
        "onnx_sha256": hashlib.sha256(graph).hexdigest(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "onnx": onnx.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "machine": platform.machine(),
    }
    (folder / "digits_cnn.json").write_text(json.dumps(provenance, indent=2) + "\n")
    digests = {
        "graph_sha256": hashlib.sha256(graph).hexdigest(),
        "labels_sha256": hashlib.sha256(labels).hexdigest(),
    }
    manifest = MODEL_MANIFEST.format(
        weights=weights_entries(digests["graph_sha256"]),
        input_output=INPUT_OUTPUT.format(**digests),
        top1=accuracy["held_out_top1"],
        top5=accuracy["held_out_top5"],
        seed=SEED,
        train=train_size,
        held_out=HELD_OUT,
    )
    (folder / "Digits_CNN.yml").write_text(manifest)
    manifest = INT8_MANIFEST.format(input_output=INPUT_OUTPUT.format(**digests), count=CALIBRATION, **digests)
    (folder / "Digits_CNN_int8.yml").write_text(manifest)


def weights_entries(sha256: str) -> str:
    """The ONNX file for those that read it, a recipe for each of the others."""
    entries = [
        f"  - framework: {framework}\n    graph: {{source: file:digits_cnn.onnx, sha256: {sha256}}}\n    tags: [fp32]\n"
        for framework in READERS
    ]
    entries += [
        RECIPE.format(framework=framework, script=script, stack=stack, outputs=outputs, sha256=sha256)
        for framework, script, stack, outputs in RECIPES
    ]
    return "".join(entries)


def make(folder: Path, epochs: int) -> dict[str, float]:
    """Write everything below `folder`, which mirrors the package's builtin folder; gives the accuracies."""
    pictures, labels, held_out, held_out_labels = load_split()
    write_dataset(folder / "datasets", held_out, held_out_labels)
    write_calibration(folder / "datasets", pictures, labels)
    with threadpool_limits(1):
        weights = train(pictures, labels, epochs)
        accuracy = {
            "train_top1": round(hits(pictures, labels, weights), 4),
            "held_out_top1": round(hits(held_out, held_out_labels, weights), 4),
            "held_out_top5": round(hits(held_out, held_out_labels, weights, 5), 4),
        }
    write_model(folder / "models", weights, accuracy, epochs, len(pictures))
    return accuracy


def check(epochs: int) -> int:
    """Make everything again in a temporary folder and compare; 0 when it agrees."""
    problems = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        accuracy = make(folder, epochs)
        for path in sorted((folder / "datasets").rglob("*.*")):
            committed = BUILTIN / path.relative_to(folder)
            if not committed.is_file() or committed.read_bytes() != path.read_bytes():
                problems.append(f"{path.relative_to(folder)} differs")
        digests = [
            hashlib.sha256((root / "models/digits_cnn.onnx").read_bytes()).hexdigest() for root in (BUILTIN, folder)
        ]
    recorded = json.loads((BUILTIN / "models/digits_cnn.json").read_text())
    if recorded["onnx_sha256"] != digests[0]:
        problems.append("models/digits_cnn.onnx is not the file that digits_cnn.json records")
    for key, value in accuracy.items():
        print(f"{key}: {recorded['accuracy'][key]:.4f} committed, {value:.4f} made now")
        if abs(recorded["accuracy"][key] - value) > TOLERANCE:
            problems.append(f"{key} differs by more than {TOLERANCE}")
    print("weights: the same bytes" if digests[0] == digests[1] else f"weights: other bytes, {digests[1]}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def main() -> int:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="make everything again elsewhere and compare")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="training length (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=BUILTIN, help="where to write (default: the package)")
    arguments = parser.parse_args()
    if arguments.check:
        return check(arguments.epochs)
    for key, value in make(arguments.out, arguments.epochs).items():
        print(f"{key}: {value:.4f}")
    return 0


DATASET_MANIFEST = """\
# Made by scripts/make_digits.py; change it there.
schema: mlscope/dataset/v1
name: digits
version: "1.0"
description: >-
  500 handwritten digits, 8x8 grey: the held-out part of scikit-learn's copy of the UCI test set (stratified
  split, seed 1998). The 13 writers of the training part are the same people.
license: CC-BY-4.0
references:
  - "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998"
  - https://doi.org/10.24432/C50P49
task: classification
classes: 10
layout: val_map
list: val_map.txt
path: digits
attributes:
  script: scripts/make_digits.py
  seed: 1998
"""

MODEL_MANIFEST = """\
# Made by scripts/make_digits.py; change it there.
schema: mlscope/model/v1
name: Digits_CNN
version: "1.0"
description: >-
  Two convolutions and a dense layer for 8x8 grey handwritten digits, trained with plain numpy.
task: classification
license: Apache-2.0
references:
  - https://doi.org/10.24432/C50P49
framework:
  name: onnxruntime
  version: ">=1.16"
weights:
{weights}{input_output}reference_accuracy:
  dataset: digits
  top1: {top1}
  top5: {top5}
attributes:
  training_script: scripts/make_digits.py
  provenance: digits_cnn.json
  seed: {seed}
  split: "{train} training, {held_out} held out, stratified"
"""

INT8_MANIFEST = """\
# Made by scripts/make_digits.py; change it there.
schema: mlscope/model/v1
name: Digits_CNN_int8
version: "1.0"
description: >-
  Digits_CNN with 8-bit weights and activations; the ranges are measured on {count} training pictures.
task: classification
license: Apache-2.0
framework:
  name: onnxruntime
  version: ">=1.16"
weights:
  - framework: onnxruntime
    tags: [int8]
    recipe:
      script: builtin:quantize_int8.py
      stack: {{framework: onnxruntime, version: ">=1.20", packages: [onnx, sympy]}}
      sources:
        onnx: {{source: file:digits_cnn.onnx, sha256: {graph_sha256}}}
      samples: {{dataset: digits_calibration, count: {count}}}
      outputs: {{graph: digits_cnn_int8.onnx}}
{input_output}"""

INPUT_OUTPUT = """\
inputs:
  - name: image
    type: image
    element_type: float32
    shape: [1, 8, 8]
    layout: CHW
    color_mode: GRAY
    steps:
      - {{op: decode, library: opencv}}
      - {{op: normalize, mean: 0, scale: 255}}
outputs:
  - name: logits
    type: classification
    element_type: float32
    transform: softmax
    classes: 10
    offset: 0
    labels:
      source: file:digits_labels.txt
      sha256: {labels_sha256}
"""

READERS = ("onnxruntime", "openvino", "tensorrt")
RECIPES = (
    ("pytorch", "digits_pytorch", "{framework: pytorch, packages: [onnx]}", "{graph: digits_cnn.pt2}"),
    ("jax", "digits_jax", "{framework: jax, packages: [onnx]}", "{graph: digits_cnn.jaxexport}"),
    ("tensorflow", "digits_tensorflow", "{framework: tensorflow, packages: [onnx]}", "{graph: digits_cnn.zip}"),
    ("litert", "digits_litert", "{framework: tensorflow, packages: [onnx]}", "{graph: digits_cnn.tflite}"),
    (
        "mxnet",
        "digits_mxnet",
        "{framework: mxnet, packages: [onnx]}",
        "{graph: digits_cnn.json, params: digits_cnn.params}",
    ),
)
RECIPE = """\
  - framework: {framework}
    recipe:
      script: builtin:{script}.py
      stack: {stack}
      sources:
        onnx: {{source: file:digits_cnn.onnx, sha256: {sha256}}}
      outputs: {outputs}
    tags: [fp32]
"""

CALIBRATION_MANIFEST = """\
# Made by scripts/make_digits.py; change it there.
schema: mlscope/dataset/v1
name: digits_calibration
version: "1.0"
description: >-
  {count} of the pictures that Digits_CNN was trained on, for measuring the ranges of its numbers.
license: CC-BY-4.0
references:
  - https://doi.org/10.24432/C50P49
task: classification
classes: 10
archive:
  source: file:digits_calibration.zip
  sha256: {sha256}
  files: train_*_{{label}}.png
attributes:
  script: scripts/make_digits.py
"""

if __name__ == "__main__":
    sys.exit(main())
