"""Profiles of MXNet, TensorFlow and JAX: from their raw files to layers with names, in their calls."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.analyses.profiles import ModelCalls, Profile, layers_of, read_profile
from mlscope.analyses.profiles._xspace import _message

START_NS = 1_790_000_000_000_000_000
"""Of the system's clock; the run's clock is 400 s behind it."""
BEHIND_NS = 400_000_000_000
CALLS_US = ((0, 100), (150, 250))


def noted(folder: Path, profiler: str, **more: Any) -> Path:
    """The notes of a worker that timed two calls."""
    begin = START_NS - BEHIND_NS
    calls = [(begin + 1000 * first, begin + 1000 * last) for first, last in CALLS_US]
    notes = {"profiler": profiler, "version": "1", "pairs": [[begin, START_NS]], "files": [], "calls": calls, **more}
    (folder / "profile.json").write_text(json.dumps(notes))
    return folder


def shown(profile: Profile) -> list[list[tuple[str, str, int, int]]]:
    """Name, type, begin and length (microseconds) of each layer of each call."""
    return [
        [
            (event.name, event.type, (event.begin_ns - run.begin_ns) // 1000, (event.end_ns - event.begin_ns) // 1000)
            for event in run.events
        ]
        for run in profile.runs
    ]


def node(name: str, op: str = "null", inputs: Sequence[int] = (), **more: Any) -> dict[str, Any]:
    return {"op": op, "name": name, "inputs": [[source, 0, 0] for source in inputs], **more}


FUSED = {"nodes": [node("conv_in"), node("conv", "Convolution", [0]), node("relu", "Activation", [1])]}
MODEL = {
    "nodes": [
        node("x"), node("w"), node("conv", "Convolution", [0, 1]), node("relu", "Activation", [2]),
        node("deep", "Convolution", [3, 1]), node("deeper", "Convolution", [4, 1]),
        node("short", "Convolution", [3, 1]), node("sum", "elemwise_add", [5, 6]), node("gone", "Dropout", [7]),
    ]
}  # fmt: skip
"""A residual block: what is short stands behind what is deep, and can be run before it."""
RUN = {
    "nodes": [
        node("x"), node("w"), node("sg_conv", "_sg_mkldnn_conv", [0, 1], subgraphs=[FUSED]),
        node("deep", "Convolution", [2, 1]), node("deeper", "Convolution", [3, 1]),
        node("short", "Convolution", [2, 1]), node("sum", "elemwise_add", [4, 5]),
    ]
}  # fmt: skip


def slices(*found: tuple[str, int, int]) -> Iterable[dict[str, Any]]:
    """Begin and end of each, as MXNet writes them: microseconds of the system's clock."""
    base = START_NS // 1000
    for name, begin, length in found:
        for phase, time in (("B", base + begin), ("E", base + begin + length)):
            yield {"name": name, "cat": "operator", "ph": phase, "ts": time, "pid": 0, "tid": 7}


ORDER = (("_sg_mkldnn_conv", 10, 20), ("Convolution", 31, 5), ("Convolution", 37, 9), ("Convolution", 47, 4),
         ("elemwise_add", 52, 2))  # fmt: skip


def mxnet(folder: Path, events: Iterable[Mapping[str, Any]]) -> Path:
    (folder / "trace.json").write_text(json.dumps({"traceEvents": list(events), "displayTimeUnit": "ms"}))
    (folder / "graph.json").write_text(json.dumps(RUN))
    (folder / "model.json").write_text(json.dumps(MODEL))
    shapes = {"x": [1, 3, 8, 8], "sg_conv_output": [1, 4, 8, 8]}
    return noted(folder, "mxnet", shapes=shapes)


