"""What ``manifest init`` writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.errors import ManifestError
from mlscope.manifests import ModelManifest, NormalizeStep, check, load_model, skeleton_model
from mlscope.worker.protocol import Tensor

SHA256 = "7aad0c74c5e3c06e5eb3c827e13304fdd68a83da6087d92ee169c24ff9fd4776"


def made(folder: Path, framework: str, inputs: list[Tensor], outputs: list[Tensor]) -> ModelManifest:
    (folder / "model.bin").write_bytes(b"")
    path = folder / "skeleton.yml"
    path.write_text(skeleton_model("a model", framework, "model.bin", SHA256, inputs, outputs), encoding="utf-8")
    assert check([path]) == []
    return load_model(str(path)).manifest


def test_a_quantised_tflite_model_is_filled_in(tmp_path: Path) -> None:
    manifest = made(
        tmp_path, "litert", [Tensor("input", "uint8", (1, 224, 224, 3))], [Tensor("out", "uint8", (1, 1001))]
    )
    (picture,) = manifest.inputs
    assert (picture.name, picture.element_type, picture.layout) == ("input", "uint8", "HWC")
    assert picture.shape == (224, 224, 3)
    assert [step.op for step in picture.steps] == ["decode", "resize", "crop"]
    (output,) = manifest.outputs
    assert (output.classes, output.offset, output.transform) == (1001, 1, "none")
    assert manifest.weights[0].graph is not None
    assert manifest.weights[0].graph.sha256 == SHA256


def test_an_onnx_model_with_a_dynamic_batch_is_filled_in(tmp_path: Path) -> None:
    manifest = made(
        tmp_path,
        "onnxruntime",
        [Tensor("data", "float32", (-1, 3, 299, 299))],
        [Tensor("logits", "float32", (-1, 1000))],
    )
    (picture,) = manifest.inputs
    assert (picture.layout, picture.shape) == ("CHW", (3, 299, 299))
    assert isinstance(picture.steps[-1], NormalizeStep)
    assert (manifest.outputs[0].classes, manifest.outputs[0].offset) == (1000, 0)
    assert manifest.outputs[0].transform == "softmax"


def test_small_grey_pictures_are_not_cropped(tmp_path: Path) -> None:
    manifest = made(
        tmp_path, "onnxruntime", [Tensor("x", "float32", (-1, 1, 28, 28))], [Tensor("y", "float32", (-1, 10))]
    )
    (picture,) = manifest.inputs
    assert (picture.color_mode, picture.shape) == ("GRAY", (1, 28, 28))
    assert [step.op for step in picture.steps] == ["decode", "resize", "normalize"]


def test_int8_pixels_are_moved_below_zero(tmp_path: Path) -> None:
    manifest = made(tmp_path, "litert", [Tensor("x", "int8", (1, 96, 96, 3))], [Tensor("y", "int8", (1, 2))])
    assert manifest.inputs[0].steps[-1] == NormalizeStep(op="normalize", mean=128.0, scale=1.0)


def test_dynamic_sides_are_guessed_and_marked() -> None:
    text = skeleton_model(
        "m",
        "onnxruntime",
        "m.onnx",
        SHA256,
        [Tensor("x", "float32", (-1, 3, -1, -1))],
        [Tensor("y", "float32", (-1, 5))],
    )
    assert "shape: [3, 224, 224]  # CHECK" in text


def test_tensors_that_are_no_pictures_are_tensors(tmp_path: Path) -> None:
    manifest = made(
        tmp_path,
        "onnxruntime",
        [Tensor("ids", "int64", (-1, -1)), Tensor("mask", "float32", (1, 12, 64, 64))],
        [Tensor("states", "float32", (-1, -1, 768)), Tensor("pooled", "float32", (-1, 768))],
    )
    assert [item.type for item in manifest.inputs] == ["tensor", "tensor"]
    assert [item.shape for item in manifest.inputs] == [(1,), (12, 64, 64)]
    # the vector of classes decides, so it comes first
    assert [(item.name, item.index, item.type) for item in manifest.outputs] == [
        ("pooled", 1, "classification"),
        ("states", 0, "raw"),
    ]


def test_the_file_itself_must_be_there_for_a_clean_check(tmp_path: Path) -> None:
    path = tmp_path / "skeleton.yml"
    inputs, outputs = [Tensor("x", "float32", (1, 3, 32, 32))], [Tensor("y", "float32", (1, 10))]
    path.write_text(skeleton_model("m", "onnxruntime", "m.onnx", SHA256, inputs, outputs), encoding="utf-8")
    assert [finding.message for finding in check([path])] == ["there is no file m.onnx"]


def test_what_no_manifest_can_describe_is_refused() -> None:
    good = Tensor("x", "float32", (1, 3, 32, 32))
    with pytest.raises(ManifestError, match="element type object"):
        skeleton_model("m", "onnxruntime", "m.onnx", SHA256, [Tensor("x", "object", (1,))], [good])
    with pytest.raises(ManifestError, match="no inputs or no outputs"):
        skeleton_model("m", "onnxruntime", "m.onnx", SHA256, [good], [])


TENSORS = st.builds(
    Tensor,
    st.text(max_size=12),
    st.sampled_from(["float32", "uint8", "int8", "int64"]),
    st.lists(st.sampled_from([-1, 1, 2, 3, 8, 224, 300, 1001]), max_size=5).map(tuple),
)


@given(inputs=st.lists(TENSORS, min_size=1, max_size=3), outputs=st.lists(TENSORS, min_size=1, max_size=3))
def test_every_skeleton_passes_the_check(
    tmp_path_factory: pytest.TempPathFactory, inputs: list[Tensor], outputs: list[Tensor]
) -> None:
    for framework in ("onnxruntime", "litert"):
        made(tmp_path_factory.getbasetemp(), framework, inputs, outputs)
