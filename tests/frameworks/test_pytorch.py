"""PyTorch: TorchScript and exported programs give PyTorch's numbers; what is wrong with them is said."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.worker.protocol import Failed, Loaded, Tensor
from tests.frameworks.harness import (
    IMAGE,
    answers,
    check_digits,
    digits,
    expected,
    interpreter,
    load,
    run_recipe,
    served,
)
from tests.frameworks.pytorch_models import SCRIPT
from tests.worker.conftest import Start
from tests.worker.process import Slots, WorkerProcess

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(3)
WEIGHTS = np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32)
X = Tensor("x", "float32", (6,))


@pytest.fixture(scope="module")
def python() -> str:
    return interpreter("pytorch", "onnx")


@pytest.fixture(scope="module")
def models(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model files."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "write.py").write_text(SCRIPT)
    done = subprocess.run([python, "write.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def digits_files(python: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recipe") / "folder"
    return run_recipe(python, "digits_pytorch.py", folder, {"pt2": "digits_cnn.pt2", "pt": "digits_cnn.pt"})


@pytest.fixture(scope="module")
def refusing(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """One worker for everything that is refused: PyTorch takes seconds to import."""
    worker = WorkerProcess(tmp_path_factory.mktemp("worker"), command=(python,))
    yield worker
    worker.channel.kill()
    worker.channel.close()


@pytest.fixture
def worker(start: Start, python: str) -> WorkerProcess:
    return start(command=(python,))


def refuse(worker: WorkerProcess, path: Path, *inputs: Tensor, **fields: Any) -> tuple[str, str]:
    failed = worker.ask(load("pytorch", {"graph": path}, inputs, **fields), Failed)
    return failed.kind, failed.message


def run(worker: WorkerProcess, path: Path, samples: Sequence[Array], **fields: Any) -> list[Array]:
    inputs = fields.pop("inputs", [Tensor("", values.dtype.name, values.shape[1:]) for values in samples])
    return answers(worker, load("pytorch", {"graph": path}, inputs, **fields), samples)


def edit(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """A copy of an archive with changed contents."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


@pytest.mark.parametrize("form", ["pt2", "pt"])
@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (32, 2)])
def test_digits_cnn_is_what_it_is_in_onnxruntime(
    worker: WorkerProcess, digits_files: dict[str, Path], form: str, batch: int, threads: int
) -> None:
    path = digits_files[form]
    (logits,) = run(worker, path, [digits()[0]], inputs=[IMAGE], batch=batch, threads=threads)
    check_digits(logits)


@pytest.mark.parametrize("form", ["pt2", "pt"])
def test_streams_give_the_same_numbers(worker: WorkerProcess, digits_files: dict[str, Path], form: str) -> None:
    command = load("pytorch", {"graph": digits_files[form]}, [IMAGE], batch=7, threads=2, streams=2)
    (logits,) = served(worker, command, [digits()[0]])
    check_digits(logits)


def test_a_compiled_model_runs_one_stream(refusing: WorkerProcess, digits_files: dict[str, Path]) -> None:
    said = refuse(refusing, digits_files["pt2"], IMAGE, options={"compile": True}, streams=2)
    assert said == ("option", "what torch.compile makes runs one stream in a process; use --streams 1")


@pytest.mark.parametrize(("form", "option"), [("pt2", "compile"), ("pt", "freeze")])
def test_compiled_and_frozen_models_give_the_same_numbers(
    worker: WorkerProcess, digits_files: dict[str, Path], form: str, option: str
) -> None:
    (logits,) = run(worker, digits_files[form], [digits()[0]], inputs=[IMAGE], batch=64, options={option: True})
    check_digits(logits)


def test_the_recipe_makes_the_same_bytes_again(python: str, digits_files: dict[str, Path], tmp_path: Path) -> None:
    again = run_recipe(python, "digits_pytorch.py", tmp_path / "again", {"graph": "other.pt2"})["graph"]
    assert again.read_bytes() == digits_files["pt2"].read_bytes()


