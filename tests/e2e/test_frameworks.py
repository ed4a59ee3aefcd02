"""One model on many frameworks, each in an environment of its own: the same answers in all.

The first part is continuous integration's; the second one runs with ``--all-frameworks``, and what its commands print
is shown in docs/frameworks.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest

from mlscope.conductor import model_graph
from mlscope.errors import MlscopeError
from mlscope.results import LAYER_SUMMARY_FILE, Evaluation, read_layer_summary
from mlscope.stacks import find_stack, named_framework
from tests.conftest import Result
from tests.e2e import running
from tests.e2e.timeline import ancestors, check_layers, check_viewers
from tests.frameworks.harness import unavailable, use_uv_cache

pytestmark = pytest.mark.slow

Note = Callable[[str, object], None]
FIVE = ("onnxruntime==1.18.1", "onnxruntime==1.20.1", "openvino", "pytorch", "mxnet==1.9.1")
EIGHT = (*FIVE, "tensorflow", "litert", "jax")
THREE = ("onnxruntime", "openvino", "pytorch")


@pytest.fixture
def place(home: Path) -> Path:
    """A home whose environments are those of the whole session."""
    use_uv_cache()
    session = Path(os.environ["HOME"]) / "mlscope" / "cache" / "stacks"
    session.mkdir(parents=True, exist_ok=True)
    (home / "cache").mkdir()
    (home / "cache" / "stacks").symlink_to(session)
    return home


def predict(home: Path, note: Note, frameworks: Sequence[str], *words: str | Path) -> tuple[Result, list[Evaluation]]:
    """``mlscope predict dataset`` over frameworks; its table goes into the report."""
    for name in dict.fromkeys(framework.partition("[")[0] for framework in frameworks):
        framework, constraint = named_framework(name)
        try:
            find_stack(framework, constraint, kind="uv")
        except MlscopeError as error:
            unavailable(framework.name, f"no stack for {name}: {error}")
    line = ["predict", "dataset", *words, *(word for each in frameworks for word in ("--framework", each))]
    result = running.run(home, *line, env={"COLUMNS": "100"}, timeout=1800)
    assert result.code == 0, result
    shown = [word if isinstance(word, str) else word.name for word in line]
    note("command", " ".join(["mlscope", *shown]))
    note("output", result.out)
    found = {each.record.id[:12]: each for each in running.evaluations(home)}
    return result, [each for name, each in found.items() if name in result.out]


def good(evaluations: Sequence[Evaluation]) -> list[int]:
    return [each.record.accuracy.top1_good if each.record.accuracy else -1 for each in evaluations]


def test_digits_are_the_same_in_continuous_integrations_frameworks(place: Path, record_property: Note) -> None:
    result, found = predict(place, record_property, FIVE, "--model-name", "Digits_CNN", "--dataset-name", "digits")
    assert good(found) == [493] * 5
    assert "All 5 have the same best class for 500 of 500 samples." in result.out
    assert [each.record.framework_version for each in found[:2]] == ["1.18.1", "1.20.1"]
    assert len({each.record.lock_sha256 for each in found}) == 5
    assert {each.record.effective["precision"] for each in found} == {"fp32"}


def test_a_run_is_repeated_on_an_environment_that_is_built_again(place: Path, record_property: Note) -> None:
    words = ("--model-name", "Digits_CNN", "--num-file-parts", "100")
    _, (first,) = predict(place, record_property, ("onnxruntime==1.18.1",), *words)
    (place / "cache" / "stacks").unlink()  # as on another machine
    shutil.rmtree(place / "cache", ignore_errors=True)
    again = running.run(place, "rerun", first.record.id, timeout=600)
    assert again.code == 0, again
    assert "The predictions are identical, byte by byte." in again.out
    repeated = next(each for each in running.evaluations(place) if each.record.id != first.record.id)
    assert repeated.record.lock_sha256 == first.record.lock_sha256
    assert repeated.record.framework_version == "1.18.1"
    assert [path.name for path in (place / "cache" / "stacks").iterdir() if path.is_dir() and len(path.name) == 16]


def test_the_originals_own_example(place: Path, record_property: Note) -> None:
    words = ("--batch-size", "1", "--num-file-parts", "100", "--trace-level", "MODEL_TRACE", "--random-weights", "0")
    _, (found,) = predict(place, record_property, ("mxnet==1.9.1",), "--model-name", "ResNet50_v1", *words)
    record = found.record
    assert (record.framework_version, record.dataset_name, record.accuracy) == ("1.9.1", "imagenet20", None)
    assert any("the weights are random" in each for each in record.warnings)
    assert record.trace_level == "MODEL_TRACE"
    assert found.spans().num_rows > 20
    latency = running.run(place, "info", "evaluation", "latency", "--model-name", "ResNet50_v1", "--format", "json")
    (row,) = latency.json()
    assert row["id"] == record.id
    assert row["p50_ms"] > 0


ONNX_NODES = ["conv1", "conv2", "dense", "flatten", "relu1", "relu2"]
NODES = {
    "openvino": ONNX_NODES,
    "pytorch": ["conv2d", "conv2d_1", "flatten", "linear", "relu", "relu_1"],
    "mxnet": ["conv1", "conv2", "dense", "flat", "relu_conv1", "relu_conv2"],
}


@pytest.mark.parametrize("framework", NODES)
def test_a_full_trace_accounts_for_every_node(
    place: Path, tmp_path: Path, record_property: Note, framework: str
) -> None:
    words = ("--model-name", "Digits_CNN", "--num-file-parts", "20", "--batch-size", "4", "--threads", "2")
    _, (found,) = predict(place, record_property, (framework,), *words, "--trace-level", "FULL_TRACE")
    assert found.record.trace_level == "FULL_TRACE"
    check_layers(found, NODES[framework])
    slices = check_viewers(found, tmp_path)
    with found.open(LAYER_SUMMARY_FILE) as file:
        layers = read_layer_summary(file)
    assert [layer.index for layer in layers] == list(range(len(layers)))
    assert {layer.synthetic for layer in layers} == {framework == "openvino"}
    assert 0 < sum(layer.share or 0 for layer in layers if layer.depth == 0) <= 1.15
    primitives = [each for each in slices.values() if each.values.get("library") == "oneDNN"]
    silent = any("prints no primitives of oneDNN" in text for text in found.record.warnings)
    assert bool(primitives) == (not silent) == (framework != "openvino")
    for each in primitives:
        assert ancestors(each, slices)
        assert each.values["implementation"]


@pytest.mark.frameworks
@pytest.mark.parametrize("framework", ["tensorflow", "jax"])
def test_layers_have_the_names_that_the_compiler_gave_them(
    place: Path, tmp_path: Path, record_property: Note, framework: str
) -> None:
    words = ("--model-name", "Digits_CNN", "--num-file-parts", "20", "--trace-level", "FULL_TRACE")
    _, (found,) = predict(place, record_property, (framework,), *words)
    check_viewers(found, tmp_path)
    with found.open(LAYER_SUMMARY_FILE) as file:
        layers = read_layer_summary(file)
    nodes = " ".join(node for layer in layers for node in layer.nodes)
    assert len(layers) >= 3
    assert {layer.calls for layer in layers} == {20}
    assert ("Relu_1" if framework == "tensorflow" else "dot_general") in nodes


@pytest.mark.frameworks
@pytest.mark.parametrize("framework", ["onnxruntime", *NODES])
def test_every_node_of_a_large_model_is_accounted_for(
    place: Path, tmp_path: Path, record_property: Note, monkeypatch: pytest.MonkeyPatch, framework: str
) -> None:
    """EfficientNet_Lite0; of MXNet, whose form it does not have, ResNet50_v1."""
    model = ("ResNet50_v1", "--random-weights", "0") if framework == "mxnet" else ("EfficientNet_Lite0",)
    words = ("--model-name", *model, "--dataset-name", "imagenet20", "--num-file-parts", "6")
    _, (found,) = predict(place, record_property, (framework,), *words, "--trace-level", "FULL_TRACE")
    with found.open("profile/worker-0/graph.json" if framework == "pytorch" else "plan.json") as file:
        noted = json.load(file)
    if framework == "pytorch":
        nodes = [name for name, *_ in noted]
    elif framework == "mxnet":
        (symbol,) = (place / "cache" / "recipes").rglob("resnet50_v1*.json")
        nodes = [node["name"] for node in json.loads(symbol.read_text())["nodes"] if node["op"] != "null"]
    else:
        monkeypatch.setenv("MLSCOPE_HOME", str(place))
        nodes = [node.name for node in onnx.load(model_graph("EfficientNet_Lite0")).graph.node]
    assert len(nodes) > 90
    assert len(set(nodes)) == len(nodes)
    check_layers(found, nodes)
    check_viewers(found, tmp_path)


@pytest.mark.frameworks
def test_digits_are_the_same_in_every_framework(place: Path, record_property: Note) -> None:
    result, found = predict(place, record_property, EIGHT, "--model-name", "Digits_CNN", "--dataset-name", "digits")
    assert good(found) == [493] * 8
    assert "All 8 have the same best class for 500 of 500 samples." in result.out
    assert len({each.record.lock_sha256 for each in found}) == 8


@pytest.mark.frameworks
def test_efficientnet_knows_the_pictures_of_imagenet20(place: Path, record_property: Note) -> None:
    words = ("--model-name", "EfficientNet_Lite0", "--dataset-name", "imagenet20")
    _, found = predict(place, record_property, THREE, *words)
    assert good(found) == [18] * 3
    assert [each.record.accuracy.top5_good for each in found if each.record.accuracy] == [19] * 3
    assert {each.record.effective["precision"] for each in found} == {"fp32"}


@pytest.mark.frameworks
def test_three_frameworks_agree_on_500_photographs(place: Path, record_property: Note, shared_dir: Path) -> None:
    words = ("--model-name", "EfficientNet_Lite0", "--dataset-name", "imagenet")
    path = shared_dir / "imagenet500"
    result, found = predict(
        place, record_property, (*THREE, "openvino[precision=auto]"), *words, "--dataset-path", path
    )
    best = [each.predictions()["top1"] for each in found]
    assert sum(len({*row}) > 1 for row in zip(*best[:3], strict=True)) <= 2
    assert f"of {len(best[0])} samples." in result.out


@pytest.mark.frameworks
def test_resnet50_is_an_alias_in_onnxruntime_too(place: Path, record_property: Note) -> None:
    words = ("--model-name", "ResNet50", "--random-weights", "0", "--num-file-parts", "5")
    _, (found,) = predict(place, record_property, ("onnxruntime",), *words)
    assert found.record.model_name == "ResNet50_v1"
    assert found.record.dataset_name == "imagenet20"
