"""From the raw profile that a worker left to layers on the run's clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlscope.analyses.profiles import ModelCalls, layers_of, read_profile, summed_up
from mlscope.analyses.profiles._events import Event
from mlscope.analyses.profiles._fusion import account

START_NS = 1_000_000_000_000
"""When the profile began, on the profiler's clock; the run's clock is 400 s behind it."""
BEHIND_NS = 400_000_000_000


def node(name: str, kind: str, begin_us: int, duration_us: int, **told: Any) -> dict[str, Any]:
    """A layer as ONNX Runtime's profile has it."""
    return {
        "cat": "Node", "ph": "X", "pid": 1, "tid": 7, "ts": begin_us, "dur": duration_us,
        "name": f"{name}_kernel_time", "args": {"op_name": kind, **told},
    }  # fmt: skip


def call(begin_us: int, duration_us: int) -> dict[str, Any]:
    """A call of the model."""
    return {
        "cat": "Session", "ph": "X", "pid": 1, "tid": 7, "ts": begin_us, "dur": duration_us, "name": "model_run",
        "args": {},
    }  # fmt: skip


def left(folder: Path, events: Sequence[Mapping[str, Any]], pairs: Sequence[Sequence[int]] | None = None) -> Path:
    """What a worker leaves."""
    folder.mkdir(exist_ok=True)
    (folder / "session-0.json").write_text(json.dumps(list(events)))
    notes = {
        "profiler": "onnxruntime",
        "version": "1",
        "clock": "system",
        "pairs": pairs or [[START_NS - BEHIND_NS, START_NS]],
        "files": [{"name": "session-0.json", "stream": 0, "start_ns": START_NS}],
    }
    (folder / "profile.json").write_text(json.dumps(notes))
    return folder


def calls(*spans_us: tuple[int, int]) -> ModelCalls:
    """Measured calls, microseconds since the profile began, on the run's clock."""
    times = 1000 * np.array(spans_us, np.int64).reshape(-1, 2) + START_NS - BEHIND_NS
    return ModelCalls(np.arange(len(times)), times[:, 0], times[:, 1], np.zeros(len(times), np.int64))


def test_layers_lie_in_their_calls_and_the_first_has_index_0(tmp_path: Path) -> None:
    told = {"output_size": "4096", "output_type_shape": [{"float": [1, 1024]}]}
    events = [node("a", "Conv", 12, 5, **told), node("b", "Relu", 18, 2), call(10, 12)]
    events += [node("a", "Conv", 42, 7), node("b", "Relu", 50, 4), call(40, 20)]
    found = layers_of(read_profile(left(tmp_path, events)), calls((9, 23), (39, 61)))
    assert [(row.call, row.index, row.name, row.type) for row in found.rows] == [
        (0, 0, "a", "Conv"), (0, 1, "b", "Relu"), (1, 0, "a", "Conv"), (1, 1, "b", "Relu"),
    ]  # fmt: skip
    assert (found.rows[0].begin_ns, found.rows[0].duration_ns) == (START_NS - BEHIND_NS + 12_000, 5000)
    assert (found.rows[0].output_shapes, found.rows[0].allocated_bytes) == ("float[1,1024]", 4096)
    summary = summed_up(found.rows, None, calls((9, 23), (39, 61)))
    assert [(layer.index, layer.calls, layer.median_ns) for layer in summary] == [(0, 2, 6000), (1, 2, 3000)]
    assert summary[0].share == pytest.approx(12 / 36)
    assert found.warnings == []


def test_layers_of_equal_names_are_different_layers(tmp_path: Path) -> None:
    events = [node("x", "Add", 1, 2), node("x", "Add", 4, 2), node("y", "Add", 7, 2), call(0, 10)]
    found = layers_of(read_profile(left(tmp_path, events)), calls((0, 11)))
    assert [(row.index, row.name) for row in found.rows] == [(0, "x"), (1, "x"), (2, "y")]


