"""Profiles cut off anywhere, and layers of equal names inside each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlscope.analyses.profiles import layers_of, read_profile
from tests.analyses.test_profiles import BEHIND_NS, START_NS, call, calls, counter, left, node, openvino

ANY = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.floats(0, 1, exclude_max=True))
@ANY
def test_a_profile_of_onnxruntime_that_was_cut_off_anywhere_is_one_warning(tmp_path: Path, share: float) -> None:
    path = left(tmp_path, [node("a", "Conv", 1, 2), node("b", "Relu", 4, 2), call(0, 8)]) / "session-0.json"
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    found = layers_of(read_profile(tmp_path), calls((0, 9)))
    assert (found.rows, len(found.warnings)) == ([], 1)
    assert "cut off" in found.warnings[0]


@pytest.mark.parametrize("name", ["request-0.json", "graph.json", "profile.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_profile_of_openvino_that_was_cut_off_is_one_warning(tmp_path: Path, name: str, share: float) -> None:
    layers = [counter("a", "Convolution", 10)]
    path = openvino(tmp_path, {"calls": 5, "first": layers, "layers": layers}, [{"name": "a"}]) / name
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    found = layers_of(read_profile(tmp_path), calls((0, 50)))
    assert (found.rows, len(found.warnings), len(found.warnings[0].splitlines())) == ([], 1, 1)


def test_loops_of_equal_names_inside_each_other_know_what_they_are_part_of(tmp_path: Path) -> None:
    """Events come when they end: the innermost first."""
    events = [
        node("add", "Add", 3, 1), node("add", "Add", 5, 1), node("loop", "Loop", 2, 6), node("add", "Add", 9, 1),
        node("loop", "Loop", 1, 12), node("add", "Add", 14, 1), call(0, 20),
    ]  # fmt: skip
    rows = layers_of(read_profile(left(tmp_path, events)), calls((0, 21))).rows
    assert [(row.index, row.name, row.depth, row.parent) for row in rows] == [
        (0, "loop", 0, None), (1, "loop", 1, 0), (2, "add", 2, 1), (3, "add", 2, 1), (4, "add", 1, 0),
        (5, "add", 0, None),
    ]  # fmt: skip


def test_an_operator_of_pytorch_that_calls_itself_is_part_of_itself(tmp_path: Path) -> None:
    def event(name: str, begin: float, duration: float, kind: str = "cpu_op") -> dict[str, object]:
        return {"ph": "X", "cat": kind, "name": name, "tid": 5, "ts": begin, "dur": duration}

    found = [
        event("mlscope::predict", 10, 20, "user_annotation"),
        event("aten::add", 12, 8), event("aten::add", 13, 6), event("aten::add", 14, 2), event("aten::add", 22, 2),
    ]  # fmt: skip
    (tmp_path / "trace.json").write_text(json.dumps({"baseTimeNanoseconds": START_NS, "traceEvents": found}))
    notes = {"profiler": "pytorch", "version": "2", "call": "mlscope::predict", "files": []}
    (tmp_path / "profile.json").write_text(json.dumps({**notes, "pairs": [[START_NS - BEHIND_NS, START_NS]]}))
    rows = layers_of(read_profile(tmp_path), calls((9, 31))).rows
    assert [(row.index, row.depth, row.parent) for row in rows] == [(0, 0, None), (1, 1, 0), (2, 2, 1), (3, 0, None)]
