"""OpenVINO: ONNX and IR files give OpenVINO's numbers, in fp32 unless bf16 is asked for; what is wrong is said."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.worker.protocol import Failed, Loaded, Quit, Ready, Tensor
from tests.frameworks.harness import IMAGE, ONNX, answers, check_digits, digits, expected, interpreter, load, served
from tests.worker import models
from tests.worker.conftest import Start
from tests.worker.process import WorkerProcess

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(3)
X = Tensor("x", "float32", (6,))


@pytest.fixture(scope="module")
def python() -> str:
    return interpreter("openvino")


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


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    return models.dense(tmp_path / "dense.onnx")


def refuse(worker: WorkerProcess, path: Path, *inputs: Tensor, **fields: Any) -> tuple[str, str]:
    failed = worker.ask(load("openvino", {"graph": path}, inputs, **fields), Failed)
    return failed.kind, failed.message


def run(worker: WorkerProcess, path: Path, samples: Sequence[Array], **fields: Any) -> list[Array]:
    inputs = fields.pop("inputs", [Tensor("", values.dtype.name, values.shape[1:]) for values in samples])
    return answers(worker, load("openvino", {"graph": path}, inputs, **fields), samples)


def settings(worker: WorkerProcess, path: Path, **fields: Any) -> dict[str, Any]:
    return worker.ask(load("openvino", {"graph": path}, **fields), Loaded).effective


def amx(python: str) -> bool:
    """Whether OpenVINO would compute fp32 models in bf16 here."""
    code = "import openvino as o; print('BF16' in o.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "True"


def save_ir(python: str, source: Path, target: Path) -> None:
    code = "import openvino as o, sys; o.save_model(o.Core().read_model(sys.argv[1]), sys.argv[2], False)"
    subprocess.run([python, "-c", code, str(source), str(target)], check=True)


@pytest.mark.parametrize(("batch", "threads", "reshape"), [(1, 1, True), (32, 2, True), (7, 1, False)])
def test_digits_cnn_is_what_it_is_in_onnxruntime(
    worker: WorkerProcess, batch: int, threads: int, reshape: bool
) -> None:
    (logits,) = run(
        worker, ONNX, [digits()[0]], inputs=[IMAGE], batch=batch, threads=threads, options={"reshape": reshape}
    )
    check_digits(logits)


@pytest.mark.parametrize("pin", [False, True])
@pytest.mark.parametrize("batch", [1, 7])
def test_streams_give_the_same_numbers(worker: WorkerProcess, batch: int, pin: bool) -> None:
    command = load("openvino", {"graph": ONNX}, [IMAGE], batch=batch, streams=2, pin=pin)
    (logits,) = served(worker, command, [digits()[0]])
    check_digits(logits)


def test_the_precision_is_fp32_and_the_settings_are_what_the_compiled_model_says(
    worker: WorkerProcess, python: str
) -> None:
    loaded = worker.ask(load("openvino", {"graph": ONNX}, [IMAGE], batch=3, threads=2), Loaded)
    assert loaded.inputs == [Tensor("image", "float32", (3, 1, 8, 8))]
    assert loaded.outputs == [Tensor("logits", "float32", (3, 10))]
    assert loaded.fixed_batch == 3
    assert {"threads": 2, "streams": 1, "precision": "fp32", "device": "cpu"}.items() <= loaded.effective.items()
    assert loaded.effective["INFERENCE_PRECISION_HINT"] == "f32"
    assert loaded.effective["EXECUTION_DEVICES"] == ["CPU"]
    assert loaded.effective["PERFORMANCE_HINT"] == "LATENCY"
    assert set(loaded.effective["layers_by_precision"]) == {"f32"}
    assert loaded.warnings == []
    version = "import importlib.metadata as m; print(m.version('openvino'))"
    said = subprocess.run([python, "-c", version], capture_output=True, text=True, check=True).stdout.strip()
    assert loaded.framework_version == said


@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_bf16_is_computed_only_when_it_is_asked_for_and_is_told(start: Start, python: str, precision: str) -> None:
    if not amx(python):
        pytest.skip("OpenVINO does not compute in bf16 on this CPU")
    loaded = start(command=(python,)).ask(
        load("openvino", {"graph": ONNX}, [IMAGE], options={"precision": precision}), Loaded
    )
    assert loaded.effective["precision"] == "bf16"
    assert loaded.effective["layers_by_precision"]["bf16"] > 0
    assert bool(loaded.warnings) == (precision == "auto")
    worker = start(command=(python,))
    (logits,) = run(worker, ONNX, [digits()[0]], inputs=[IMAGE], batch=50, options={"precision": precision})
    assert 1e-3 < np.abs(logits - expected()).max() < 1


def test_an_ir_file_has_its_weights_in_another(worker: WorkerProcess, python: str, dense: Path, tmp_path: Path) -> None:
    save_ir(python, dense, tmp_path / "dense.xml")
    graph = (tmp_path / "dense.xml").rename(tmp_path / "0001")
    weights = (tmp_path / "dense.bin").rename(tmp_path / "0002")
    samples = RANDOM.standard_normal((7, 6)).astype(np.float32)
    (found,) = answers(worker, load("openvino", {"graph": graph, "params": weights}, [X], batch=3), [samples])
    np.testing.assert_allclose(found, samples @ models.dense_weights(6, 4), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch", "fixed"), [(1, 4), (3, 4), (4, 4)])
def test_a_fixed_batch_is_filled_up(worker: WorkerProcess, tmp_path: Path, batch: int, fixed: int) -> None:
    samples = RANDOM.standard_normal((7, 6)).astype(np.float32)
    (found,) = run(worker, models.dense(tmp_path / "fixed.onnx", batch=fixed), [samples], batch=batch)
    np.testing.assert_allclose(found, samples @ models.dense_weights(6, 4), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("names", [("left", "right"), ("right", "left"), ("1", "0"), ("", "")])
def test_several_inputs_are_fed_by_name_number_or_order(
    worker: WorkerProcess, tmp_path: Path, names: tuple[str, str]
) -> None:
    left = RANDOM.standard_normal((5, 3)).astype(np.float32)
    right = RANDOM.integers(0, 99, (5, 3))
    samples: list[Array] = [right, left] if names[0] in ("right", "1") else [left, right]
    inputs = [Tensor(name, values.dtype.name, (3,)) for name, values in zip(names, samples, strict=True)]
    total, count = run(worker, models.two_inputs(tmp_path / "two.onnx"), samples, inputs=inputs, batch=2)
    np.testing.assert_array_equal(total, left + right.astype(np.float32))
    np.testing.assert_array_equal(count, right + 1)


def test_dynamic_dimensions_are_inspected_and_take_the_declared_shape(
    start: Start, python: str, tmp_path: Path
) -> None:
    path = models.dynamic(tmp_path / "dynamic.onnx")
    worker = start(command=(python,))
    loaded = worker.ask(load("openvino", {"graph": path}, inspect=True), Loaded)
    assert loaded.inputs == [Tensor("x", "float32", (-1, 3, -1, -1))]
    assert loaded.outputs == [Tensor("y", "float32", (-1, 3))]
    said = "input 'x' leaves its shape open: [3, ?, ?] without the batch"
    assert refuse(worker, path) == ("input", said)
    worker.ask(Quit(), Ready)
    samples = RANDOM.standard_normal((3, 3, 5, 8)).astype(np.float32)
    (found,) = run(start(command=(python,)), path, [samples], batch=2)
    np.testing.assert_allclose(found, samples.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keep", [0, 1, 7, 0.3, 0.9])
def test_a_truncated_file_is_a_model_error(refusing: WorkerProcess, dense: Path, keep: float) -> None:
    data = dense.read_bytes()
    dense.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    kind, message = refuse(refusing, dense, X)
    assert (kind, message[:32]) == ("model", "openvino cannot load the model: ")


def test_weights_that_are_missing_or_too_short_are_a_model_error(
    refusing: WorkerProcess, python: str, dense: Path, tmp_path: Path
) -> None:
    save_ir(python, dense, tmp_path / "dense.xml")
    weights = tmp_path / "dense.bin"
    weights.write_bytes(weights.read_bytes()[:10])
    said = refuse(refusing, tmp_path / "dense.xml", X)
    assert said == ("model", "openvino cannot load the model: Incorrect weights in bin file!")
    weights.unlink()
    kind, message = refuse(refusing, tmp_path / "dense.xml", X)
    assert kind == "model"
    assert "bin file cannot be found" in message


def test_files_of_another_kind_are_model_errors(refusing: WorkerProcess, tmp_path: Path) -> None:
    for content in (b"this is text\n" * 100, bytes(range(256)) * 40):
        (tmp_path / "other.onnx").write_bytes(content)
        assert refuse(refusing, tmp_path / "other.onnx")[0] == "model"
    assert refuse(refusing, tmp_path / "none.onnx")[0] == "model"


def test_an_operator_that_openvino_lacks_is_named(refusing: WorkerProcess, tmp_path: Path) -> None:
    path = models.unknown_operator(tmp_path / "unknown.onnx")
    kind, message = refuse(refusing, path)
    assert kind == "model"
    assert message.endswith("No conversion rule found for operations: my.ops.Frobnicate")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Tensor("x", "uint8", (6,)), "input 'x' is float32, the manifest says uint8"),
        (Tensor("x", "float32", (7,)), "input 'x' has shape [6] without the batch, the manifest says [7]"),
        (Tensor("y", "float32", (6,)), "the model has no input 'y'; it has x"),
    ],
)
def test_an_input_that_is_not_the_models_is_refused(
    refusing: WorkerProcess, dense: Path, wanted: Tensor, message: str
) -> None:
    assert refuse(refusing, dense, wanted) == ("input", message)


def test_a_batch_that_the_graph_cannot_have_is_refused(refusing: WorkerProcess, tmp_path: Path) -> None:
    fixed = models.dense(tmp_path / "fixed.onnx", batch=2)
    said = "the model's batch is fixed at 2, smaller than --batch-size 4"
    assert refuse(refusing, fixed, X, batch=4) == ("input", said)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "precision is one of fp32, bf16, fp16, auto, not 'int8'"),
        ({"precison": "fp32"}, "unknown option 'precison' of the predictor; did you mean 'precision'?"),
        ({"streams": 2}, "streams is said with --streams"),
        ({"NUM_STREAMS": 1}, "NUM_STREAMS is said with --streams"),
        ({"PERFORMANCE_HINT": "FAST"}, "openvino does not take PERFORMANCE_HINT=FAST: "),
    ],
)
def test_options_that_openvino_cannot_honour_are_errors(
    refusing: WorkerProcess, dense: Path, options: dict[str, Any], message: str
) -> None:
    kind, said = refuse(refusing, dense, X, options=options)
    assert kind == "option"
    assert said.startswith(message)


def test_more_threads_than_openvino_will_use_are_an_error(refusing: WorkerProcess, dense: Path) -> None:
    kind, message = refuse(refusing, dense, X, threads=4096)
    assert kind == "option"
    assert message.startswith("openvino cannot do INFERENCE_NUM_THREADS=4096 here, it makes ")


def test_properties_of_openvino_are_set_by_its_own_names(start: Start, python: str, dense: Path) -> None:
    options: dict[str, Any] = {"EXECUTION_MODE_HINT": "ACCURACY", "ENABLE_CPU_PINNING": False}
    found = settings(start(command=(python,)), dense, options=options)
    assert options.items() <= found.items()
    found = settings(start(command=(python,)), dense, streams=2)
    assert (found["PERFORMANCE_HINT"], found["streams"], found["threads"]) == ("THROUGHPUT", 2, 1)


def test_without_a_gpu_one_sentence_says_how_to_go_on(refusing: WorkerProcess, dense: Path, python: str) -> None:
    code = "import openvino as o; print(*o.Core().available_devices)"
    if "GPU" in subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout:
        pytest.skip("there is a GPU here")
    said = "openvino finds no GPU that it can use, only CPU; leave out --gpu"
    assert refuse(refusing, dense, X, device="gpu") == ("framework", said)
