"""Built-in manifests, choice by name, path and version."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.errors import ManifestError, StackError
from mlscope.manifests import (
    CropStep,
    ModelManifest,
    ResizeStep,
    check,
    convert,
    list_datasets,
    list_frameworks,
    list_models,
    load_dataset,
    load_framework,
    load_model,
)

BUILTIN = load_model("null").path.parents[1]


def test_the_built_in_manifests_are_without_fault_or_doubt() -> None:
    assert check([BUILTIN]) == []


def test_what_is_built_in() -> None:
    models = [found.manifest.name for found in list_models()]
    assert {"Digits_CNN", "MobileNet_v1_0.25_128_quant", "MobileNet_v2_1.0_224_quant", "null", "sleep"} <= set(models)
    assert {"digits", "imagenet"} <= {found.manifest.name for found in list_datasets()}
    runnable = {found.manifest.name for found in list_frameworks() if found.manifest.predictor}
    assert {"onnxruntime", "litert", "null", "sleep"} <= runnable
    known = {found.manifest.name for found in list_frameworks()}
    assert {"mxnet", "pytorch", "tensorflow", "tensorrt", "openvino", "jax", "caffe", "caffe2", "cntk"} <= known


def test_lists_are_sorted_and_names_are_those_of_the_files() -> None:
    for listed in (list_models(), list_datasets(), list_frameworks()):
        names = [found.manifest.name for found in listed]
        assert names == sorted(names, key=str.lower)
        assert names == [found.path.stem for found in listed]


def test_every_predictor_that_a_framework_names_is_there() -> None:
    from importlib.util import find_spec

    for found in list_frameworks():
        if found.manifest.predictor:
            assert find_spec(f"mlscope.worker.predictors.{found.manifest.predictor}") is not None


@pytest.mark.parametrize("name", ["litert", "LiteRT", "tflite", "tensorflow-lite", "ai-edge-litert"])
def test_a_framework_is_found_by_alias_in_any_case(name: str) -> None:
    assert load_framework(name).manifest.name == "litert"
    assert load_framework(name).manifest.package == "ai-edge-litert"


def test_no_two_frameworks_share_a_name() -> None:
    names = [name.lower() for found in list_frameworks() for name in (found.manifest.name, *found.manifest.aliases)]
    assert len(names) == len(set(names))


def test_an_unknown_framework_is_answered_with_the_nearest() -> None:
    with pytest.raises(StackError, match="unknown framework 'onxruntime'; did you mean 'onnxruntime'"):
        load_framework("onxruntime")


@pytest.mark.parametrize(
    ("name", "file", "side", "short"),
    [
        ("MobileNet_v2_1.0_224_quant", "mobilenet_v2_1.0_224_quant.tflite", 224, 256),
        ("MobileNet_v1_0.25_128_quant", "mobilenet_v1_0.25_128_quant.tflite", 128, 146),
    ],
)
def test_the_mobilenets_are_the_files_that_everybody_has(
    shared_dir: Path, name: str, file: str, side: int, short: int
) -> None:
    manifest = load_model(name).manifest
    graph = manifest.weights[0].graph
    assert graph is not None
    assert graph.sources[0].endswith(f"/{file}")
    assert graph.sha256 == hashlib.sha256((shared_dir / "models" / file).read_bytes()).hexdigest()
    (given_input,) = manifest.inputs
    assert given_input.shape == (side, side, 3)
    assert given_input.steps[1:] == (
        ResizeStep(op="resize", rule="short_side", size=short),
        CropStep(op="crop", size=(side, side)),
    )
    assert (manifest.outputs[0].classes, manifest.outputs[0].offset) == (1001, 1)


@pytest.mark.parametrize("name", ["null", "sleep"])
def test_the_calibration_models_fit_the_digits_and_need_no_file(name: str) -> None:
    manifest = load_model(name).manifest
    assert manifest.weights == ()
    assert manifest.inputs[0].shape == (1, 8, 8)
    assert manifest.outputs[0].classes == load_dataset("digits").manifest.classes == manifest.options["classes"]


@pytest.mark.parametrize("version", [None, "1", "1.0", "1.0.0"])
def test_a_version_is_found_however_many_zeros_it_has(version: str | None) -> None:
    assert load_model("null", version).manifest.version == "1.0"


def test_a_version_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(ManifestError, match=r"model 'null' has no version 2\.0; it has: 1\.0"):
        load_model("null", "2.0")


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(ManifestError, match=r"unknown model 'Digit_CNN'; did you mean 'Digits_CNN'\?.*null, sleep"):
        load_model("Digit_CNN")
    with pytest.raises(ManifestError, match=r"unknown data set 'image'.*digits, .*imagenet"):
        load_dataset("image")


def test_a_manifest_of_another_kind_is_refused() -> None:
    path = load_dataset("digits").path
    with pytest.raises(ManifestError, match="mlscope/model/v1") as caught:
        load_model(str(path))
    assert str(caught.value.where).startswith(f"{path}:")


def test_what_is_found_says_where_it_comes_from() -> None:
    found = load_model("sleep")
    assert found.path.is_absolute()
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert (found.dialect, found.warnings) == ("mlscope", ())
    assert load_model(str(found.path)) == found


@pytest.mark.parametrize("folder", ["models", "datasets", "frameworks"])
def test_built_in_manifests_convert_to_themselves(tmp_path: Path, folder: str) -> None:
    for path in (BUILTIN / folder).glob("*.yml"):
        copy = tmp_path / path.name
        copy.write_text(convert(path), encoding="utf-8")
        assert convert(copy) == copy.read_text(encoding="utf-8")
        if folder == "models":
            assert load_model(str(copy)).manifest == load_model(str(path)).manifest


def test_a_manifest_survives_the_way_through_json() -> None:
    for found in list_models():
        dumped = found.manifest.model_dump(mode="json", exclude_defaults=True)
        assert ModelManifest.model_validate(dumped) == found.manifest


@given(text=st.text(max_size=60), key=st.text(min_size=1, max_size=10))
def test_any_text_survives_being_written(tmp_path_factory: pytest.TempPathFactory, text: str, key: str) -> None:
    manifest = load_model("null").manifest.model_copy(
        update={"description": text, "attributes": {key: text}, "options": {key: [text, 1.5, None, True, {key: text}]}}
    )
    from mlscope.manifests._write import to_yaml

    path = tmp_path_factory.getbasetemp() / "written.yml"
    path.write_bytes(to_yaml(manifest).encode("utf-8", "surrogatepass"))
    assert load_model(str(path)).manifest == manifest
