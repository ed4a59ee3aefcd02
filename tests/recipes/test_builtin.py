"""The recipes that ship with mlscope, in the stacks that they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from mlscope.assets import Fetched
from mlscope.errors import AssetError, DataError
from mlscope.loader import compile_steps, open_dataset
from mlscope.manifests import InputSpec, Recipe, load_dataset, load_model
from mlscope.recipes import StackFinder, make, materialise
from tests.frameworks.harness import digits, interpreter
from tests.recipes.conftest import Here

Array = np.ndarray[Any, Any]


def stack_of(python: str) -> StackFinder:
    """Always the stack with this interpreter."""

    return lambda *args, **kwargs: Here(Path(python))


def recipe_of(model: str, framework: str, key: str = "recipe") -> Recipe:
    entry = load_model(model).manifest.weights_for(framework)
    assert entry is not None
    found = getattr(entry, key)
    assert isinstance(found, Recipe)
    return found


def run(recipe: Recipe, model: str, find_stack: StackFinder, **options: Any) -> dict[str, Fetched]:
    found = load_model(model)
    return make(recipe, found.path.parent, inputs=found.manifest.inputs[0], find_stack=find_stack, **options)


def logits(graph: Path, tensors: Array) -> Array:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    found: Array = session.run(None, {name: tensors})[0]
    return found


def here(*_: Any, **__: Any) -> Here:
    return Here()


# --- ResNet50 with random weights ---------------------------------------------------------------------------------


@pytest.fixture
def resnet(home: Path) -> Callable[[int | None], Path]:
    recipe = recipe_of("ResNet50_v1", "onnxruntime", "random_weights")
    return lambda seed: run(recipe, "ResNet50_v1", here, seed=seed)["graph"].path


@pytest.mark.slow
def test_random_weights_are_those_of_their_seed(resnet: Callable[[int | None], Path]) -> None:
    pictures = np.random.default_rng(0).standard_normal((2, 3, 224, 224), np.float32)
    first, second = (logits(resnet(seed), pictures) for seed in (0, 1))
    assert first.shape == (2, 1000)
    assert np.isfinite(first).all()
    assert np.abs(first - second).max() > 1


@pytest.mark.slow
def test_resnet50_v1_is_the_network_of_its_paper(resnet: Callable[[int | None], Path]) -> None:
    graph = onnx.load(resnet(0)).graph
    assert [node.op_type for node in graph.node].count("Conv") == 53
    assert sum(int(np.prod(item.dims)) for item in graph.initializer) == 25_629_032  # Gluon's 1x1 biases included
    assert graph.input[0].name == "data"
    assert graph.output[0].name == "resnetv17_dense0_fwd"


def test_without_a_seed_there_are_no_random_weights(resnet: Callable[[int | None], Path]) -> None:
    with pytest.raises(AssetError, match="no seed for the random weights"):
        resnet(None)


@pytest.mark.slow
def test_mxnet_draws_the_very_weights_that_the_onnx_file_has(resnet: Callable[[int | None], Path]) -> None:
    find_stack = stack_of(interpreter("mxnet", "onnx"))
    drawn = run(recipe_of("ResNet50_v1", "mxnet", "random_weights"), "ResNet50_v1", find_stack, seed=3)
    learned = recipe_of("ResNet50_v1", "mxnet").model_dump()
    learned["sources"] = {"onnx": {"source": f"file:{resnet(3)}"}}
    read = run(Recipe.model_validate(learned), "ResNet50_v1", find_stack)
    assert {role: found.sha256 for role, found in drawn.items()} == {role: found.sha256 for role, found in read.items()}


# --- int8 -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_digits_in_int8_are_smaller_and_as_right(home: Path) -> None:
    find_stack = stack_of(interpreter("onnxruntime", "onnx", "sympy"))
    graph = run(recipe_of("Digits_CNN_int8", "onnxruntime"), "Digits_CNN_int8", find_stack)["graph"].path
    kinds = {node.op_type for node in onnx.load(graph).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    whole = load_model("Digits_CNN").path.with_name("digits_cnn.onnx")
    assert graph.stat().st_size < whole.stat().st_size / 2
    pictures, labels = digits()
    right = int((logits(graph, pictures).argmax(axis=1) == labels).sum())
    assert abs(right - 493) <= 5


def test_calibration_pictures_are_prepared_by_the_models_own_steps(home: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.py").write_text(
        "import json, shutil, sys\njob = json.load(open(sys.argv[1]))\n"
        "shutil.copy(job['sources']['samples'], job['outputs']['graph'])"
    )
    recipe = {
        "script": "file:copy.py",
        "stack": {"framework": "onnxruntime"},
        "samples": {"dataset": "digits", "count": 20},
        "outputs": {"graph": "samples.npy"},
    }
    inputs = load_model("Digits_CNN").manifest.inputs[0]
    options: dict[str, Any] = {"allow_code": True, "find_stack": here}
    found = make(Recipe.model_validate(recipe), tmp_path, inputs=inputs, **options)["graph"]
    np.testing.assert_array_equal(np.load(found.path), digits()[0][:20])
    other = InputSpec.model_validate(
        inputs.model_dump() | {"steps": [*inputs.model_dump()["steps"][:1], {"op": "normalize", "mean": 1, "scale": 2}]}
    )
    assert make(Recipe.model_validate(recipe), tmp_path, inputs=other, **options)["graph"].sha256 != found.sha256
    with pytest.raises(DataError, match="wants pictures as samples"):
        make(Recipe.model_validate(recipe), tmp_path, **options)


# --- EfficientNet-Lite ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "top1", "top5"), [(0, 18, 19), (1, 18, 20), (2, 18, 20)])
def test_efficientnet_lite_knows_the_pictures_of_imagenet20(home: Path, variant: int, top1: int, top5: int) -> None:
    name = f"EfficientNet_Lite{variant}"
    recipe = recipe_of(name, "onnxruntime")
    find_stack = stack_of(interpreter("pytorch", *recipe.stack.packages))
    graph = run(recipe, name, find_stack)["graph"].path
    found = load_dataset("imagenet20")
    dataset = open_dataset(found.manifest, found.path.parent, materialise(found.manifest, found.path.parent))
    steps = compile_steps(load_model(name).manifest.inputs[0].model_dump(mode="json"))
    answers = logits(graph, np.stack([steps(Path(dataset.path(row)).read_bytes()) for row in range(len(dataset))]))
    best = np.argsort(-answers, axis=1)[:, :5]
    labels = np.array(dataset.labels)
    assert int((best[:, 0] == labels).sum()) == top1
    assert int((best == labels[:, None]).any(axis=1).sum()) == top5
