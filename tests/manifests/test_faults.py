"""Faults planted in copies of manifests: each is reported with file, line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlscope.errors import ManifestError
from mlscope.manifests import Finding, check, load_model

OWN = """\
schema: mlscope/model/v1
name: Own
version: 1.0
framework: {name: onnxruntime, version: ">=1.2"}
weights:
  - framework: onnxruntime
    graph:
      source: https://example.org/model.onnx
      sha256: 7aad0c74c5e3c06e5eb3c827e13304fdd68a83da6087d92ee169c24ff9fd4776
inputs:
  - name: input
    type: image
    element_type: float32
    shape: [3, 224, 224]
    layout: CHW
    color_mode: RGB
    steps:
      - {op: decode, library: opencv}
      - {op: resize, interpolation: bilinear, rule: short_side, size: 256}
      - {op: crop, method: center, size: [224, 224]}
      - {op: normalize, mean: [1, 2, 3], scale: 58.5}
outputs:
  - type: classification
    classes: 1001
    offset: 1
reference_accuracy: {dataset: imagenet, top1: 0.7}
hooks:
  preprocess: |
    def preprocess(ctx, data):
        return data
hidden: false
"""

ORIGINAL = """\
name: Old # name of your model
framework:
  name: MXNet
  version: 1.4.0
version: 1.0
container:
  amd64:
    gpu: raiproject/carml-mxnet:amd64-gpu
references:
  - https://arxiv.org/abs/1512.03385
inputs:
  - type: image
    parameters:
      element_type: float32
      layout: 'CHW'
      color_mode: 'RGB'
      dimensions: [3, 224, 224]
      mean: [123.675, 116.28, 103.53]
      scale: 58.5
output:
  type: classification
  parameters:
    probabilities_layer: 0
    features_url: http://example.org/synset.txt
    features_checksum: 4d234b5833aca44928065a180db3016a
model:
  base_url: http://example.org/resnet
  graph_path: model-symbol.json
  weights_path: model-0000.params
  is_archive:
    false # a comment
  graph_checksum: 5ebc93a69e2dd5f5b5d227c6de56c1bd
  weights_checksum: 85f120eea5a86f2420be054ef7315407
attributes:
  kind: CNN