def test_what_pytorch_says_of_its_settings_is_told(
    worker: WorkerProcess, digits_files: dict[str, Path], python: str
) -> None:
    loaded = worker.ask(load("pytorch", {"graph": digits_files["pt2"]}, [IMAGE], batch=3, threads=2), Loaded)
    assert loaded.inputs == [Tensor("image", "float32", (3, 1, 8, 8))]
    assert loaded.outputs[0].shape == (3, 10)
    assert loaded.fixed_batch is None
    wanted = {"threads": 2, "inter_op_threads": 1, "precision": "fp32", "device": "cpu", "form": "exported program"}
    assert wanted.items() <= loaded.effective.items()
    assert loaded.effective["parameters"] == ["float32"]
    said = subprocess.run(
        [python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=True
    )
    assert loaded.framework_version == said.stdout.strip()


def test_bf16_is_autocast_and_told(start: Start, python: str, digits_files: dict[str, Path]) -> None:
    options = {"precision": "bf16"}
    command = load("pytorch", {"graph": digits_files["pt2"]}, [IMAGE], batch=50, options=options)
    loaded = start(command=(python,)).ask(command, Loaded)
    assert (loaded.effective["precision"], loaded.outputs[0].element_type) == ("bf16", "float32")
    (logits,) = answers(start(command=(python,)), command, [digits()[0]])
    assert 1e-3 < np.abs(logits - expected()).max() < 1


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_is_filled_up(worker: WorkerProcess, models: Path, batch: int) -> None:
    samples = RANDOM.standard_normal((7, 6)).astype(np.float32)
    if batch == 3:
        said = "the model's batch is fixed at 2, smaller than --batch-size 3"
        assert refuse(worker, models / "fixed.pt2", X, batch=3) == ("input", said)
        return
    (found,) = run(worker, models / "fixed.pt2", [samples], batch=batch)
    np.testing.assert_allclose(found, samples @ WEIGHTS, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["pt2", "pt"])
@pytest.mark.parametrize("names", [("left", "right"), ("right", "left"), ("", "")])
def test_several_inputs_are_fed_by_name_or_order(
    worker: WorkerProcess, models: Path, form: str, names: tuple[str, str]
) -> None:
    left = RANDOM.standard_normal((5, 3)).astype(np.float32)
    right = RANDOM.integers(0, 99, (5, 3))
    samples: list[Array] = [right, left] if names[0] == "right" else [left, right]
    inputs = [Tensor(name, values.dtype.name, (3,)) for name, values in zip(names, samples, strict=True)]
    total, count = run(worker, models / f"two.{form}", samples, inputs=inputs, batch=2)
    np.testing.assert_array_equal(total, left + right.astype(np.float32))
    np.testing.assert_array_equal(count, right + 1)


@pytest.mark.parametrize("form", ["pt2", "pt"])
def test_a_model_that_writes_into_its_input_gets_a_copy(worker: WorkerProcess, models: Path, form: str) -> None:
    loaded = worker.ask(load("pytorch", {"graph": models / f"writes.{form}"}, [X], batch=2), Loaded)
    assert loaded.effective["inputs_copied"] is True
    slots = Slots.open(worker, loaded, batch=2, slots=1, samples=4)
    slots.fill(0, np.ones((2, 6), np.float32))
    for number in range(2):
        assert slots.run(0, number, range(2 * number, 2 * number + 2)).error is None
    np.testing.assert_array_equal(slots.outputs()[0], np.full((4, 6), 4, np.float32))


def test_dynamic_dimensions_are_inspected_and_take_the_declared_shape(
    worker: WorkerProcess, refusing: WorkerProcess, models: Path
) -> None:
    loaded = refusing.ask(load("pytorch", {"graph": models / "pool.pt2"}, inspect=True), Loaded)
    assert loaded.inputs == [Tensor("x", "float32", (-1, 3, -1, -1))]
    assert loaded.outputs[0].shape == (-1, 3)
    said = "input 'x' leaves its shape open: [3, ?, ?] without the batch"
    assert refuse(refusing, models / "pool.pt2") == ("input", said)
    samples = RANDOM.standard_normal((3, 3, 5, 8)).astype(np.float32)
    (found,) = run(worker, models / "pool.pt2", [samples], batch=2)
    np.testing.assert_allclose(found, samples.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)


def test_torchscript_needs_a_manifest_to_know_its_inputs(refusing: WorkerProcess, models: Path) -> None:
    said = "TorchScript does not say of what type and shape its inputs are (x); describe them in a manifest"
    assert refuse(refusing, models / "dense.pt") == ("input", said)
    assert refuse(refusing, models / "dense.pt", inspect=True) == ("input", said)


@pytest.mark.parametrize("form", ["pt2", "pt"])
@pytest.mark.parametrize("keep", [0, 1, 7, 0.3, 0.9])
def test_a_truncated_file_is_a_model_error(
    refusing: WorkerProcess, models: Path, tmp_path: Path, form: str, keep: float
) -> None:
    data = (models / f"dense.{form}").read_bytes()
    path = tmp_path / f"part.{form}"
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    kind, message = refuse(refusing, path, X)
    assert (kind, message[:31]) == ("model", "pytorch cannot load the model: ")


def test_files_of_another_kind_are_model_errors(refusing: WorkerProcess, models: Path, tmp_path: Path) -> None:
    for content in (b"this is text\n" * 100, bytes(range(256)) * 40):
        (tmp_path / "other.pt").write_bytes(content)
        kind, message = refuse(refusing, tmp_path / "other.pt", X)
        assert kind == "model"
        assert message.endswith("it is no whole zip archive, as TorchScript and exported programs are")
    assert refuse(refusing, tmp_path / "none.pt", X)[0] == "model"
    kind, message = refuse(refusing, models / "state.pt", X)
    assert kind == "model"
    assert "it is neither TorchScript nor an exported program" in message


@pytest.mark.parametrize(
    ("name", "key"),
    [("expr_str", "expr_str"), ("guards_code", "guards_code"), ("target", "target"), ("pickle", ""), ("library", "")],
)
def test_nothing_in_a_file_is_carried_out_but_the_model(
    refusing: WorkerProcess, models: Path, tmp_path: Path, name: str, key: str
) -> None:
    evil = f"__import__('os').mkdir('{tmp_path}/evil')"

    def change(member: str, data: bytes) -> bytes:
        if name == "pickle" and member.endswith("sample_inputs/model.pt"):
            return (models / "evil.pt").read_bytes()
        if not member.endswith("/models/model.json"):
            return data
        program = json.loads(data)
        if name == "guards_code":
            program["guards_code"] = [evil]
        if name == "expr_str":
            program["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0]["as_expr"]["expr_str"] = evil
        if name == "target":
            program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.os.mkdir"
        return json.dumps(program).encode()

    path = edit(models / "dense.pt2", tmp_path / "evil.pt2", change)
    if name == "library":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("dense/data/aotinductor/model/model.so", b"")
    kind, message = refuse(refusing, path, X)
    assert kind == "model"
    reason = {"pickle": "it holds pickled objects that are no tensors", "library": "it holds compiled libraries"}
    assert message.startswith(f"pytorch cannot load the model: {reason.get(name, f'its {key} ')}")
    assert not (tmp_path / "evil").exists()
    assert not (refusing.folder / "evil").exists()


@pytest.mark.parametrize(("form", "name"), [("pt2", "torch.ops.my.frob.default"), ("pt", "my::frob")])
def test_an_operator_that_pytorch_lacks_is_named(refusing: WorkerProcess, models: Path, form: str, name: str) -> None:
    kind, message = refuse(refusing, models / f"custom.{form}", X)
    assert kind == "model"
    assert name in message


@pytest.mark.parametrize(
    ("file", "kind", "message"),
    [
        ("keyword.pt2", "model", "the model takes keyword or nested arguments"),
        ("nested.pt2", "model", "the model returns nested values"),
        ("number.pt2", "model", "the model takes arguments that are no tensors"),
        ("number.pt", "input", "input 'n' is a int, which is not supported"),
        ("many.pt", "model", "the model returns a List[Tensor]"),
    ],
)
def test_a_model_of_more_than_tensors_is_refused(
    refusing: WorkerProcess, models: Path, file: str, kind: str, message: str
) -> None:
    found, said = refuse(refusing, models / file, X)
    assert found == kind
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("file", "wanted", "message"),
    [
        ("dense.pt2", Tensor("x", "uint8", (6,)), "input 'x' is float32, the manifest says uint8"),
        ("dense.pt2", Tensor("x", "float32", (7,)), "input 'x' has shape [6] without the batch, the manifest says [7]"),
        ("dense.pt2", Tensor("y", "float32", (6,)), "the model has no input 'y'; it has x"),
        ("dense.pt", Tensor("y", "float32", (6,)), "the model has no input 'y'; it has x"),
        ("dense.pt", Tensor("x", "float32", (7,)), "the model refuses its input: RuntimeError: mat1 and mat2 shapes"),
    ],
)
def test_an_input_that_is_not_the_models_is_refused(
    refusing: WorkerProcess, models: Path, file: str, wanted: Tensor, message: str
) -> None:
    kind, said = refuse(refusing, models / file, wanted)
    assert kind == "input"
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("dense.pt2", {"precision": "int8"}, "precision is one of fp32, bf16, fp16, auto, not 'int8'"),
        ("dense.pt2", {"streams": 2}, "streams is said with --streams"),
        ("dense.pt2", {"frieze": True}, "unknown option 'frieze' of the predictor; did you mean 'freeze'?"),
        ("dense.pt2", {"freeze": True}, "freeze is for TorchScript, and this file is an exported program"),
        ("dense.pt", {"compile": True}, "compile is for exported programs, and this file is TorchScript"),
        ("half.pt2", {"precision": "fp32"}, "precision cannot be fp32: the model's parameters are bfloat16"),
    ],
)
def test_options_that_pytorch_cannot_honour_are_errors(
    refusing: WorkerProcess, models: Path, file: str, options: dict[str, Any], message: str
) -> None:
    assert refuse(refusing, models / file, X, options=options) == ("option", message)


def test_a_model_of_lower_precision_is_told(worker: WorkerProcess, models: Path) -> None:
    loaded = worker.ask(load("pytorch", {"graph": models / "half.pt2"}, [X]), Loaded)
    assert (loaded.effective["precision"], loaded.effective["parameters"]) == ("bf16", ["bfloat16"])


def test_without_a_compiler_compiling_is_refused(start: Start, python: str, models: Path, tmp_path: Path) -> None:
    env = {"PATH": "/nonexistent", "CXX": "/nonexistent/g++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    worker = start(command=(python,), env=env)
    kind, message = refuse(worker, models / "half.pt2", X, options={"compile": True})
    assert kind == "option"
    assert message.startswith("torch.compile failed: ")
    assert "No working C++ compiler found" in message


def test_without_a_gpu_one_sentence_says_how_to_go_on(refusing: WorkerProcess, models: Path, python: str) -> None:
    code = "import torch; print(torch.cuda.is_available())"
    if subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "True":
        pytest.skip("there is a GPU here")
    kind, message = refuse(refusing, models / "dense.pt2", X, device="gpu")
    assert kind == "framework"
    assert message.startswith("torch ")
    assert message.endswith("; leave out --gpu")