def test_what_runs_inside_of_a_branch_is_part_of_it(tmp_path: Path) -> None:
    events = [node("then", "Add", 3, 2), node("then", "Add", 6, 2), node("if", "If", 2, 8), node("z", "Relu", 11, 2)]
    found = layers_of(read_profile(left(tmp_path, [*events, call(1, 20)])), calls((0, 30)))
    assert [(row.name, row.depth, row.parent) for row in found.rows] == [
        ("if", 0, None), ("then", 1, 0), ("then", 1, 0), ("z", 0, None),
    ]  # fmt: skip


def test_calls_of_the_warm_up_are_left_out(tmp_path: Path) -> None:
    events = [node("a", "Conv", 1, 2), call(0, 5), node("a", "Conv", 101, 2), call(100, 5)]
    found = layers_of(read_profile(left(tmp_path, events)), calls((99, 106)))
    assert [(row.call, row.duration_ns) for row in found.rows] == [(0, 2000)]


def test_the_clocks_error_never_moves_a_layer_out_of_its_call(tmp_path: Path) -> None:
    events = [node("a", "Conv", 11, 20), call(10, 24)]
    measured = calls((12, 38))
    (row,) = layers_of(read_profile(left(tmp_path, events)), measured).rows
    assert measured.begin_ns[0] <= row.begin_ns < row.end_ns <= measured.end_ns[0]
    assert row.duration_ns == 20_000


def test_a_clock_that_was_set_back_is_told_once(tmp_path: Path) -> None:
    pairs = [[START_NS - BEHIND_NS, START_NS], [START_NS - BEHIND_NS + 5_000_000_000, START_NS - 2_000_000_000]]
    profile = read_profile(left(tmp_path, [node("a", "Conv", 1, 2), call(0, 5)], pairs))
    found = layers_of(profile, calls((0, 6)))
    assert len(found.rows) == 1
    assert len(found.warnings) == 1
    assert "clock was set" in found.warnings[0]


