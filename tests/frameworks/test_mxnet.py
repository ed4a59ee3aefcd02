"""MXNet: a symbol and its parameters give MXNet's numbers; what is wrong with them is said."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.worker.protocol import Failed, Loaded, Tensor
from tests.frameworks.harness import IMAGE, answers, check_digits, digits, interpreter, load, run_recipe
from tests.worker.conftest import Start
from tests.worker.process import WorkerProcess

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(3)
WEIGHTS = np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32)
X = Tensor("x", "float32", (6,))
# Writes NAME.json and NAME.params of each model into the current folder.
MODELS = """
import mxnet as mx
import numpy as np

weights = mx.nd.array(np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32).T)


def write(name, symbol, **parameters):
    symbol.save(f"{name}.json")
    mx.nd.save(f"{name}.params", parameters)


def dense(x, **settings):
    return mx.sym.FullyConnected(x, name="dense", num_hidden=4, no_bias=True, **settings)


x = mx.sym.Variable("x")
given = {"arg:dense_weight": weights}
write("dense", dense(x), **given)
write("plain", dense(x), dense_weight=weights)
write("missing", dense(x), **{"arg:other": weights})
write("fixed", dense(mx.sym.Variable("x", shape=(4, 6))), **given)
write("loss", mx.sym.SoftmaxOutput(dense(x), name="softmax"), **given)
left, right = mx.sym.Variable("left"), mx.sym.Variable("right")
total = mx.sym.elemwise_add(left, mx.sym.cast(right, dtype="float32"), name="total")
write("two", mx.sym.Group([total, mx.sym.identity(right, name="same")]))
normal = mx.sym.BatchNorm(x, name="norm", fix_gamma=False, eps=0)
mx.nd.save("unnamed.params", [weights])
state = {"arg:norm_gamma": 2, "arg:norm_beta": 1, "aux:norm_moving_mean": 3, "aux:norm_moving_var": 4}
write("norm", normal, **{name: mx.nd.full((6,), value) for name, value in state.items()})
"""


@pytest.fixture(scope="module")
def python() -> str:
    return interpreter("mxnet", "onnx<1.17")


@pytest.fixture(scope="module")
def models(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model files."""
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run([python, "-c", MODELS], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def digits_files(python: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recipe") / "folder"
    return run_recipe(python, "digits_mxnet.py", folder, {"graph": "digits_cnn.json", "params": "digits_cnn.params"})


@pytest.fixture(scope="module")
def resnet(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe") / "folder"
    return run_recipe(python, "resnet50_v1.py", folder, {"graph": "resnet50_v1.json"})["graph"]


@pytest.fixture(scope="module")
def refusing(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """One worker for everything that is refused: MXNet takes seconds to import."""
    worker = WorkerProcess(tmp_path_factory.mktemp("worker"), command=(python,))
    yield worker
    worker.channel.kill()
    worker.channel.close()


@pytest.fixture
def worker(start: Start, python: str) -> WorkerProcess:
    return start(command=(python,))


def files(folder: Path, name: str) -> dict[str, Path]:
    return {"graph": folder / f"{name}.json", "params": folder / f"{name}.params"}


def refuse(worker: WorkerProcess, paths: dict[str, Path], *inputs: Tensor, **fields: Any) -> tuple[str, str]:
    failed = worker.ask(load("mxnet", paths, inputs, **fields), Failed)
    return failed.kind, failed.message


def run(worker: WorkerProcess, paths: dict[str, Path], samples: Sequence[Array], **fields: Any) -> list[Array]:
    inputs = fields.pop("inputs", [Tensor("", values.dtype.name, values.shape[1:]) for values in samples])
    return answers(worker, load("mxnet", paths, inputs, **fields), samples)


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (32, 2)])
def test_digits_cnn_is_what_it_is_in_onnxruntime(
    worker: WorkerProcess, digits_files: dict[str, Path], batch: int, threads: int
) -> None:
    (logits,) = run(worker, digits_files, [digits()[0]], inputs=[IMAGE], batch=batch, threads=threads)
    check_digits(logits)


def test_the_recipe_makes_the_same_bytes_again(python: str, digits_files: dict[str, Path], tmp_path: Path) -> None:
    names = {"graph": "other.json", "params": "other.params"}
    again = run_recipe(python, "digits_mxnet.py", tmp_path / "again", names)
    assert {role: path.read_bytes() for role, path in again.items()} == {
        role: path.read_bytes() for role, path in digits_files.items()
    }


def test_what_mxnet_says_of_its_settings_is_told(worker: WorkerProcess, digits_files: dict[str, Path]) -> None:
    loaded = worker.ask(load("mxnet", digits_files, [IMAGE], batch=3, threads=2), Loaded)
    assert loaded.framework_version.startswith("1.")
    assert loaded.inputs == [Tensor("image", "float32", (3, 1, 8, 8))]
    assert loaded.outputs == [Tensor("dense_output", "float32", (3, 10))]
    assert loaded.fixed_batch == 3
    assert loaded.effective["threads"] == 2
    assert loaded.effective["precision"] == "fp32"


def test_the_threads_of_the_environment_do_not_count(start: Start, python: str, digits_files: dict[str, Path]) -> None:
    worker = start(command=(python,), env={"OMP_NUM_THREADS": "7"})
    assert worker.ask(load("mxnet", digits_files, [IMAGE], threads=1), Loaded).effective["threads"] == 1


def test_a_model_is_inspected_without_its_parameters(refusing: WorkerProcess, digits_files: dict[str, Path]) -> None:
    loaded = refusing.ask(load("mxnet", {"graph": digits_files["graph"]}, inspect=True), Loaded)
    assert loaded.inputs == [Tensor("image", "float32", (-1, 1, 8, 8))]
    assert loaded.outputs == [Tensor("dense_output", "float32", (-1, 10))]


@pytest.mark.parametrize(
    ("name", "options"), [("dense", {}), ("plain", {}), ("fixed", {}), ("dense", {"engine": "naive"})]
)
def test_numbers_are_the_models_whatever_the_batch(
    worker: WorkerProcess, models: Path, name: str, options: dict[str, Any]
) -> None:
    samples = RANDOM.standard_normal((7, 6)).astype(np.float32)
    (found,) = run(worker, files(models, name), [samples], inputs=[X], batch=3, options=options)
    np.testing.assert_allclose(found, samples @ WEIGHTS, rtol=1e-5, atol=1e-6)


def test_the_label_of_a_loss_is_no_input(worker: WorkerProcess, models: Path) -> None:
    samples = RANDOM.standard_normal((5, 6)).astype(np.float32)
    (found,) = run(worker, files(models, "loss"), [samples], inputs=[X], batch=2)
    powers = np.exp(samples @ WEIGHTS)
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_states_are_used_as_they_are_given(worker: WorkerProcess, models: Path) -> None:
    samples = RANDOM.standard_normal((4, 6)).astype(np.float32)
    (found,) = run(worker, files(models, "norm"), [samples], inputs=[X], batch=2)
    np.testing.assert_allclose(found, 2 * (samples - 3) / 2 + 1, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("names", [("left", "right"), ("right", "left")])
def test_several_inputs_are_fed_by_name(worker: WorkerProcess, models: Path, names: tuple[str, str]) -> None:
    values = {
        "left": RANDOM.standard_normal((5, 3)).astype(np.float32),
        "right": RANDOM.integers(0, 99, (5, 3)).astype(np.int32),
    }
    inputs = [Tensor(name, values[name].dtype.name, (3,)) for name in names]
    total, same = run(worker, files(models, "two"), [values[name] for name in names], inputs=inputs, batch=2)
    np.testing.assert_array_equal(total, values["left"] + values["right"].astype(np.float32))
    np.testing.assert_array_equal(same, values["right"])


def test_random_weights_are_the_same_for_the_same_seed(start: Start, python: str, resnet: Path) -> None:
    picture = RANDOM.standard_normal((1, 3, 224, 224)).astype(np.float32)
    found = []
    for seed in (0, 0, 1):
        worker = start(command=(python,))
        (logits,) = run(worker, {"graph": resnet}, [picture], options={"random_weights": seed}, threads=2)
        assert logits.shape == (1, 1000)
        assert np.isfinite(logits).all()
        assert logits.std() > 0
        found.append(logits)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0


def test_a_recipe_and_the_predictor_draw_the_same_weights(start: Start, python: str, tmp_path: Path) -> None:
    names = {"graph": "resnet50_v1.json", "params": "resnet50_v1.params"}
    made = run_recipe(python, "resnet50_v1.py", tmp_path / "recipe", names, sources={}, seed=5)
    picture = RANDOM.standard_normal((1, 3, 224, 224)).astype(np.float32)
    (given,) = run(start(command=(python,)), made, [picture])
    options = {"random_weights": 5}
    (drawn,) = run(start(command=(python,)), {"graph": made["graph"]}, [picture], options=options)
    np.testing.assert_array_equal(given, drawn)


def test_resnet50_v1_is_the_network_that_it_says(resnet: Path) -> None:
    nodes = json.loads(resnet.read_text())["nodes"]
    convolutions = [node["attrs"] for node in nodes if node["op"] == "Convolution"]
    assert len(convolutions) == 53
    assert [node["attrs"]["num_hidden"] for node in nodes if node["op"] == "FullyConnected"] == ["1000"]
    strided = [(item["kernel"], item["stride"]) for item in convolutions if item["stride"] != "(1, 1)"]
    assert strided == [("(7, 7)", "(2, 2)")] + [("(1, 1)", "(2, 2)")] * 6
    assert next(node["name"] for node in nodes if node["op"] == "null") == "data"


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("fixed", [Tensor("x", "float32", (7,))], "input 'x' has shape [6] without the batch, the manifest says [7]"),
        ("dense", [Tensor("image", "float32", (6,))], "the model has no input 'image'; it has x"),
        ("dense", [X, X], "the model has 1 inputs (x), 2 are declared"),
        ("dense", [], "the symbol does not say the shape of its input 'x'; a manifest has to"),
        ("dense", [Tensor("x", "float32", (7,))], "mxnet cannot run the model on this input: "),
    ],
)
def test_an_input_that_is_declared_wrong(
    refusing: WorkerProcess, models: Path, name: str, inputs: list[Tensor], message: str
) -> None:
    kind, said = refuse(refusing, files(models, name), *inputs)
    assert (kind, said.startswith(message)) == ("input", True), said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"random_weight": 0}, "unknown option 'random_weight' of the predictor; did you mean 'random_weights'?"),
        ({"random_weights": -1}, "random_weights must be a whole number from 0, not -1"),
        ({"random_weights": 0}, "random_weights is for a model without params file; this one has its weights"),
        ({"engine": "fast"}, "engine is threaded or naive, not 'fast'"),
        ({"precision": "bf16"}, "precision can only be fp32 with this framework, not 'bf16'"),
        ({"streams": 2}, "streams is said with --streams"),
    ],
)
def test_an_option_that_cannot_be_is_an_option_error(
    refusing: WorkerProcess, models: Path, options: dict[str, Any], message: str
) -> None:
    assert refuse(refusing, files(models, "dense"), X, options=options) == ("option", message)


