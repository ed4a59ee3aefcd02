"""TensorFlow: SavedModels and frozen graphs give TensorFlow's numbers; what is wrong with them is said."""

from __future__ import annotations

import stat
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.worker.protocol import Failed, Loaded, Tensor
from tests.frameworks.harness import IMAGE, answers, check_digits, digits, interpreter, load, run_recipe
from tests.worker.conftest import Start
from tests.worker.process import WorkerProcess

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]

RANDOM = np.random.default_rng(3)
WEIGHTS = np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32)
# Writes its models into the current folder: SavedModels as folders, frozen graphs as .pb.
MODELS = """
import numpy as np
import tensorflow as tf

weights = np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32)
float32, int64 = tf.float32, tf.int64


class Model(tf.Module):
    def __init__(self):
        self.w = tf.Variable(weights)

    @tf.function
    def dense(self, x):
        return {"y": x @ self.w}

    @tf.function
    def half(self, x):
        return {"y": x @ self.w / 2}

    @tf.function
    def two(self, left, right):
        return {"sum": left + tf.cast(right, float32), "count": right + 1}

    @tf.function
    def text(self, x):
        return {"y": tf.strings.length(x)}


def save(name, **functions):
    model = Model()
    signatures = {key: getattr(model, name).get_concrete_function(**specs) for key, (name, specs) in functions.items()}
    tf.saved_model.save(model, name, signatures=signatures)


def spec(*shape, dtype=float32):
    return tf.TensorSpec(shape, dtype)


free, serve = {"x": spec(None, 6)}, "serving_default"
save("dense", **{serve: ("dense", free)})
save("several", **{serve: ("dense", free), "halved": ("half", free)})
save("unnamed", **{"one": ("half", free)})
save("other", **{"one": ("half", free), "another": ("dense", free)})
save("fixed", **{serve: ("dense", {"x": spec(4, 6)})})
save("two", **{serve: ("two", {"left": spec(None, 3), "right": spec(None, 3, dtype=int64)})})
save("text", **{serve: ("text", {"x": spec(None, 1, dtype=tf.string)})})
tf.saved_model.save(Model(), "none")


def write(name, change=lambda definition: None):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(float32, [None, 6], name="data/input")
        y = tf.matmul(x, tf.constant(weights), name="scores/dense")
        tf.constant(3, name="unused")
        with tf.control_dependencies([tf.debugging.assert_all_finite(y, "finite")]):
            tf.nn.softmax(y, name="softmax_tensor")
            tf.argmax(y, axis=1, name="ArgMax")
        if name == "variable.pb":
            tf.compat.v1.get_variable("w", [2], use_resource=False)
    definition = graph.as_graph_def()
    change(definition)
    with open(name, "wb") as file:
        file.write(definition.SerializeToString())


def rename(definition):
    next(node for node in definition.node if node.op == "Softmax").op = "NoSuchSoftmax"


write("frozen.pb")
write("variable.pb")
write("operator.pb", rename)
"""


@pytest.fixture(scope="module")
def python() -> str:
    return interpreter("tensorflow", "onnx")