@pytest.mark.parametrize("name", ["session-0.json", "profile.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "other"])
def test_a_damaged_profile_is_one_warning(tmp_path: Path, name: str, damage: str) -> None:
    path = left(tmp_path, [node("a", "Conv", 1, 2), call(0, 5)]) / name
    text = path.read_text()
    path.write_text({"cut": text[: len(text) // 2], "other": '"text"'}.get(damage, ""))
    if damage == "gone":
        path.unlink()
    found = layers_of(read_profile(tmp_path), calls((0, 6)))
    assert found.rows == []
    assert len(found.warnings) == 1
    assert len(found.warnings[0].splitlines()) == 1


def test_streams_that_share_a_session_are_told_by_their_threads(tmp_path: Path) -> None:
    events = []
    for begin, thread in ((0, 1), (3, 2), (20, 1), (22, 2)):
        events += [node("a", "Conv", begin + 1, 8) | {"tid": thread}, call(begin, 10) | {"tid": thread}]
    both = calls((0, 11), (3, 14), (20, 31), (22, 33))
    both = ModelCalls(both.number, both.begin_ns, both.end_ns, np.array([0, 1, 0, 1]))
    found = layers_of(read_profile(left(tmp_path, events)), both)
    assert [(row.call, row.thread) for row in found.rows] == [(0, 1), (1, 2), (2, 1), (3, 2)]


def written(model: Path, level: Any) -> Path:
    """The graph that ONNX Runtime really runs."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    options.optimized_model_filepath = str(model.with_suffix(".run.onnx"))
    onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return model.with_suffix(".run.onnx")


def residual(path: Path) -> Path:
    """Conv, batch norm and ReLU with an addition around them; a constant that is computed; one node without use."""
    weight = numpy_helper.from_array(np.ones((16, 16, 3, 3), np.float32), "w")
    ones = [numpy_helper.from_array(np.ones(16, np.float32), name) for name in ("s", "b", "m", "v")]
    nodes = [
        helper.make_node("Mul", ["w", "two"], ["w2"], "scale"),
        helper.make_node("Conv", ["x", "w2"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], "norm"),
        helper.make_node("Relu", ["n"], ["r"], "relu"),
        helper.make_node("Identity", ["r"], ["i"], "identity"),
        helper.make_node("Add", ["i", "x"], ["a"], "add"),
        helper.make_node("Relu", ["a"], ["y"], "last"),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 16, 8, 8])],
        [weight, numpy_helper.from_array(np.float32(2), "two"), *ones],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


LEVELS = onnxruntime.GraphOptimizationLevel


@pytest.mark.parametrize("level", [LEVELS.ORT_DISABLE_ALL, LEVELS.ORT_ENABLE_BASIC, LEVELS.ORT_ENABLE_ALL])
def test_every_node_is_accounted_for_exactly_once(tmp_path: Path, level: Any) -> None:
    model = residual(tmp_path / "model.onnx")
    found = account(model, written(model, level))
    assert found is not None
    listed = [*found.folded, *(name for names in found.nodes.values() for name in names)]
    assert sorted(listed) == ["add", "conv", "identity", "last", "norm", "relu", "scale"]
    if level == LEVELS.ORT_DISABLE_ALL:
        assert all(names == (name,) for (name, _, _), names in found.nodes.items())
        assert found.folded == ()
    else:
        assert found.folded == ("scale",)
        assert {"conv", "norm"} <= set(next(names for names in found.nodes.values() if "conv" in names))


def test_nodes_without_names_are_told_apart(tmp_path: Path) -> None:
    names = ["", "", "one", "other", ""]
    nodes = [helper.make_node("Tanh", [f"x{at}"], [f"x{at + 1}"], name) for at, name in enumerate(names)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("x0", "x5")]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    found = account(path, written(path, LEVELS.ORT_ENABLE_ALL))
    assert found is not None
    events = [Event(name or f"Tanh_{at}", "Tanh", 10 * at, 10 * at + 5) for at, name in enumerate(names)]
    found.settle(events)
    assert [event.nodes for event in events] == [
        ("Tanh -> x1",), ("Tanh -> x2",), ("one",), ("other",), ("Tanh -> x5",),
    ]  # fmt: skip


def test_a_model_that_is_no_onnx_has_no_fusion(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08nonsense")
    assert account(tmp_path / "model.onnx", tmp_path / "missing.onnx") is None


def openvino(folder: Path, counters: Mapping[str, Any], graph: Sequence[Mapping[str, Any]] = ()) -> Path:
    """What a worker leaves of OpenVINO."""
    (folder / "request-0.json").write_text(json.dumps(counters))
    (folder / "graph.json").write_text(json.dumps(list(graph)))
    notes = {
        "profiler": "openvino",
        "version": "1",
        "pairs": [[0, 0]],
        "files": [{"name": "request-0.json", "stream": 0}],
    }
    (folder / "profile.json").write_text(json.dumps(notes))
    return folder


def counter(name: str, kind: str, mean_us: float, ran: bool = True) -> dict[str, Any]:
    """A layer's counter."""
    return {"name": name, "type": kind, "kernel": "k", "ran": ran, "mean_us": mean_us}


def test_means_are_laid_out_in_a_call_and_marked(tmp_path: Path) -> None:
    first = [counter("a", "Convolution", 900), counter("b", "Relu", 0, ran=False)]
    last = [counter("a", "Convolution", 100), counter("b", "Relu", 0, ran=False), counter("c", "MatMul", 30)]
    measured = calls((0, 50), (100, 300), (400, 1000))
    found = layers_of(read_profile(openvino(tmp_path, {"calls": 11, "first": first, "layers": last})), measured)
    assert [(row.call, row.index, row.name, row.duration_ns) for row in found.rows] == [
        (1, 0, "a", 20_000), (1, 1, "c", 33_000),
    ]  # fmt: skip
    assert all(row.synthetic for row in found.rows)
    assert found.rows[0].begin_ns == measured.begin_ns[1]
    assert found.rows[0].end_ns == found.rows[1].begin_ns
    whole = float((measured.end_ns - measured.begin_ns).mean())
    assert sum(layer.share or 0 for layer in summed_up(found.rows, whole, measured)) == pytest.approx(53_000 / whole)


def test_means_that_find_no_room_are_shortened_and_keep_their_durations(tmp_path: Path) -> None:
    counters = {"calls": 2, "first": [], "layers": [counter("a", "Convolution", 100)]}
    (row,) = layers_of(read_profile(openvino(tmp_path, counters)), calls((0, 50))).rows
    assert (row.end_ns - row.begin_ns, row.duration_ns) == (50_000, 200_000)


def test_openvinos_names_lead_to_the_models_nodes(tmp_path: Path) -> None:
    graph = [{"name": "c/WithoutBiases", "originalLayersNames": "c/WithoutBiases,conv_1,relu"}]
    layers = [counter("c/WithoutBiases", "Convolution", 5), counter("reorder", "Reorder", 1), counter("y", "Relu", 2)]
    folder = openvino(tmp_path, {"calls": 3, "first": [], "layers": layers}, graph)
    profile = read_profile(folder, residual(tmp_path / "model.onnx"))
    nodes = [event.nodes for event in profile.runs[0].events]
    assert sorted([*profile.folded, *(name for names in nodes for name in names)]) == [
        "add", "conv", "identity", "last", "norm", "relu", "scale",
    ]  # fmt: skip
    assert profile.folded == ("scale",)
    assert {"conv", "norm", "relu"} <= set(nodes[0])
    assert "last" in nodes[2]


def test_operators_of_pytorch_are_called_like_the_programs_nodes(tmp_path: Path) -> None:
    def event(name: str, begin: float, duration: float, kind: str = "cpu_op", thread: int = 5) -> dict[str, Any]:
        return {"ph": "X", "cat": kind, "name": name, "tid": thread, "ts": begin, "dur": duration}

    found = [
        {"ph": "X", "cat": "Trace", "name": "PyTorch Profiler", "tid": "PyTorch Profiler", "ts": 0, "dur": 1},
        event("mlscope::predict", 10, 20, "user_annotation"),
        event("aten::linear", 12, 8) | {"args": {"Input type": ["float", "Scalar"], "Input Dims": [[1, 4], []]}},
        event("aten::addmm", 13, 6),
        event("aten::to", 21, 1),
        event("aten::relu", 23, 2),
        event("aten::relu", 26, 3),
        event("aten::relu", 26, 3, thread=6),
    ]
    trace = {"baseTimeNanoseconds": START_NS, "traceEvents": found}
    (tmp_path / "trace.json").write_text(json.dumps(trace))
    graph = [
        ("linear", "aten::linear", "float32[1,2]"), ("relu", "aten::relu", ""), ("drop", "aten::dropout", ""),
        ("relu_1", "aten::relu", ""),
    ]  # fmt: skip
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    notes = {"profiler": "pytorch", "version": "2", "call": "mlscope::predict", "files": []}
    (tmp_path / "profile.json").write_text(json.dumps({**notes, "pairs": [[START_NS - BEHIND_NS, START_NS]]}))
    rows = layers_of(read_profile(tmp_path), calls((9, 31))).rows
    assert [(row.index, row.name, row.depth, row.parent) for row in rows] == [
        (0, "linear", 0, None), (1, "aten::addmm", 1, 0), (2, "aten::to", 0, None), (3, "relu", 0, None),
        (4, "relu_1", 0, None),
    ]  # fmt: skip
    assert (rows[0].input_shapes, rows[0].output_shapes) == ("float[1,4]", "float32[1,2]")
    assert rows[3].nodes == ("relu",)
    assert read_profile(tmp_path).folded == ("drop",)


@pytest.mark.parametrize("text", ['{"traceEvents": [{"ph": "X"}]}', '{"traceEvents": [', "[]"])
def test_a_damaged_profile_of_pytorch_is_one_warning(tmp_path: Path, text: str) -> None:
    (tmp_path / "trace.json").write_text(text)
    notes = {"profiler": "pytorch", "version": "2", "call": "c", "files": [], "pairs": [[0, 0]]}
    (tmp_path / "profile.json").write_text(json.dumps(notes))
    assert len(read_profile(tmp_path).warnings) == 1
