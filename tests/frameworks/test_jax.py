"""JAX: exported functions give JAX's numbers; what is wrong with them is said."""

from __future__ import annotations

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

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(3)
WEIGHTS = np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32)
X = Tensor("x", "float32", (6,))
# Writes NAME.jaxexport of each function into the current folder.
MODELS = """
import jax
import numpy as np
from jax import export
from jax import numpy as jnp

weights = np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32)
jax.config.update("jax_enable_x64", True)


def write(name, function, *shapes, platforms=("cpu",), checks=(), **named):
    exported = export.export(jax.jit(function), platforms=platforms, disabled_checks=checks)(*shapes, **named)
    open(f"{name}.jaxexport", "wb").write(exported.serialize())


def array(shape, kind=np.float32, **scope):
    return jax.ShapeDtypeStruct(export.symbolic_shape(shape, **scope), kind)


def dense(x):
    return x @ weights


def half(x):
    return x.astype(jnp.bfloat16) @ weights.astype(jnp.bfloat16)


def two(left, right):
    return [left + right.astype(np.float32), right + 1]


scope = export.SymbolicScope()
write("dense", dense, array("rows, 6"))
write("named", dense, x=array("rows, 6"))
write("fixed", dense, array("2, 6"))
write("half", half, array("rows, 6"))
write("two", two, left=array("rows, 3", scope=scope), right=array("rows, 3", np.int64, scope=scope))
write("pool", lambda x: x.mean((2, 3)), array("rows, 3, height, width"))
write("cuda", dense, array("rows, 6"), platforms=("cuda",))
write("key", lambda key: jax.random.uniform(key, (3,)), jax.ShapeDtypeStruct((), jax.random.key(0).dtype))
frob = lambda x: jax.ffi.ffi_call("frob", jax.ShapeDtypeStruct((2, 6), np.float32))(x)
write("custom", frob, array("2, 6"), checks=[export.DisabledSafetyCheck.custom_call("frob")])
"""


@pytest.fixture(scope="module")
def python() -> str:
    return interpreter("jax", "onnx", "flatbuffers")