def test_weights_that_are_missing_are_named(refusing: WorkerProcess, models: Path) -> None:
    message = "mxnet needs a params file beside the symbol, or the option random_weights, a seed"
    assert refuse(refusing, {"graph": models / "dense.json"}, X) == ("model", message)
    message = "mxnet cannot load the model: its params file has no 'dense_weight'"
    assert refuse(refusing, files(models, "missing"), X) == ("model", message)


def test_parameters_without_names_are_refused(refusing: WorkerProcess, models: Path) -> None:
    message = "mxnet cannot load the model's parameters: they have no names"
    assert refuse(refusing, {"graph": models / "dense.json", "params": models / "unnamed.params"}, X) == (
        "model",
        message,
    )


def test_a_gpu_that_is_not_there_is_a_framework_error(refusing: WorkerProcess, models: Path) -> None:
    kind, said = refuse(refusing, files(models, "dense"), X, device="gpu")
    assert (kind, said) == ("framework", "this mxnet finds no GPU that it can use; leave out --gpu")


@pytest.mark.parametrize("keep", [0, 1, 7, 0.5, 0.9])
@pytest.mark.parametrize("role", ["graph", "params"])
def test_a_truncated_file_is_a_model_error(
    refusing: WorkerProcess, models: Path, tmp_path: Path, role: str, keep: float
) -> None:
    paths = files(models, "dense")
    data = paths[role].read_bytes()
    paths[role] = tmp_path / "cut"
    paths[role].write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    kind, said = refuse(refusing, paths, X)
    assert kind == "model"
    assert said.startswith("mxnet cannot load the model")