def test_operators_of_mxnet_are_the_nodes_that_could_be_run_then(tmp_path: Path) -> None:
    second = [(name, begin + 150, length) for name, begin, length in ORDER]
    copy = ("CopyCPU2CPU", 2, 3)
    profile = read_profile(mxnet(tmp_path, slices(copy, *ORDER, ("Dot", 120, 3), *second)), tmp_path / "model.json")
    assert profile.warnings == []
    expected = [
        ("sg_conv", "_sg_mkldnn_conv", 10, 20), ("deep", "Convolution", 31, 5), ("short", "Convolution", 37, 9),
        ("deeper", "Convolution", 47, 4), ("sum", "elemwise_add", 52, 2),
    ]  # fmt: skip
    assert shown(profile) == [expected, expected]
    for run in profile.runs:
        found = [name for event in run.events for name in event.nodes]
        assert sorted([*found, *profile.folded]) == sorted(each["name"] for each in MODEL["nodes"][2:])
    assert profile.runs[0].events[0].nodes == ("conv", "relu")
    assert profile.folded == ("gone",)
    assert (profile.runs[0].events[0].input_shapes, profile.runs[0].events[0].output_shapes) == (
        "[1,3,8,8]",
        "[1,4,8,8]",
    )


@pytest.mark.parametrize("name", ["trace.json", "graph.json", "model.json", "profile.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "other"])
def test_a_damaged_profile_of_mxnet_is_one_warning(tmp_path: Path, name: str, damage: str) -> None:
    path = mxnet(tmp_path, slices(*ORDER)) / name
    text = path.read_text()
    path.write_text({"cut": text[: len(text) // 2], "other": '"text"'}.get(damage, ""))
    if damage == "gone":
        path.unlink()
    profile = read_profile(tmp_path, tmp_path / "model.json")
    assert (profile.runs, len(profile.warnings)) == ([], 1)


def xspace(folder: Path, events: Sequence[tuple[str, int, int, Mapping[str, str]]], *, base_ns: int = 0) -> Path:
    """A file of TensorFlow's and XLA's profiler: name, begin and length (microseconds) and facts of each event.

    Times are counted from the profile's begin, which stands on its own, or from `base_ns`.
    """
    space = _message("XSpace")
    task = space.planes.add(name="Task Environment")
    if not base_ns:
        task.stat_metadata.add(key=1).value.name = "profile_start_time"
        task.stats.add(metadata_id=1).uint64_value = START_NS
    plane = space.planes.add(name="/host:CPU")
    line = plane.lines.add(id=7, timestamp_ns=base_ns)
    keys = sorted({key for *_, facts in events for key in facts})
    for number, key in enumerate(keys, 1):
        plane.stat_metadata.add(key=number).value.name = key
    for number, (name, begin, length, facts) in enumerate(events, 1):
        plane.event_metadata.add(key=number).value.name = name
        event = line.events.add(metadata_id=number, offset_ps=begin * 10**6, duration_ps=length * 10**6)
        for key, text in facts.items():
            event.stats.add(metadata_id=keys.index(key) + 1).str_value = text
    (folder / "host.xplane.pb").write_bytes(space.SerializeToString())
    return folder


@pytest.mark.parametrize("base_ns", [0, START_NS])
def test_operators_of_tensorflow(tmp_path: Path, base_ns: int) -> None:
    events: list[tuple[str, int, int, Mapping[str, str]]] = [
        ("model/conv1/Conv2D:Conv2D", 5, 20, {}),
        ("ExecutorState::Process", 1, 90, {}),
        ("image:_Arg", 2, 1, {}),
        ("PartitionedCall:PartitionedCall", 3, 95, {}),
        ("model/relu:_FusedConv2D", 160, 10, {}),
        ("outside:Relu", 120, 10, {}),
    ]
    profile = read_profile(noted(xspace(tmp_path, events, base_ns=base_ns), "tensorflow"))
    assert profile.warnings == []
    assert shown(profile) == [
        [("PartitionedCall", "PartitionedCall", 3, 95), ("model/conv1/Conv2D", "Conv2D", 5, 20)],
        [("model/relu", "_FusedConv2D", 10, 10)],
    ]


PROGRAM = """\
HloModule jit_flat, entry_computation_layout={(f32[2,1,8,8]{3,2,1,0})->(f32[2,10]{1,0})}

%fused_computation (p0: f32[2,32,8,8], p1: f32[32]) -> f32[2,32,8,8] {
  %p0 = f32[2,32,8,8]{3,2,1,0} parameter(0)
  %add.1 = f32[2,32,8,8]{3,2,1,0} add(%p0, %p0), metadata={op_name="jit(flat)/add"}
  ROOT %max.1 = f32[2,32,8,8]{3,2,1,0} maximum(%add.1, %p0), metadata={op_name="jit(flat)/relu/max"}
}

%fused_computation.2 (p2: f32[2,32,8,8]) -> f32[2,32] {
  %p2 = f32[2,32,8,8]{3,2,1,0} parameter(0)
  ROOT %dot.7 = f32[2,10]{1,0} dot(%p2, %p2), metadata={op_name="jit(flat)/dot_general"}
}

ENTRY %main.9 (x: f32[2,1,8,8]) -> (f32[2,10]) {
  %x = f32[2,1,8,8]{3,2,1,0} parameter(0)
  %convolution.3 = f32[2,32,8,8]{3,2,1,0} convolution(%x, %x), window={size=3x3}, metadata={op_name="jit(flat)/conv"}
  %fusion.1 = f32[2,32,8,8]{3,2,1,0} fusion(%convolution.3), kind=kLoop, calls=%fused_computation
  %fusion.2 = f32[2,10]{1,0} fusion(%fusion.1), kind=kCustom, calls=%fused_computation.2
  ROOT %tuple = (f32[2,10]{1,0}) tuple(%fusion.1)
}
"""


def test_steps_of_xlas_program(tmp_path: Path) -> None:
    module = {"hlo_module": "jit_flat"}
    events = [
        ("convolution.3", 5, 20, {"hlo_op": "convolution.3", **module}),
        ("fusion.1", 30, 9, {"hlo_op": "fusion.1", **module}),
        ("fusion.2", 40, 3, {"hlo_op": "fusion.2", **module}),
        ("ThunkExecutor::Execute", 4, 50, {}),
    ]
    (tmp_path / "program.txt").write_text(PROGRAM)
    profile = read_profile(noted(xspace(tmp_path, events), "jax"))
    assert profile.warnings == []
    assert shown(profile) == [
        [
            ("convolution.3", "convolution", 5, 20),
            ("fusion.1", "fusion", 30, 9),
            ("fusion.2", "fusion of dot", 40, 3),
        ],
        [],
    ]
    conv, fusion, _ = profile.runs[0].events
    assert (conv.output_shapes, conv.nodes) == ("f32[2,32,8,8]", ("jit(flat)/conv",))
    assert fusion.nodes == ("jit(flat)/add", "jit(flat)/relu/max")


def test_a_profile_without_layers_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "program.txt").write_text(PROGRAM)
    profile = read_profile(noted(xspace(tmp_path, [("ThunkExecutor::Execute", 4, 50, {})]), "jax"))
    begin = START_NS - BEHIND_NS
    times = np.array([(begin + 1000 * first, begin + 1000 * last) for first, last in CALLS_US], np.int64)
    found = layers_of(profile, ModelCalls(np.arange(2), times[:, 0], times[:, 1], np.zeros(2, np.int64)))
    assert found.rows == []
    assert found.warnings == ["the profile of jax holds no layers of the calls that were measured"]


@pytest.mark.parametrize("profiler", ["tensorflow", "jax"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_xspace_is_one_warning(tmp_path: Path, profiler: str, damage: str) -> None:
    (tmp_path / "program.txt").write_text(PROGRAM)
    path = noted(xspace(tmp_path, [("a:Relu", 5, 20, {})]), profiler) / "host.xplane.pb"
    path.write_bytes(path.read_bytes()[:-9])
    if damage == "gone":
        path.unlink()
    profile = read_profile(tmp_path)
    assert (profile.runs, len(profile.warnings)) == ([], 1)