@pytest.fixture(scope="module")
def models(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model files."""
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run([python, "-c", MODELS], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def digits_file(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe") / "folder"
    return run_recipe(python, "digits_jax.py", folder, {"graph": "digits_cnn.jaxexport"})["graph"]


@pytest.fixture(scope="module")
def refusing(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """One worker for everything that is refused."""
    worker = WorkerProcess(tmp_path_factory.mktemp("worker"), command=(python,))
    yield worker
    worker.channel.kill()
    worker.channel.close()


@pytest.fixture
def worker(start: Start, python: str) -> WorkerProcess:
    return start(command=(python,))


def refuse(worker: WorkerProcess, path: Path, *inputs: Tensor, **fields: Any) -> tuple[str, str]:
    failed = worker.ask(load("jax", {"graph": path}, inputs, **fields), Failed)
    return failed.kind, failed.message


def run(worker: WorkerProcess, path: Path, samples: Sequence[Array], **fields: Any) -> list[Array]:
    inputs = fields.pop("inputs", [Tensor("", values.dtype.name, values.shape[1:]) for values in samples])
    return answers(worker, load("jax", {"graph": path}, inputs, **fields), samples)


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (32, 2)])
def test_digits_cnn_is_what_it_is_in_onnxruntime(
    worker: WorkerProcess, digits_file: Path, batch: int, threads: int
) -> None:
    (logits,) = run(worker, digits_file, [digits()[0]], inputs=[IMAGE], batch=batch, threads=threads)
    check_digits(logits)


def test_the_recipe_makes_the_same_bytes_again(python: str, digits_file: Path, tmp_path: Path) -> None:
    again = run_recipe(python, "digits_jax.py", tmp_path / "again", {"graph": "other.jaxexport"})["graph"]
    assert again.read_bytes() == digits_file.read_bytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_xla_computes_with_as_many_threads_as_are_asked_for(
    worker: WorkerProcess, digits_file: Path, threads: int
) -> None:
    loaded = worker.ask(load("jax", {"graph": digits_file}, [IMAGE], threads=threads), Loaded)
    assert loaded.effective["threads"] == threads
    tasks = Path(f"/proc/{worker.hello.pid}/task")
    names = [(task / "comm").read_text().strip() for task in tasks.iterdir()]
    if "tf_XLAEigen" not in names:
        pytest.skip("the threads of this XLA have no names")
    assert names.count("tf_XLAEigen") == threads


def test_what_jax_says_of_its_settings_is_told(worker: WorkerProcess, digits_file: Path, python: str) -> None:
    loaded = worker.ask(load("jax", {"graph": digits_file}, [IMAGE], batch=3), Loaded)
    assert loaded.inputs == [Tensor("image", "float32", (3, 1, 8, 8))]
    assert loaded.outputs[0].shape == (3, 10)
    assert loaded.fixed_batch == 3
    assert {"precision": "fp32", "platform": "cpu", "x64": False}.items() <= loaded.effective.items()
    code = "import jax; print(jax.__version__)"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert loaded.framework_version == said


def test_a_program_of_lower_precision_is_told(start: Start, python: str, models: Path) -> None:
    worker = start(command=(python,))
    said = "precision cannot be fp32: the program was exported in bf16, and jax computes it so"
    assert refuse(worker, models / "half.jaxexport", X, options={"precision": "fp32"}) == ("option", said)
    loaded = start(command=(python,)).ask(load("jax", {"graph": models / "half.jaxexport"}, [X]), Loaded)
    assert (loaded.effective["precision"], loaded.outputs[0].element_type) == ("bf16", "float32")


@pytest.mark.parametrize(("file", "batch"), [("dense", 3), ("named", 4), ("fixed", 1), ("fixed", 2)])
def test_a_batch_is_filled_up(worker: WorkerProcess, models: Path, file: str, batch: int) -> None:
    samples = RANDOM.standard_normal((7, 6)).astype(np.float32)
    (found,) = run(worker, models / f"{file}.jaxexport", [samples], batch=batch)
    np.testing.assert_allclose(found, samples @ WEIGHTS, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("names", [("left", "right"), ("right", "left"), ("", "")])
def test_several_inputs_are_fed_by_name_or_order(worker: WorkerProcess, models: Path, names: tuple[str, str]) -> None:
    left = RANDOM.standard_normal((5, 3)).astype(np.float32)
    right = RANDOM.integers(0, 99, (5, 3)) + 2**40
    samples: list[Array] = [right, left] if names[0] == "right" else [left, right]
    inputs = [Tensor(name, values.dtype.name, (3,)) for name, values in zip(names, samples, strict=True)]
    total, count = run(worker, models / "two.jaxexport", samples, inputs=inputs, batch=2)
    np.testing.assert_array_equal(total, left + right.astype(np.float32))
    np.testing.assert_array_equal(count, right + 1)


def test_dynamic_dimensions_are_inspected_and_take_the_declared_shape(
    worker: WorkerProcess, refusing: WorkerProcess, models: Path
) -> None:
    path = models / "pool.jaxexport"
    loaded = refusing.ask(load("jax", {"graph": path}, inspect=True), Loaded)
    assert loaded.inputs == [Tensor("input0", "float32", (-1, 3, -1, -1))]
    assert loaded.outputs == [Tensor("output0", "float32", (-1, 3))]
    said = "input 'input0' leaves its shape open: [3, ?, ?] without the batch"
    assert refuse(refusing, path) == ("input", said)
    samples = RANDOM.standard_normal((3, 3, 5, 8)).astype(np.float32)
    (found,) = run(worker, path, [samples], batch=2)
    np.testing.assert_allclose(found, samples.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keep", [0, 1, 7, 0.3, 0.9])
def test_a_truncated_file_is_a_model_error(refusing: WorkerProcess, models: Path, tmp_path: Path, keep: float) -> None:
    data = (models / "dense.jaxexport").read_bytes()
    path = tmp_path / "part.jaxexport"
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    assert refuse(refusing, path, X) == (
        "model",
        "jax cannot load the model: it is no whole file of jax.export",
    )


def test_files_of_another_kind_are_model_errors(refusing: WorkerProcess, tmp_path: Path) -> None:
    for content in (b"this is text\n" * 100, bytes(range(256)) * 40):
        (tmp_path / "other.jaxexport").write_bytes(content)
        assert refuse(refusing, tmp_path / "other.jaxexport", X)[0] == "model"
    kind, message = refuse(refusing, tmp_path / "none.jaxexport", X)
    assert kind == "model"
    assert message.startswith("jax cannot load the model: No such file or directory")


@pytest.mark.parametrize(("file", "said"), [("cuda", "exported for platforms '('cuda',)'"), ("custom", "frob")])
def test_what_this_xla_cannot_run_is_a_model_error(refusing: WorkerProcess, models: Path, file: str, said: str) -> None:
    kind, message = refuse(refusing, models / f"{file}.jaxexport", X)
    assert kind == "model"
    assert message.startswith("jax cannot compile the model: ")
    assert said in message


@pytest.mark.parametrize(
    ("file", "wanted", "message"),
    [
        ("dense", Tensor("x", "uint8", (6,)), "input 'x' is float32, the manifest says uint8"),
        ("dense", Tensor("x", "float32", (7,)), "input 'x' has shape [6] without the batch, the manifest says [7]"),
        ("named", Tensor("y", "float32", (6,)), "the model has no input 'y'; it has x"),
        ("key", Tensor("key", "float32", ()), "input 'key' is a key<fry>, which is not supported"),
    ],
)
def test_an_input_that_is_not_the_models_is_refused(
    refusing: WorkerProcess, models: Path, file: str, wanted: Tensor, message: str
) -> None:
    assert refuse(refusing, models / f"{file}.jaxexport", wanted) == ("input", message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "bf16"}, "precision cannot be bf16: the program was exported in fp32, and jax computes it so"),
        ({"streams": 2}, "streams is said with --streams"),
        ({"xla_no_such_option": 1}, "XLA does not take its options: "),
    ],
)
def test_options_that_jax_cannot_honour_are_errors(
    refusing: WorkerProcess, models: Path, options: dict[str, Any], message: str
) -> None:
    kind, said = refuse(refusing, models / "dense.jaxexport", X, options=options)
    assert kind == "option"
    assert said.startswith(message)


def test_options_of_xla_are_set_by_its_own_names(worker: WorkerProcess, models: Path) -> None:
    options = {"xla_cpu_enable_fast_math": True}
    loaded = worker.ask(load("jax", {"graph": models / "dense.jaxexport"}, [X], options=options), Loaded)
    assert options.items() <= loaded.effective.items()


def test_without_a_gpu_one_sentence_says_how_to_go_on(worker: WorkerProcess, models: Path, python: str) -> None:
    code = "import jax; print(any(device.platform == 'gpu' for device in jax.devices()))"
    if subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "True":
        pytest.skip("there is a GPU here")
    said = "jax finds no GPU that it can use; leave out --gpu"
    assert refuse(worker, models / "dense.jaxexport", X, device="gpu") == ("framework", said)
