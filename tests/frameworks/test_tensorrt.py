"""TensorRT without a GPU: what is asked of it and in which order, by modules that stand in for it and write it down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.worker.protocol import Failed, Loaded, Quit, Ready, Tensor
from tests.frameworks.harness import answers, load
from tests.worker.conftest import Start
from tests.worker.process import Slots, WorkerProcess

FAKES = Path(__file__).with_name("fakes")
GRAPH: dict[str, Any] = {
    "inputs": {"x": ["float32", [-1, 6]]},
    "outputs": {"y": ["float32", [-1, 4]], "z": ["float32", [-1, 2]]},
    "factor": 3,
}
X = Tensor("x", "float32", (6,))
SAMPLES = np.random.default_rng(3).standard_normal((7, 6)).astype(np.float32)


class Machine:
    """A machine with a GPU, as far as the fakes tell."""

    def __init__(self, start: Start, folder: Path) -> None:
        self._start, self.folder, self.log = start, folder, folder / "calls"
        self.graph = self.write()

    def write(self, name: str = "model.onnx", **changes: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps({**GRAPH, **changes}))
        return path

    def worker(self, env: dict[str, str] | None = None, *, paths: Sequence[Path] = (FAKES,)) -> WorkerProcess:
        self.log.write_text("")
        search = ":".join(map(str, paths))
        return self._start(env={"PYTHONPATH": search, "FAKE_LOG": str(self.log), **(env or {})})

    def calls(self, *names: str) -> list[list[Any]]:
        """The calls so far, of these names only."""
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [call for call in found if not names or call[0] in names]

    def load(self, graph: Path | None = None, *, env: dict[str, str] | None = None, **fields: Any) -> Loaded:
        command = load("tensorrt", {"graph": graph or self.graph}, [X], **{"device": "gpu", "batch": 2, **fields})
        return self.worker(env).ask(command, Loaded)

    def refuse(
        self,
        graph: Path | None = None,
        inputs: Sequence[Tensor] = (X,),
        *,
        env: dict[str, str] | None = None,
        **fields: Any,
    ) -> tuple[str, str]:
        command = load("tensorrt", {"graph": graph or self.graph}, inputs, **{"device": "gpu", **fields})
        failed = self.worker(env).ask(command, Failed)
        return failed.kind, failed.message


@pytest.fixture
def machine(start: Start, tmp_path: Path) -> Machine:
    return Machine(start, tmp_path)


@pytest.mark.parametrize("batch", [1, 2, 4, 7, 9])
def test_outputs_are_finished_when_they_are_returned(machine: Machine, batch: int) -> None:
    command = load("tensorrt", {"graph": machine.graph}, [X], batch=batch, device="gpu")
    first, second = answers(machine.worker(), command, [SAMPLES])
    np.testing.assert_array_equal(first, 3 * SAMPLES[:, :4])
    np.testing.assert_array_equal(second, 3 * SAMPLES[:, :2])


def test_a_fixed_batch_is_filled_up(machine: Machine) -> None:
    graph = machine.write(inputs={"x": ["float32", [4, 6]]}, outputs={"y": ["float32", [4, 4]]})
    command = load("tensorrt", {"graph": graph}, [X], batch=3, device="gpu")
    (found,) = answers(machine.worker(), command, [SAMPLES])
    np.testing.assert_array_equal(found, 3 * SAMPLES[:, :4])
    assert not machine.calls("set_shape", "add_optimization_profile")


def test_a_call_copies_runs_copies_and_waits_in_this_order(machine: Machine) -> None:
    worker = machine.worker()
    loaded = worker.ask(load("tensorrt", {"graph": machine.graph}, [X], batch=2, device="gpu"), Loaded)
    slots = Slots.open(worker, loaded, batch=2, slots=1, samples=3)
    slots.fill(0, SAMPLES[:2])
    machine.log.write_text("")
    slots.run(0, 0, range(2))
    assert machine.calls() == [
        ["cudaMemcpyAsync", "HostToDevice", 48],
        ["execute_async_v3"],
        ["cudaMemcpyAsync", "DeviceToHost", 32],
        ["cudaMemcpyAsync", "DeviceToHost", 16],
        ["cudaStreamSynchronize"],
    ]
    machine.log.write_text("")
    slots.run(0, 1, [2])
    assert machine.calls()[:2] == [["set_input_shape", "x", [1, 6]], ["cudaMemcpyAsync", "HostToDevice", 24]]


def test_everything_is_given_back_at_the_end(machine: Machine) -> None:
    worker = machine.worker()
    worker.ask(load("tensorrt", {"graph": machine.graph}, [X], device="gpu"), Loaded)
    worker.ask(Quit(), Ready)
    for taken, given in (
        ("cudaMalloc", "cudaFree"),
        ("cudaMallocHost", "cudaFreeHost"),
        ("cudaStreamCreate", "cudaStreamDestroy"),
    ):
        assert len(machine.calls(taken)) == len(machine.calls(given)) > 0


@pytest.mark.parametrize(("version", "flags"), [("8.6.1", 1), ("10.3.0", 1), ("11.4.0", 0)])
def test_an_engine_is_built_for_one_profile(machine: Machine, version: str, flags: int) -> None:
    options = {"max_batch": 8, "workspace_mb": 64}
    loaded = machine.load(batch=4, options=options, env={"FAKE_TENSORRT": version})
    building = machine.calls(
        *("Builder", "create_network", "parse_from_file", "clear_flag", "set_flag", "set_memory_pool_limit"),
        *("set_shape", "add_optimization_profile", "build_serialized_network", "deserialize_cuda_engine"),
    )
    assert building == [
        ["Builder"],
        ["create_network", flags],
        ["parse_from_file"],
        ["clear_flag", "TF32"],
        ["set_memory_pool_limit", "WORKSPACE", 64 << 20],
        ["set_shape", "x", [1, 6], [4, 6], [8, 6]],
        ["add_optimization_profile"],
        ["build_serialized_network"],
        ["deserialize_cuda_engine"],
    ]
    assert loaded.framework_version == version
    assert loaded.inputs == [Tensor("x", "float32", (4, 6))]
    assert loaded.outputs == [Tensor("y", "float32", (4, 4)), Tensor("z", "float32", (4, 2))]
    assert loaded.fixed_batch is None
    assert loaded.effective["device"] == "Fake GPU"
    assert loaded.effective["compute_capability"] == "8.6"
    assert loaded.effective["precision"] == "fp32"
    assert loaded.effective["plan_cached"] is False


@pytest.mark.parametrize(
    ("precision", "changes", "flags"),
    [
        ("fp32", {}, [["clear_flag", "TF32"]]),
        ("tf32", {}, [["set_flag", "TF32"]]),
        ("FP16", {}, [["clear_flag", "TF32"], ["set_flag", "FP16"]]),
        ("int8", {"quantised": True}, [["clear_flag", "TF32"], ["set_flag", "INT8"]]),
    ],
)
def test_a_precision_allows_what_it_says(
    machine: Machine, precision: str, changes: dict[str, Any], flags: list[list[str]]
) -> None:
    loaded = machine.load(machine.write(**changes), options={"precision": precision})
    assert machine.calls("set_flag", "clear_flag") == flags
    assert loaded.effective["precision"] == precision.lower()


def test_int8_takes_its_ranges_from_the_calibration_cache(machine: Machine) -> None:
    ranges = machine.folder / "calibration.cache"
    ranges.write_text("x: 3c010a14")
    machine.load(options={"precision": "int8", "calibration_cache": str(ranges)})
    assert machine.calls("set_flag", "calibrator") == [["set_flag", "INT8"], ["calibrator", "x: 3c010a14"]]


def test_tensorrt_11_computes_quantised_graphs_without_a_flag(machine: Machine) -> None:
    options = {"precision": "int8"}
    machine.load(machine.write(quantised=True), options=options, env={"FAKE_TENSORRT": "11.4.0"})
    assert machine.calls("set_flag") == []


def test_a_plan_is_built_once(machine: Machine) -> None:
    options = {"cache_dir": str(machine.folder / "some/plans")}
    first = machine.load(options=options)
    assert (first.effective["plan_cached"], len(machine.calls("build_serialized_network"))) == (False, 1)
    second = machine.load(options=options)
    assert (second.effective["plan_cached"], machine.calls("build_serialized_network", "Builder")) == (True, [])
    assert first.effective["plan"] == second.effective["plan"]
    assert [path.name for path in (machine.folder / "some/plans").iterdir()] == [f"{first.effective['plan']}.plan"]


def test_a_plan_is_kept_for_what_it_was_built_from_only(machine: Machine) -> None:
    ranges = machine.folder / "calibration.cache"
    ranges.write_text("ranges")
    int8 = {"precision": "int8", "calibration_cache": str(ranges)}
    variants: list[dict[str, Any]] = [
        {},
        {"batch": 3},
        {"options": {"max_batch": 5}},
        {"options": {"precision": "fp16"}},
        {"options": {"workspace_mb": 10}},
        {"options": int8},
        {"graph": machine.write("other.onnx", factor=2)},
        {"env": {"FAKE_TENSORRT": "10.4.0"}},
        {"env": {"FAKE_GPU": "Another GPU"}},
    ]
    digests = [machine.load(**variant).effective["plan"] for variant in variants]
    ranges.write_text("other ranges")
    digests.append(machine.load(options=int8).effective["plan"])
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("content", [b"", b"ftrt{", b"noise"])
def test_a_damaged_plan_is_built_again(machine: Machine, content: bytes) -> None:
    options = {"cache_dir": str(machine.folder)}
    path = machine.folder / f"{machine.load(options=options).effective['plan']}.plan"
    whole = path.read_bytes()
    path.write_bytes(content)
    assert machine.load(options=options).effective["plan_cached"] is False
    assert path.read_bytes() == whole


def test_a_folder_that_takes_no_plans_costs_only_the_plan(machine: Machine) -> None:
    loaded = machine.load(options={"cache_dir": str(machine.graph / "plans")})
    assert loaded.effective["plan_cached"] is False
    (warning,) = loaded.warnings
    assert warning.startswith(f"the plan cannot be kept in {machine.graph}/plans (")


def test_a_plan_is_run_as_it_is(machine: Machine) -> None:
    digest = machine.load(batch=4, options={"cache_dir": str(machine.folder)}).effective["plan"]
    plan = machine.folder / f"{digest}.plan"
    loaded = machine.load(plan, batch=3)
    assert machine.calls("Builder") == []
    assert loaded.inputs == [Tensor("x", "float32", (3, 6))]
    assert loaded.effective["precision"] is None
    assert machine.refuse(plan, options={"precision": "fp16"}) == (
        "option",
        "precision is decided when a plan is built; this one is built already",
    )
    assert machine.refuse(plan, batch=5) == ("input", "the engine takes no batch of 5 for its input 'x'")
    message = "tensorrt cannot load the plan: it is damaged, or of another TensorRT or GPU"
    assert machine.refuse(plan, env={"FAKE_TENSORRT": "10.9.0"}) == ("model", message)


def test_a_model_is_inspected_without_building_it(machine: Machine) -> None:
    loaded = machine.load(inspect=True)
    assert loaded.inputs == [Tensor("x", "float32", (-1, 6))]
    assert loaded.outputs == [Tensor("y", "float32", (-1, 4)), Tensor("z", "float32", (-1, 2))]
    assert machine.calls("build_serialized_network") == []


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"FAKE_GPUS": "0"}, ""),
        ({"FAKE_GPUS": "error"}, ": cudaErrorInsufficientDriver"),
        ({"FAKE_GPUS": "raise"}, ": Failed to dlopen libcuda.so.1"),
    ],
)
def test_a_missing_gpu_is_said_in_one_sentence(machine: Machine, env: dict[str, str], reason: str) -> None:
    message = f"tensorrt needs an NVIDIA GPU, and CUDA finds none here{reason}"
    assert machine.refuse(env=env) == ("framework", message)
    assert machine.calls("Builder") == []


def test_a_missing_package_is_said_in_one_sentence(start: Start, machine: Machine, tmp_path: Path) -> None:
    command = load("tensorrt", {"graph": machine.graph}, [X], device="gpu")
    message = "the predictor 'tensorrt' cannot be imported here: No module named 'tensorrt'"
    assert start().ask(command, Failed) == Failed("framework", message)
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    (lonely / "tensorrt").symlink_to(FAKES / "tensorrt")
    (lonely / "fake_log.py").symlink_to(FAKES / "fake_log.py")
    failed = machine.worker(paths=[lonely]).ask(command, Failed)
    assert failed == Failed("framework", "the predictor 'tensorrt' cannot be imported here: No module named 'cuda'")


def test_an_old_cuda_python_is_as_good(machine: Machine, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for name in ("tensorrt", "fake_log.py"):
        (old / name).symlink_to(FAKES / name)
    (old / "cuda").symlink_to(FAKES / "old_cuda/cuda")
    command = load("tensorrt", {"graph": machine.graph}, [X], batch=2, device="gpu")
    first, _ = answers(machine.worker(paths=[old]), command, [SAMPLES])
    np.testing.assert_array_equal(first, 3 * SAMPLES[:, :4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unbuildable": True}, "tensorrt cannot build an engine for the model; the worker's log says why"),
        ({"huge": True}, "tensorrt cannot run the model: the GPU has too little memory for it"),
        (
            {"outputs": {"y": ["float32", [-1, -1]]}},
            "the shape of output 'y' depends on the data: that is not supported",
        ),
        ({"inputs": {"x": ["bfloat16", [-1, 6]]}}, "input 'x' is a DataType.bfloat16, which is not supported"),
    ],
)
def test_a_model_that_cannot_be_run(machine: Machine, changes: dict[str, Any], message: str) -> None:
    assert machine.refuse(machine.write(**changes)) == ("model", message)


def test_a_file_that_is_no_model(machine: Machine) -> None:
    machine.graph.write_text("this is text")
    assert machine.refuse() == ("model", "tensorrt cannot load the model: the model is damaged; no graph")
    kind, said = machine.refuse(machine.folder / "none.onnx")
    assert (kind, said.startswith("tensorrt cannot load the model: ")) == ("model", True)


def test_a_gpu_without_room_is_a_framework_error(machine: Machine) -> None:
    message = "CUDA cannot make room for the model: cudaErrorMemoryAllocation"
    assert machine.refuse(env={"FAKE_FULL": "1"}) == ("framework", message)


def test_a_call_that_cannot_begin_is_a_failed_batch(machine: Machine) -> None:
    kind, said = machine.refuse(machine.write(broken=True))
    assert (kind, "TensorRT could not begin" in said) == ("input", True)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([Tensor("x", "uint8", (6,))], "input 'x' is float32, the manifest says uint8"),
        ([Tensor("x", "float32", (7,))], "input 'x' has shape [6] without the batch, the manifest says [7]"),
        ([Tensor("image", "float32", (6,))], "the model has no input 'image'; it has x"),
    ],
)
def test_an_input_that_is_declared_wrong(machine: Machine, inputs: list[Tensor], message: str) -> None:
    assert machine.refuse(inputs=inputs) == ("input", message)
    assert machine.calls("build_serialized_network") == []


@pytest.mark.parametrize(
    ("options", "env", "message"),
    [
        ({"precision": "fp8"}, {}, "precision is one of fp32, tf32, fp16, int8, not 'fp8'"),
        ({"max_batch": 1}, {}, "max_batch must be a whole number from 2, not 1"),
        ({"workspace_mb": "all"}, {}, "workspace_mb must be a whole number from 1, not 'all'"),
        ({"streams": 2}, {}, "streams is said with --streams"),
        ({"precission": "fp16"}, {}, "unknown option 'precission' of the predictor; did you mean 'precision'?"),
        ({"calibration_cache": "x"}, {}, "calibration_cache is for precision int8, not fp32"),
        (
            {"precision": "int8", "calibration_cache": "/none"},
            {},
            "calibration_cache /none cannot be read: No such file or directory",
        ),
        (
            {"precision": "int8"},
            {},
            "int8 of a graph that is not quantised needs the ranges of its tensors, option calibration_cache",
        ),
        (
            {"precision": "fp16"},
            {"FAKE_TENSORRT": "11.4.0"},
            "tensorrt 11.4.0 computes a graph in the types that it names, not in fp16; convert it, or take a "
            "tensorrt before 11",
        ),
    ],
)
def test_an_option_that_cannot_be_is_an_option_error(
    machine: Machine, options: dict[str, Any], env: dict[str, str], message: str
) -> None:
    assert machine.refuse(options=options, env=env, batch=2) == ("option", message)


def test_it_does_not_run_on_the_cpu(machine: Machine) -> None:
    assert machine.refuse(device="cpu") == ("framework", "tensorrt runs on NVIDIA GPUs only; add --gpu")
