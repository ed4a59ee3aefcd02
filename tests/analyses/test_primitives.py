"""The log of oneDNN's primitives: lines of every version, what others print between them, their place in layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.analyses.profiles import Primitive, read_primitives, within
from mlscope.results import Layer

BEGIN_MS = 1_790_000_000_000.5
"""Of the system's clock; the run's clock is 400 s behind it."""
BEHIND_NS = 400_000_000_000

MEMORY = "src_f32::blocked:abcd:f0 wei_f32::blocked:abcd:f0 dst_f32::blocked:abcd:f0"
THREE = (
    f"onednn_verbose,v1,{BEGIN_MS},primitive,exec,cpu,convolution,jit:avx2,forward_inference,{MEMORY},"
    "attr-scratchpad:user,alg:convolution_direct,mb1_ic1oc32_ih8oh8kh3sh1dh0ph1,0.25"
)
TWO = f"dnnl_verbose,{BEGIN_MS},exec,cpu,reorder,jit:uni,undef,{MEMORY},,,2x1x8x8,0.125"
UNTIMED = f"dnnl_verbose,exec,cpu,matmul,gemm:jit,undef,{MEMORY},,,1x4:4x4,0.5"


def left(folder: Path, *lines: str) -> Path:
    """What a worker leaves."""
    (folder / "onednn.log").write_text("\n".join(lines))
    pair = [round(BEGIN_MS * 1e6) - BEHIND_NS, round(BEGIN_MS * 1e6)]
    (folder / "onednn.json").write_text(json.dumps({"most_calls": 100, "pairs": [pair]}))
    return folder


def read(folder: Path) -> list[Primitive]:
    log = read_primitives(folder)
    assert log is not None
    assert log.damaged is None
    return log.found


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (THREE, ("convolution", "jit:avx2", "mb1_ic1oc32_ih8oh8kh3sh1dh0ph1", 250_000)),
        (TWO, ("reorder", "jit:uni", "2x1x8x8", 125_000)),
    ],
)
def test_lines_of_every_version(tmp_path: Path, line: str, told: tuple[str, str, str, int]) -> None:
    (found,) = read(left(tmp_path, line))
    assert (found.name, found.implementation, found.problem, found.end_ns - found.begin_ns) == told
    assert found.shapes == MEMORY
    assert found.begin_ns == pytest.approx(BEGIN_MS * 1e6 - BEHIND_NS, abs=1000)


def test_times_of_the_monotonic_clock_stay_as_they_are(tmp_path: Path) -> None:
    (found,) = read(left(tmp_path, THREE.replace(str(BEGIN_MS), "123456.5")))
    assert found.begin_ns == 123_456_500_000


def test_what_others_print_is_left_out_and_lines_without_times_are_counted(tmp_path: Path) -> None:
    others = (
        "onednn_verbose,info,oneDNN v3.7.0 (commit abc)",
        "onednn_verbose,v1,primitive,create:cache_miss,cpu,convolution,jit:avx2,f,m,,,p,0.01",
        "a framework says hello, exec",
        THREE[: len(THREE) // 2],
    )
    log = read_primitives(left(tmp_path, UNTIMED, *others, THREE))
    assert log is not None
    assert ([each.name for each in log.found], log.untimed) == (["convolution"], 1)


@given(st.integers(0, len(THREE)), st.text(max_size=20))
def test_no_line_is_too_broken(cut: int, text: str) -> None:
    from mlscope.analyses.profiles._events import Clock
    from mlscope.analyses.profiles._primitives import parse_primitives

    found = parse_primitives([THREE[:cut] + text, THREE], Clock([(0, 0)])).found
    assert found[-1].name == "convolution"
    assert all(each.end_ns >= each.begin_ns for each in found)


def test_no_log_is_nothing_and_a_lost_one_is_told(tmp_path: Path) -> None:
    assert read_primitives(tmp_path) is None
    (left(tmp_path) / "onednn.log").unlink()
    log = read_primitives(tmp_path)
    assert log is not None
    assert log.damaged


def layer(index: int, begin: int, end: int, depth: int = 0) -> Layer:
    return Layer(0, index, f"layer{index}", "Conv", begin, end, end - begin, depth=depth)


def primitive(begin: int, end: int) -> Primitive:
    return Primitive("convolution", "jit", begin, end, "", "")


def test_a_primitive_belongs_to_the_innermost_layer_that_it_lies_in() -> None:
    rows = [layer(0, 100, 200), layer(1, 110, 150, depth=1), layer(2, 210, 300)]
    found = [primitive(90, 95), primitive(112, 140), primitive(160, 190), primitive(202, 206), primitive(290, 305)]
    placed = list(within([*found, primitive(10, 20), primitive(400, 500)], rows, [(80, 310)]))
    assert [(each.begin_ns, row, call) for each, row, call in placed] == [
        (90, None, 0), (112, 1, 0), (160, 0, 0), (202, None, 0), (290, 2, 0),
    ]  # fmt: skip


def test_primitives_between_two_calls_belong_to_none() -> None:
    assert list(within([primitive(55, 60)], [], [(0, 50), (70, 90)])) == []
    ((_, row, call),) = within([primitive(75, 80)], [], [(0, 50), (70, 90)])
    assert (row, call) == (None, 1)


def test_a_primitive_of_a_long_call_is_found_behind_short_ones() -> None:
    ((_, _, call),) = within([primitive(60, 64)], [], [(0, 100), (10, 20), (50, 55)])
    assert call == 0