@pytest.mark.parametrize("content", [b"this is text\n" * 100, bytes(range(256)) * 40, b"{}", b"[]"])
@pytest.mark.parametrize("role", ["graph", "params"])
def test_a_file_of_another_kind_is_a_model_error(
    refusing: WorkerProcess, models: Path, tmp_path: Path, role: str, content: bytes
) -> None:
    paths = files(models, "dense")
    paths[role] = tmp_path / "other"
    paths[role].write_bytes(content)
    assert refuse(refusing, paths, X)[0] == "model"


@pytest.mark.parametrize("role", ["graph", "params"])
def test_a_missing_file_is_a_model_error(refusing: WorkerProcess, models: Path, tmp_path: Path, role: str) -> None:
    assert refuse(refusing, {**files(models, "dense"), role: tmp_path / "none"}, X)[0] == "model"


def test_an_operator_that_mxnet_lacks_is_named(refusing: WorkerProcess, models: Path, tmp_path: Path) -> None:
    graph = tmp_path / "operator.json"
    graph.write_text((models / "dense.json").read_text().replace("FullyConnected", "NoSuchOperator"))
    kind, said = refuse(refusing, {**files(models, "dense"), "graph": graph}, X)
    assert kind == "model"
    assert "NoSuchOperator is not registered" in said
