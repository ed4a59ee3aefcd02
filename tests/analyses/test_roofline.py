"""What limits layers and models, with numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.analyses.traced import calls, layer, layers, rows, sealed, work

LEVEL: dict[str, Any] = {"trace_level": "FRAMEWORK_TRACE"}
CEILINGS = {
    "gflops_one_thread": 10.0,
    "gflops_all_threads": 20.0,
    "gigabytes_per_s_one_thread": 5.0,
    "gigabytes_per_s_all_threads": 5.0,
}
NODES = {
    "conv": (4000, 100, {"x": 300}, {"c": 300}),
    "relu": (100, 0, {"c": 300}, {"r": 300}),
    "copy": (100, 0, {"r": 300}, {"y": 300}),
}


def known(_: object) -> dict[str, Any]:
    return CEILINGS


@pytest.fixture
def found(home: Path) -> list[dict[str, object]]:
    run = sealed(
        home,
        layers(layer(0, 1, nodes=("conv", "relu")), layer(1, 0.5, nodes=("copy",)), layer(2, 0.1, "reorder", nodes=())),
        work(**NODES),
        **LEVEL,
    )
    return rows("roofline", run, ceilings_of=known)


def test_a_fused_layer_moves_only_what_goes_in_and_out(found: list[dict[str, object]]) -> None:
    assert (found[0]["flops"], found[0]["bytes"]) == (4100, 100 + 300 + 300)
    assert found[0]["intensity_flops_per_byte"] == pytest.approx(4100 / 700)
    assert found[0]["gflops_per_s"] == pytest.approx(4.1)


def test_the_roof_is_the_lower_of_the_two(found: list[dict[str, object]]) -> None:
    assert (found[0]["bound"], found[0]["ceiling_gflops_per_s"]) == ("compute", 10)
    assert found[0]["share_of_ceiling"] == pytest.approx(0.41)
    assert (found[1]["bound"], found[1]["ceiling_gflops_per_s"]) == ("memory", pytest.approx(5 / 6))
    assert found[1]["ideal_intensity_flops_per_byte"] == 2


def test_a_layer_that_the_framework_added_has_no_operations(found: list[dict[str, object]]) -> None:
    assert (found[2]["flops"], found[2]["bound"]) == (None, None)


def test_more_than_one_thread_is_held_against_all(home: Path) -> None:
    run = sealed(home, layers(layer(0, 1, nodes=("conv",))), work(**NODES), execution={"threads": 2}, **LEVEL)
    assert rows("roofline", run, ceilings_of=known)[0]["peak_gflops_per_s"] == 20


def test_without_ceilings_or_operations_the_rest_is_shown(home: Path) -> None:
    (row,) = rows("roofline", sealed(home, layers(layer(0, 1, nodes=("conv",))), work(**NODES), **LEVEL))
    assert (row["flops"], row["gflops_per_s"], row["bound"], row["peak_gflops_per_s"]) == (4000, 4, None, None)
    (row,) = rows("roofline", sealed(home, layers(layer(0, 1)), **LEVEL), ceilings_of=known)
    assert (row["flops"], row["duration_us"], row["peak_gflops_per_s"]) == (None, 1, 10)


def test_a_model_has_its_layers_operations_and_the_time_of_runs_without_a_profiler(home: Path) -> None:
    plain = sealed(home, calls([2, 2, 2]), trace_level="MODEL_TRACE")
    (row,) = rows("roofline", plain, by="model", ceilings_of=known)
    assert (row["duration_us"], row["flops"]) == (2, None)
    layered = sealed(
        home, layers(layer(0, 9, nodes=("conv", "relu")), layer(1, 9, nodes=("copy",))), work(**NODES), **LEVEL
    )
    (row,) = rows("roofline", plain, layered, by="model", ceilings_of=known)
    assert (row["duration_us"], row["flops"], row["bytes"]) == (2, 4200, 700 + 600)
    assert row["gflops_per_s"] == pytest.approx(2.1)


def test_the_longest_only(home: Path) -> None:
    run = sealed(home, layers(layer(0, 1), layer(1, 9)), **LEVEL)
    assert [row["index"] for row in rows("roofline", run, top=1)] == [1]
