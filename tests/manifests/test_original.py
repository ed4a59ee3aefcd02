"""Original MLModelScope manifests: read unchanged, nothing lost, converted to equal own ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlscope.manifests import (
    CropStep,
    DecodeStep,
    ModelManifest,
    NormalizeStep,
    ResizeStep,
    check,
    convert,
    load_model,
)

SAMPLES = [
    "mxnet--MobileNet_1.0_int8_.yml",
    "mxnet--ResNet50.yml",
    "mxnet--ResNet50_v1.yml",
    "mxnet--SSD_512_ResNet50_v1_COCO.yml",
    "pytorch--MobileNet_SSD_v1.0.yml",
    "pytorch--TorchVision_ResNet_50.yml",
    "tensorflow--DeepLabv3_MobileNet_v2_PASCAL_VOC_Train_Val.yml",
    "tensorflow--MLPerf_ResNet50_v1.5.yml",
    "tensorflow--MobileNet_v1_1.0_224.yml",
    "tensorflow--SRGAN.yml",
    "tensorrt--BVLC-AlexNet.yml",
    "tensorrt--ResNet50_v1.yml",
    "tensorrt--voc-fcn16s.yml",
]

FULL = """\
name: Full
version: 1.10
framework: {name: TensorFlow, version: 1.12, container: {amd64: {cpu: a/b:c}}}
container: {amd64: {cpu: carml/x:amd64-cpu, gpu: carml/x:amd64-gpu}}
description: every field
references: [https://example.org/paper]
license: unrestricted
modality: general
inputs:
  - type: image
    description: picture
    parameters:
      element_type: raw_image
      input_layer: 0
      layout: CHW
      color_mode: BGR
      dimensions: [128]
      mean: 127
      scale: [1, 2, 3]
      crop_method: topleft
      crop_ratio: 0.875
      keep_aspect_ratio: true
      url: https://example.org/cat.jpg
  - type: general
    parameters: {element_type: int64, dimensions: [1, 2, 3], input_type: tokens}
outputs:
  - type: raw_image
    description: first
    parameters: {element_type: float32, probabilities_layer: prob, probabilities_transform: softmax}
  - type: boundingbox
    parameters: {classes_layer: 0, boxes_layer: 2, masks_layer: m, probabilities_layer: 1, features_url: labels.txt}
before_preprocess: "a = 1"
preprocess: |
  def preprocess(ctx, data):
      return data
after_preprocess: "b = 1"
before_postprocess: "c = 1"
postprocess: "d = 1"
after_postprocess: "e = 1"
model:
  base_url: https://example.org/archive.tgz
  graph_path: dir/graph.pb
  weights_path: dir/weights
  is_archive: true
  graph_checksum: 5EBC93a69e2dd5f5b5d227c6de56c1bd
  weights_checksum: 12345678901234567890123456789012
attributes: {Top1: 76.160, Box AP: 30.6/50.0/32.2, big: 1_000}
hidden: true
"""


def write(folder: Path, text: str, name: str = "m.yml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def load(path: Path) -> ModelManifest:
    return load_model(str(path)).manifest


@pytest.mark.parametrize("name", SAMPLES)
def test_a_real_manifest_has_no_errors_and_converts_to_an_equal_one(
    shared_dir: Path, tmp_path: Path, name: str
) -> None:
    path = shared_dir / "mlmodelscope-manifests" / name
    assert [finding for finding in check([path]) if finding.severity == "error"] == []
    found = load_model(str(path))
    assert found.dialect == "mlmodelscope"
    converted = load_model(str(write(tmp_path, convert(path))))
    assert converted.dialect == "mlscope"
    assert converted.manifest == found.manifest
    assert not [finding for finding in check([tmp_path]) if finding.severity == "error"]


@pytest.mark.parametrize("name", SAMPLES)
def test_no_word_of_a_real_manifest_is_lost(shared_dir: Path, name: str) -> None:
    from ruamel.yaml import YAML

    path = shared_dir / "mlmodelscope-manifests" / name
    written = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    kept = repr(load(path).model_dump(mode="json"))
    missing = [word for word in _words(written) if word not in kept]
    # The framework has its canonical name, addresses are joined, and dimensions may be turned round by the layout.
    framework = written["framework"]["name"]
    assert [word for word in missing if word not in (framework, "feature")] == []


def _words(value: Any) -> list[str]:
    """Every text of a manifest in the form in which it must be found again."""
    if isinstance(value, dict):
        return [word for key, item in value.items() if key != "base_url" for word in _words(item)]
    if isinstance(value, list):
        return [word for item in value for word in _words(item)]
    return [repr(value).strip("'\"")] if isinstance(value, str) else []


def test_all_13_samples_are_tested(shared_dir: Path) -> None:
    assert sorted(path.name for path in (shared_dir / "mlmodelscope-manifests").glob("*.yml")) == SAMPLES


def test_every_field_survives_and_so_it_does_through_convert(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    manifest = load(path)
    assert (manifest.name, manifest.version, manifest.modality, manifest.hidden) == ("Full", "1.10", "general", True)
    assert manifest.framework.model_dump() == {
        "name": "tensorflow",
        "version": "1.12",
        "container": {"amd64": {"cpu": "a/b:c"}},
    }
    assert manifest.container["amd64"] == {"cpu": "carml/x:amd64-cpu", "gpu": "carml/x:amd64-gpu"}
    assert manifest.attributes == {"Top1": "76.160", "Box AP": "30.6/50.0/32.2", "big": "1_000"}
    assert manifest.license == "unrestricted"
    assert manifest.references == ("https://example.org/paper",)
    assert manifest.hooks.preprocess == "def preprocess(ctx, data):\n    return data\n"
    assert list(manifest.hooks.model_dump().values()).count(None) == 0

    (weights,) = manifest.weights
    assert weights.graph is not None
    assert weights.graph.source == "https://example.org/archive.tgz"
    assert (weights.graph.member, weights.graph.md5) == ("dir/graph.pb", "5ebc93a69e2dd5f5b5d227c6de56c1bd")
    assert weights.params is not None
    assert (weights.params.member, weights.params.md5) == ("dir/weights", "12345678901234567890123456789012")

    picture, general = manifest.inputs
    assert (picture.name, picture.description, picture.type) == ("0", "picture", "image")
    assert (picture.shape, picture.layout, picture.color_mode) == ((3, 128, 128), "CHW", "BGR")
    assert picture.element_type == "uint8"
    assert picture.parameters == {"element_type": "raw_image", "url": "https://example.org/cat.jpg"}
    assert picture.steps == (
        DecodeStep(op="decode", library="opencv"),
        ResizeStep(op="resize", library="opencv", interpolation="bilinear", rule="short_side", size=146),
        CropStep(op="crop", method="top_left", size=(128, 128)),
        NormalizeStep(op="normalize", mean=127.0, scale=(1.0, 2.0, 3.0)),
    )
    assert (general.type, general.element_type, general.shape) == ("tensor", "int64", (1, 2, 3))
    assert general.parameters["type"] == "general"
    assert general.parameters["input_type"] == "tokens"

    first, second = manifest.outputs
    assert (first.type, first.name, first.transform, first.description) == ("image", "prob", "softmax", "first")
    assert (second.type, second.name, second.index) == ("boundingbox", None, 1)
    assert second.parameters == {"classes_layer": 0, "boxes_layer": 2, "masks_layer": "m"}
    assert second.labels is not None
    assert second.labels.source == "file:labels.txt"

    assert load(write(tmp_path, convert(path), "own.yml")) == manifest


def simple(parameters: str = "", framework: str = "TensorFlow", output: str = "type: classification") -> str:
    return (
        f"name: m\nversion: 1.0\nframework: {{name: {framework}, version: 1.2}}\n"
        f"inputs:\n  - type: image\n    parameters: {{{parameters}}}\n"
        f"output: {{{output}}}\n"
        "model: {graph_path: https://example.org/m.pb, graph_checksum: 5ebc93a69e2dd5f5b5d227c6de56c1bd}\n"
    )


def test_what_is_left_unsaid_is_what_the_original_did(tmp_path: Path) -> None:
    (given,) = load(write(tmp_path, simple("dimensions: [3, 100, 200]"))).inputs
    assert (given.element_type, given.layout, given.color_mode) == ("float32", "HWC", "RGB")
    assert given.shape == (100, 200, 3)
    assert given.steps == (DecodeStep(op="decode"), ResizeStep(op="resize", rule="exact", size=(100, 200)))


def test_a_manifest_without_dimensions_takes_pictures_as_they_are(tmp_path: Path) -> None:
    (given,) = load(write(tmp_path, simple("mean: 127.5, scale: 127.5"))).inputs
    assert given.shape is None
    assert [step.op for step in given.steps] == ["decode", "normalize"]


def test_max_dimension_with_kept_proportions_is_the_long_side(tmp_path: Path) -> None:
    (given,) = load(write(tmp_path, simple("max_dimension: 513, keep_aspect_ratio: true"))).inputs
    assert given.shape is None
    assert given.steps[1] == ResizeStep(op="resize", rule="long_side", size=513)


def test_kept_proportions_end_in_a_crop_of_the_wanted_size(tmp_path: Path) -> None:
    (given,) = load(write(tmp_path, simple("dimensions: [3, 100, 200], keep_aspect_ratio: true"))).inputs
    assert given.steps[1:] == (
        ResizeStep(op="resize", rule="short_side", size=200),
        CropStep(op="crop", method="center", size=(100, 200)),
    )


@pytest.mark.parametrize(
    ("labels", "offset", "classes"),
    [
        ("synset1001.txt", 1, 1001),
        ("synset1.txt", 1, None),
        ("synset.txt", 0, None),
        ("synset10.txt", 0, None),
        ("coco_labels_2014_2017.txt", 0, None),
    ],
)
def test_the_background_class_is_taken_from_the_labels_name(
    tmp_path: Path, labels: str, offset: int, classes: int | None
) -> None:
    text = simple("dimensions: [224]", output=f"type: feature, parameters: {{features_url: https://e.org/{labels}}}")
    found = load_model(str(write(tmp_path, text)))
    (output,) = found.manifest.outputs
    assert (output.type, output.offset, output.classes) == ("classification", offset, classes)
    assert any("class 0 is background" in warning for warning in found.warnings) == bool(offset)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("MXNet", "mxnet"),
        ("PyTorch", "pytorch"),
        ("TensorFlow", "tensorflow"),
        ("TensorRT", "tensorrt"),
        ("Caffe", "caffe"),
        ("Caffe2", "caffe2"),
        ("CNTK", "cntk"),
    ],
)
def test_frameworks_are_known_by_the_originals_names(tmp_path: Path, written: str, canonical: str) -> None:
    manifest = load(write(tmp_path, simple("dimensions: [224]", framework=written)))
    assert manifest.framework.name == canonical
    assert manifest.weights_for(canonical) is not None


def test_doubts_are_warnings_with_their_place(tmp_path: Path) -> None:
    text = simple("dimensions: [224]", framework="MXNet").replace(
        "graph_checksum: 5ebc93a69e2dd5f5b5d227c6de56c1bd", "weights_path: https://example.org/w, graph_checksum: "
    )
    path = write(tmp_path, text)
    findings = check([path])
    assert {finding.severity for finding in findings} == {"warning"}
    assert [finding.line for finding in findings] == [6, 6, 8, 8]
    words = " ".join(load_model(str(path)).warnings)
    for expected in ("no layout", "OpenCV and bilinear are assumed", "no graph_checksum", "no weights_checksum"):
        assert expected in words
    assert f"{path}:6:" in words


def test_files_are_joined_to_the_base_url_with_one_slash(tmp_path: Path) -> None:
    text = simple("dimensions: [224]").replace("graph_path: https://example.org/m.pb", "base_url: %s, graph_path: m.pb")
    for base in ("https://example.org/dir", "https://example.org/dir/"):
        manifest = load(write(tmp_path, text % base))
        assert manifest.weights[0].graph is not None
        assert manifest.weights[0].graph.source == "https://example.org/dir/m.pb"