hidden: true
"""

OWN_FAULTS = [
    # what is replaced, by what, where it is reported, what the message says
    ("schema: mlscope/model/v1", "schema: mlscope/modle/v1", "1:9", "did you mean 'mlscope/model/v1'"),
    ("name: Own", "nmae: Own", "2:1", "unknown key 'nmae'; did you mean 'name'?"),
    ("name: Own\n", "", "1:1", "missing key 'name'"),
    ("name: Own", "name: [Own]", "2:7", "must be text, not a list"),
    ("name: Own", "name: null", "2:7", "must be text, not empty (null)"),
    ("version: 1.0\n", "version:\n", "3:1", "must be text, not empty (null)"),
    ("version: 1.0", "version: {major: 1}", "3:10", "must be text, not a mapping"),
    ("version: 1.0\n", "version: 1.0\nversion: 1.1\n", "4:1", "twice; first in line 3"),
    ('{name: onnxruntime, version: ">=1.2"}', "{name: onnxrutime}", "4:19", "did you mean 'onnxruntime'?"),
    ('version: ">=1.2"', 'version: ">=2,<1"', "4:41", "no version can meet"),
    ('version: ">=1.2"', "version: newest", "4:41", "no version constraint"),
    ('{name: onnxruntime, version: ">=1.2"}', "onnxruntime", "4:12", "must be a mapping (key: value)"),
    ('{name: onnxruntime, version: ">=1.2"}', '{version: ">=1.2"}', "4:1", "missing key 'name'"),
    ("- framework: onnxruntime", "- framework: litert", "5:1", "no weights for onnxruntime"),
    ("graph:", "grpah:", "7:5", "did you mean 'graph'?"),
    ("source: https://example.org/model.onnx", "source: model.onnx", "8:15", "did you mean 'file:model.onnx'?"),
    ("source: https://example.org/model.onnx", "source: ftp://example.org/x", "8:15", "not one of the known sources"),
    ("source: https://example.org/model.onnx", "source: [file:a, 'pypi:x#y']", "8:24", "pypi:name==version#"),
    ("9fd4776\n", "9fd477\n", "9:15", "64 hexadecimal digits; this has 63"),
    ("type: image", "type: picture", "12:11", "'picture' is not one of image, tensor"),
    ("element_type: float32", "element_type: flaot32", "13:19", "did you mean 'float32'?"),
    ("shape: [3, 224, 224]", "shape: [1, 3, 224, 224]", "14:12", "batch dimension is left out"),
    ("shape: [3, 224, 224]", "shape: [224, 224, 3]", "14:12", "RGB has 3 channels"),
    ("shape: [3, 224, 224]", "shape: [3, 224.5, 224]", "14:16", "must be a whole number, not '224.5'"),
    ("shape: [3, 224, 224]", "shape: [3, 0, 224]", "14:16", "greater than 0"),
    ("shape: [3, 224, 224]", "shape: [3, 192, 192]", "20:42", "the steps make 224x224"),
    ("    layout: CHW\n", "", "11:5", "needs 'layout'"),
    ("layout: CHW", "layout: HW", "15:13", "goes with 'color_mode: GRAY'"),
    ("color_mode: RGB", "color_mode: GRAY", "14:12", "GRAY has 1 channel"),
    ("op: resize", "op: rezise", "19:14", "unknown op 'rezise'; did you mean 'resize'?"),
    ("{op: resize, interpolation", "{interpolation", "19:9", "missing key 'op'"),
    ("interpolation: bilinear", "interpolation: linear", "19:37", "did you mean 'bilinear'?"),
    ("size: 256", "siez: 256", "19:65", "did you mean 'size'?"),
    ("size: 256", "size: 200", "20:42", "does not fit into a short side of 200"),
    ("size: 256", "size: [256, 256]", "19:71", "the size is one number"),
    ("size: 256", "crop_ratio: 1.5", "19:77", "at most 1"),
    (", size: 256", "", "19:9", "either 'size' or 'crop_ratio'"),
    ("size: [224, 224]}", "size: [224]}", "20:42", "[height, width]"),
    ("      - {op: crop, method: center, size: [224, 224]}\n", "", "19:53", "leave its size open"),
    ("      - {op: decode, library: opencv}\n", "", "18:14", "must be 'op: decode'"),
    ("mean: [1, 2, 3]", "mean: [1, 2]", "21:31", "mean has 2 numbers for 3 channel"),
    ("mean: [1, 2, 3]", "mean: [1, x, 3]", "21:35", "a number or a list of numbers"),
    ("scale: 58.5", "scale: 0", "21:49", "cannot be 0"),
    ("{op: normalize, mean: [1, 2, 3], scale: 58.5}", "{op: quantize, scale: 1}", "21:14", "float32"),
    ("offset: 1", "offset: 1001", "25:13", "leaves none"),
    ("offset: 1", "offset: -1", "25:13", "greater than or equal to 0"),
    ("classes: 1001", "classes: many", "24:14", "must be a whole number, not 'many'"),
    ("top1: 0.7", "top1: 70", "26:47", "did you mean 0.7?"),
    ("return data", "return (data", "28:15", "not valid Python"),
    ("hidden: false", "hidden: no way", "31:9", "must be true or false, not 'no way'"),
    ("outputs:\n", "outputs:\n\t", "23:1", "a tab where only spaces may stand"),
    ("layout: CHW", "layout: CHW: HWC", "15:16", "mapping values are not allowed"),
    ("name: Own", "name: *own", "2:7", "undefined alias"),
    ("name: Own", "name: !!python/name:os.system Own", "2:7", "tag tag:yaml.org,2002:python/name:os.system"),
    ("hidden: false", "limits: {max_batch_size: 0}", "31:26", "greater than 0"),
]

ORIGINAL_FAULTS = [
    ("framework:\n", "framwork:\n", "2:1", "did you mean 'framework'?"),
    ("name: MXNet", "name: MXNetz", "3:9", "did you mean 'mxnet'?"),
    ("version: 1.4.0", "version: '>=2,<1'", "4:12", "no version can meet"),
    ("name: Old", "name: {a: b}", "1:7", "must be text, not a mapping"),
    ("    gpu: raiproject/carml-mxnet:amd64-gpu", "    - gpu", "8:5", "must be a mapping"),
    ("type: image\n", "tpye: image\n", "12:5", "did you mean 'type'?"),
    ("layout: 'CHW'", "layout: 'NCHW'", "15:15", "not one of CHW, HWC; did you mean 'CHW'?"),
    ("color_mode: 'RGB'", "color_mode: 'RBG'", "16:19", "'RBG' is not one of RGB, BGR"),
    ("element_type: float32", "element_type: float33", "14:21", "did you mean 'float32'?"),
    ("dimensions: [3, 224, 224]", "dimensions: [1, 3, 224, 224]", "17:19", "batch dimension must be left out"),
    ("dimensions: [3, 224, 224]", "dimensions: [3, 224, big]", "17:28", "must be a whole number, not 'big'"),
    ("dimensions: [3, 224, 224]", "dimensions: [224, 224, 3]", "17:20", "whatever the layout"),
    ("mean: [123.675, 116.28, 103.53]", "mean: [123.675, 116.28]", "18:13", "2 numbers for 3 channels"),
    ("scale: 58.5", "scale: wide", "19:14", "a number or a list of numbers"),
    ("scale: 58.5", "scale: 0", "19:14", "cannot be 0"),
    ("scale: 58.5", "scale: 58.5\n      crop_ratio: 2", "20:19", "less than or equal to 1"),
    ("output:\n", "ouput:\n", "20:1", "did you mean 'output'?"),
    ("probabilities_layer: 0", "probabilities_layer: -1", "23:26", "counts from 0"),
    ("features_checksum: 4d234b5", "features_checksum: 4d234b", "25:24", "32 hexadecimal digits"),
    ("features_url: http://example.org", "features_url: ftp://example.org", "24:19", "not one of the known sources"),
    ("  graph_path: model-symbol.json\n", "", "26:1", "missing key 'graph_path'"),
    ("is_archive:\n    false", "is_archive: maybe", "30:15", "must be true or false"),
    ("graph_checksum: 5ebc", "graph_checksum: xyzw", "32:19", "32 hexadecimal digits"),
    ("model:\n  base_url", "modell:\n  base_url", "26:1", "did you mean 'model'?"),
    ("hidden: true", "hidden: perhaps", "36:9", "must be true or false"),
    ("attributes:\n  kind: CNN", "attributes: CNN", "34:13", "must be a mapping"),
    ("kind: CNN", "kind: CNN\n  kind: RNN", "36:3", "twice; first in line 35"),
]


def plant(folder: Path, text: str, old: str, new: str) -> Path:
    assert text.count(old) == 1, "the test must say exactly what it spoils"
    path = folder / "manifest.yml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def errors(path: Path) -> list[Finding]:
    return [finding for finding in check([path]) if finding.severity == "error"]


@pytest.mark.parametrize("text", [OWN, ORIGINAL], ids=["own", "original"])
def test_the_manifests_without_planted_faults_have_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.yml"
    path.write_text(text, encoding="utf-8")
    assert errors(path) == []
    load_model(str(path))


@pytest.mark.parametrize(("old", "new", "position", "words"), OWN_FAULTS, ids=[row[1] or row[0] for row in OWN_FAULTS])
def test_a_fault_in_an_own_manifest_is_found_where_it_is(
    tmp_path: Path, old: str, new: str, position: str, words: str
) -> None:
    path = plant(tmp_path, OWN, old, new)
    with pytest.raises(ManifestError) as caught:
        load_model(str(path))
    assert words in str(caught.value)
    assert caught.value.where == f"{path}:{position}"
    assert [finding.where for finding in errors(path)] == [f"{path}:{position}"]


@pytest.mark.parametrize(
    ("old", "new", "position", "words"), ORIGINAL_FAULTS, ids=[row[1] or row[0] for row in ORIGINAL_FAULTS]
)
def test_a_fault_in_an_original_manifest_is_found_where_it_is(
    tmp_path: Path, old: str, new: str, position: str, words: str
) -> None:
    path = plant(tmp_path, ORIGINAL, old, new)
    with pytest.raises(ManifestError) as caught:
        load_model(str(path))
    assert words in str(caught.value)
    assert caught.value.where == f"{path}:{position}"
    assert [finding.where for finding in errors(path)] == [f"{path}:{position}"]


SAMPLE_FAULTS = [
    ("mxnet--ResNet50.yml", "dimensions: [3, 224, 224]", "dimensions: 3", "32:19"),
    ("mxnet--ResNet50_v1.yml", "layout: 'CHW'", "layout: 'CWH'", "25:15"),
    ("pytorch--MobileNet_SSD_v1.0.yml", "scale: 128", "scale: 0", "36:18"),
    ("tensorflow--SRGAN.yml", "license: Apache", "licence: Apache", "19:1"),
    ("tensorflow--MobileNet_v1_1.0_224.yml", "version: 1.12 #", "version: 1.x.2 #", "4:12"),
    ("tensorrt--voc-fcn16s.yml", "hidden: true", "hidden: 'yes'", "52:9"),
]


@pytest.mark.parametrize(("name", "old", "new", "position"), SAMPLE_FAULTS)
def test_a_fault_in_a_copy_of_a_real_manifest_is_found_where_it_is(  # noqa: PLR0917 - a row of the table
    shared_dir: Path, tmp_path: Path, name: str, old: str, new: str, position: str
) -> None:
    text = (shared_dir / "mlmodelscope-manifests" / name).read_text(encoding="utf-8")
    path = plant(tmp_path, text, old, new)
    assert [finding.where for finding in errors(path)] == [f"{path}:{position}"]


def test_all_faults_are_listed_and_the_error_tells_how_many(tmp_path: Path) -> None:
    path = tmp_path / "manifest.yml"
    path.write_text(OWN.replace("float32", "flaot32").replace("offset: 1", "offset: x"), encoding="utf-8")
    assert [finding.where for finding in errors(path)] == [f"{path}:13:19", f"{path}:25:13"]
    with pytest.raises(ManifestError, match="1 more fault"):
        load_model(str(path))


def test_a_parameter_that_is_nearly_known_is_kept_and_doubted(tmp_path: Path) -> None:
    path = plant(tmp_path, ORIGINAL, "scale: 58.5", "scael: 58.5")
    (doubt,) = [finding for finding in check([path]) if "scael" in finding.message]
    assert doubt.severity == "warning"
    assert doubt.where == f"{path}:19:14"
    assert "did you mean 'scale'?" in doubt.message
    assert load_model(str(path)).manifest.inputs[0].parameters == {"scael": 58.5}


def test_missing_local_files_and_folders_are_faults(tmp_path: Path) -> None:
    path = plant(tmp_path, OWN, "https://example.org/model.onnx", "file:model.onnx")
    assert [str(finding) for finding in errors(path)] == [f"{path}:8:15: error: there is no file model.onnx"]
    (tmp_path / "model.onnx").write_bytes(b"x")
    assert errors(path) == []

    data = tmp_path / "data.yml"
    data.write_text("schema: mlscope/dataset/v1\nname: d\nversion: 1\nclasses: 2\npath: d\n", encoding="utf-8")
    assert [finding.where for finding in errors(data)] == [f"{data}:5:7"]
    (tmp_path / "d").mkdir()
    assert [finding.message for finding in errors(data)] == ["there is no val_map.txt in d"]


def test_check_reads_folders_deep_down_and_says_so_when_they_are_empty(tmp_path: Path) -> None:
    empty, deep = tmp_path / "empty", tmp_path / "a" / "b"
    empty.mkdir()
    deep.mkdir(parents=True)
    (deep / "one.yaml").write_text("name: [", encoding="utf-8")
    (deep / "two.txt").write_text("name: [", encoding="utf-8")
    found = check([tmp_path / "a", empty, tmp_path / "none.yml"])
    assert [finding.path for finding in found] == [deep / "one.yaml", empty, tmp_path / "none.yml"]
    assert {finding.severity for finding in found} == {"error"}
    assert "no such file" in found[-1].message