@pytest.fixture(scope="module")
def models(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model files."""
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run([python, "-c", MODELS], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in [item for item in folder.iterdir() if item.is_dir()]:
        pack(path, folder / f"{path.name}.zip")
    return folder


@pytest.fixture(scope="module")
def digits_zip(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe") / "folder"
    return run_recipe(python, "digits_tensorflow.py", folder, {"graph": "digits_cnn.zip"})["graph"]


@pytest.fixture(scope="module")
def refusing(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """One worker for everything that is refused: TensorFlow takes seconds to import."""
    worker = WorkerProcess(tmp_path_factory.mktemp("worker"), command=(python,))
    yield worker
    worker.channel.kill()
    worker.channel.close()


@pytest.fixture
def worker(start: Start, python: str) -> WorkerProcess:
    return start(command=(python,))


def pack(folder: Path, target: Path, prefix: str = "") -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, prefix + path.relative_to(folder).as_posix())


def refuse(worker: WorkerProcess, path: Path, *inputs: Tensor, **fields: Any) -> tuple[str, str]:
    failed = worker.ask(load("tensorflow", {"graph": path}, inputs, **fields), Failed)
    return failed.kind, failed.message


def run(worker: WorkerProcess, path: Path, samples: Sequence[np.ndarray[Any, Any]], **fields: Any) -> Any:
    inputs = fields.pop("inputs", [Tensor("", values.dtype.name, values.shape[1:]) for values in samples])
    return answers(worker, load("tensorflow", {"graph": path}, inputs, **fields), samples)


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (32, 2)])
def test_digits_cnn_is_what_it_is_in_onnxruntime(
    worker: WorkerProcess, digits_zip: Path, batch: int, threads: int
) -> None:
    (logits,) = run(worker, digits_zip, [digits()[0]], inputs=[IMAGE], batch=batch, threads=threads)
    check_digits(logits)


def test_the_recipe_makes_the_same_bytes_again(python: str, digits_zip: Path, tmp_path: Path) -> None:
    again = run_recipe(python, "digits_tensorflow.py", tmp_path / "again", {"graph": "other.zip"})["graph"]
    assert again.read_bytes() == digits_zip.read_bytes()


def test_what_tensorflow_says_of_its_settings_is_told(worker: WorkerProcess, digits_zip: Path, python: str) -> None:
    loaded = worker.ask(load("tensorflow", {"graph": digits_zip}, [IMAGE], batch=3, threads=2), Loaded)
    assert loaded.inputs == [Tensor("image", "float32", (3, 1, 8, 8))]
    assert loaded.outputs == [Tensor("logits", "float32", (3, 10))]
    assert loaded.fixed_batch is None
    assert loaded.effective["threads"] == 2
    assert loaded.effective["inter_op_threads"] == 1
    assert loaded.effective["precision"] == "fp32"
    version = "import importlib.metadata as m, tensorflow; print(tensorflow.__version__)"
    said = subprocess.run([python, "-c", version], capture_output=True, text=True, check=True).stdout.strip()
    assert loaded.framework_version == said


def test_a_model_is_inspected_without_a_shape(worker: WorkerProcess, digits_zip: Path) -> None:
    loaded = worker.ask(load("tensorflow", {"graph": digits_zip}, inspect=True), Loaded)
    assert loaded.inputs == [Tensor("image", "float32", (-1, 1, 8, 8))]
    assert loaded.outputs == [Tensor("logits", "float32", (-1, 10))]


def test_a_fixed_batch_is_filled_up(worker: WorkerProcess, models: Path) -> None:
    samples = RANDOM.standard_normal((7, 6)).astype(np.float32)
    (found,) = run(worker, models / "fixed.zip", [samples], batch=3)
    np.testing.assert_allclose(found, samples @ WEIGHTS, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("names", [("left", "right"), ("right", "left"), ("", "")])
def test_several_inputs_are_fed_by_name_or_order(worker: WorkerProcess, models: Path, names: tuple[str, str]) -> None:
    left = RANDOM.standard_normal((5, 3)).astype(np.float32)
    right = RANDOM.integers(0, 99, (5, 3))
    samples: list[np.ndarray[Any, Any]] = [right, left] if names[0] == "right" else [left, right]
    inputs = [Tensor(name, values.dtype.name, (3,)) for name, values in zip(names, samples, strict=True)]
    count, total = run(worker, models / "two.zip", samples, inputs=inputs, batch=2)
    np.testing.assert_array_equal(total, left + right.astype(np.float32))
    np.testing.assert_array_equal(count, right + 1)


@pytest.mark.parametrize(
    ("name", "options", "factor"),
    [
        ("several", {}, 1.0),
        ("several", {"signature": "halved"}, 0.5),
        ("unnamed", {}, 0.5),
        ("dense", {"xla": True}, 1.0),
    ],
)
def test_a_signature_is_chosen_by_name(
    worker: WorkerProcess, models: Path, name: str, options: dict[str, Any], factor: float
) -> None:
    samples = RANDOM.standard_normal((3, 6)).astype(np.float32)
    (found,) = run(worker, models / f"{name}.zip", [samples], batch=2, options=options)
    np.testing.assert_allclose(found, factor * samples @ WEIGHTS, rtol=1e-5, atol=1e-6)


def test_a_saved_model_may_lie_in_a_folder_of_its_archive(worker: WorkerProcess, models: Path, tmp_path: Path) -> None:
    pack(models / "dense", tmp_path / "deep.zip", "some/folder/")
    samples = RANDOM.standard_normal((2, 6)).astype(np.float32)
    (found,) = run(worker, tmp_path / "deep.zip", [samples], batch=2)
    np.testing.assert_allclose(found, samples @ WEIGHTS, rtol=1e-5, atol=1e-6)


def test_nothing_of_an_archive_stays_on_the_disk(start: Start, python: str, models: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    worker = start(command=(python,), env={"TMPDIR": str(temporary)})
    run(worker, models / "dense.zip", [np.ones((2, 6), np.float32)], batch=1)
    assert not list(temporary.rglob("saved_model*"))


def test_a_frozen_graph_gives_what_no_other_node_reads(worker: WorkerProcess, models: Path) -> None:
    samples = RANDOM.standard_normal((5, 6)).astype(np.float32)
    inputs = [Tensor("data/input", "float32", (6,))]
    softmax, best = run(worker, models / "frozen.pb", [samples], inputs=inputs, batch=2)
    powers = np.exp(samples @ WEIGHTS)
    np.testing.assert_allclose(softmax, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(best, (samples @ WEIGHTS).argmax(axis=1))


@pytest.mark.parametrize("outputs", ["scores/dense", ["scores/dense:0"]])
def test_outputs_of_a_frozen_graph_are_chosen_by_name(worker: WorkerProcess, models: Path, outputs: Any) -> None:
    samples = RANDOM.standard_normal((3, 6)).astype(np.float32)
    (found,) = run(worker, models / "frozen.pb", [samples], batch=2, options={"outputs": outputs})
    np.testing.assert_allclose(found, samples @ WEIGHTS, rtol=1e-5, atol=1e-6)


def test_outputs_of_a_frozen_graph_carry_their_nodes_names(worker: WorkerProcess, models: Path) -> None:
    loaded = worker.ask(load("tensorflow", {"graph": models / "frozen.pb"}, inspect=True), Loaded)
    assert loaded.inputs == [Tensor("data/input", "float32", (-1, 6))]
    assert loaded.outputs == [Tensor("softmax_tensor", "float32", (-1, 4)), Tensor("ArgMax", "int64", (-1,))]


def test_bf16_is_computed_where_it_is_asked_for_and_said(start: Start, python: str, digits_zip: Path) -> None:
    found = {}
    for precision in ("fp32", "bf16"):
        worker = start(command=(python,))
        options = {"precision": precision}
        loaded = worker.ask(load("tensorflow", {"graph": digits_zip}, [IMAGE], options=options, inspect=True), Loaded)
        assert loaded.effective["precision"] == precision
        worker = start(command=(python,))
        (found[precision],) = run(worker, digits_zip, [digits()[0]], inputs=[IMAGE], batch=50, options=options)
    difference = np.abs(found["bf16"] - found["fp32"]).max()
    if not difference:
        pytest.skip("this processor computes no bfloat16: TensorFlow keeps to float32")
    assert difference < 1
    assert (found["bf16"].argmax(axis=1) != found["fp32"].argmax(axis=1)).sum() <= 5


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("dense.zip", [Tensor("x", "uint8", (6,))], "input: input 'x' is float32, the manifest says uint8"),
        (
            "dense.zip",
            [Tensor("x", "float32", (7,))],
            "input: input 'x' has shape [6] without the batch, the manifest says [7]",
        ),
        (
            "two.zip",
            [Tensor("leff", "float32", (3,))] * 2,
            "input: the model has no input 'leff'; did you mean 'left'?",
        ),
        (
            "frozen.pb",
            [Tensor("input", "float32", (6,))],
            "input: the model has no input 'input'; did you mean 'data/input'?",
        ),
        ("text.zip", [], "model: input 'x' is a string tensor, which is not supported"),
        ("other.zip", [], "option: the SavedModel has no signature 'serving_default'; it has "),
        ("none.zip", [], "model: the SavedModel has no signature 'serving_default'; it has none"),
        (
            "variable.pb",
            [],
            "model: tensorflow cannot load the model: it is no frozen GraphDef: it has variables, such as 'w'",
        ),
        ("operator.pb", [], "model: tensorflow cannot load the model: "),
    ],
)
def test_a_model_that_does_not_fit_is_told_in_one_sentence(
    refusing: WorkerProcess, models: Path, name: str, inputs: list[Tensor], message: str
) -> None:
    assert ": ".join(refuse(refusing, models / name, *inputs)).startswith(message)


def test_an_operator_that_tensorflow_lacks_is_named(refusing: WorkerProcess, models: Path) -> None:
    assert "NoSuchSoftmax" in refuse(refusing, models / "operator.pb")[1]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dense.zip", {"signature": "training"}, "has no signature 'training'; it has serving_default"),
        ("dense.zip", {"signatur": "x"}, "unknown option 'signatur' of the predictor; did you mean 'signature'?"),
        ("dense.zip", {"outputs": "y"}, "outputs is an option for a GraphDef; this is a SavedModel"),
        ("dense.zip", {"precision": "int8"}, "precision is fp32 or bf16, not 'int8'"),
        ("dense.zip", {"streams": 2}, "streams is said with --streams"),
        ("dense.zip", {"xla": "yes"}, "xla must be true or false, not 'yes'"),
        ("dense.zip", {"inter_op_threads": -1}, "inter_op_threads must be a whole number from 0, not -1"),
        ("frozen.pb", {"signature": "x"}, "signature is an option for a SavedModel; this is a GraphDef"),
        ("frozen.pb", {"outputs": "softmax"}, "the graph has no node 'softmax'; did you mean 'softmax_tensor'?"),
    ],
)
def test_an_option_that_cannot_be_is_an_option_error(
    refusing: WorkerProcess, models: Path, name: str, options: dict[str, Any], message: str
) -> None:
    kind, said = refuse(refusing, models / name, options=options)
    assert (kind, message in said) == ("option", True), said


def test_a_gpu_that_is_not_there_is_a_framework_error(refusing: WorkerProcess, models: Path) -> None:
    kind, said = refuse(refusing, models / "dense.zip", device="gpu")
    assert (kind, said) == ("framework", "this tensorflow finds no GPU that it can use; leave out --gpu")


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
@pytest.mark.parametrize("name", ["dense.zip", "frozen.pb"])
def test_a_truncated_file_is_a_model_error(
    refusing: WorkerProcess, models: Path, tmp_path: Path, name: str, keep: float
) -> None:
    data = (models / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    kind, said = refuse(refusing, path)
    assert kind == "model"
    assert said.startswith("tensorflow cannot load the model: ")


@pytest.mark.parametrize("content", [b"this is text\n" * 100, bytes(range(256)) * 40])
def test_a_file_of_another_kind_is_a_model_error(refusing: WorkerProcess, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    assert refuse(refusing, path)[0] == "model"


def test_a_missing_file_is_a_model_error(refusing: WorkerProcess, tmp_path: Path) -> None:
    assert refuse(refusing, tmp_path / "none.zip")[0] == "model"


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside", "..\\outside"])
def test_a_member_that_leads_out_of_the_archive_is_refused(
    refusing: WorkerProcess, models: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "evil.zip"
    pack(models / "dense", path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"evil")
    assert refuse(refusing, path) == ("model", f"the zip file has a member outside its folder: {name!r}")
    assert not list(tmp_path.rglob("outside"))


def test_a_link_in_an_archive_is_refused(refusing: WorkerProcess, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "link.zip"
    pack(models / "dense", path)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("assets/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert refuse(refusing, path) == ("model", "the zip file has a link, 'assets/link'; a SavedModel has none")


def test_an_archive_holds_one_saved_model(refusing: WorkerProcess, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "models.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no model")
    message = "the zip file holds {} SavedModels (files saved_model.pb), not one"
    assert refuse(refusing, path) == ("model", message.format(0))
    with zipfile.ZipFile(path, "a") as archive:
        for folder in ("a", "b"):
            archive.write(models / "dense/saved_model.pb", f"{folder}/saved_model.pb")
    assert refuse(refusing, path) == ("model", message.format(2))
