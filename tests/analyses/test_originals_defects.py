"""The defects that MLModelScope's reports had: none of them can be reproduced."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import pytest

from mlscope.analyses import ANALYSES, View, plot, to_csv, to_json, to_text
from mlscope.analyses import run as analyse
from mlscope.results import Evaluation
from mlscope.stats import trimmed_mean
from tests.analyses.test_kernels import kernel, measured
from tests.analyses.test_roofline import NODES, known
from tests.analyses.traced import calls, kernels, layer, layers, rows, sealed, work

GPU: dict[str, Any] = {"trace_level": "SYSTEM_LIBRARY_TRACE", "using_gpu": True}
LAYERED: dict[str, Any] = {"trace_level": "FRAMEWORK_TRACE"}


@pytest.fixture
def some(home: Path) -> list[Evaluation]:
    """An evaluation of each level."""
    return [
        sealed(home, kernels(kernel(0, 0, "a", 10, 4, **measured())), **GPU),
        sealed(home, layers(layer(0, 3), layer(1, 2)), **LAYERED),
        sealed(home, calls([10, 11])),
    ]


@pytest.mark.parametrize("list_runs", [False, True])
@pytest.mark.parametrize("name", ANALYSES)
def test_the_header_has_as_many_columns_as_every_row(some: list[Evaluation], name: str, list_runs: bool) -> None:
    header, *lines = csv.reader(io.StringIO(to_csv(analyse(name, some, View(list_runs=list_runs))), newline=""))
    assert len(set(header)) == len(header)
    assert all(len(line) == len(header) for line in lines)


def test_rows_of_types_hold_values_and_not_the_names_of_columns(some: list[Evaluation]) -> None:
    (row,) = rows("layer_aggregate", *some)
    assert row["id"] == some[1].record.id
    assert all(value != name for name, value in row.items())


def test_a_kernel_that_runs_once_is_counted_once(some: list[Evaluation]) -> None:
    assert [row["kernel_count"] for row in rows("kernels", *some, by="name")] == [1]


def test_layer_0_is_in_every_report_of_kernels(some: list[Evaluation]) -> None:
    for by in ("kernel", "layer"):
        assert [row["layer_index"] for row in rows("kernels", *some, by=by)] == [0]
    assert rows("kernels", *some, by="model")[0]["kernel_count"] == 1


def test_layers_of_equal_names_are_not_merged(home: Path) -> None:
    runs = [sealed(home, layers(layer(0, 3, "x"), layer(1, 5, "x")), **LAYERED) for _ in range(2)]
    assert [(row["layer_index"], row["trimmed_mean_us"]) for row in rows("layers", *runs)] == [(0, 3), (1, 5)]


def test_kernels_of_equal_names_in_one_layer_are_not_merged(home: Path) -> None:
    run = sealed(home, kernels(kernel(0, 3, "a", 10, 4), kernel(0, 3, "a", 20, 6)), **GPU)
    assert [row["kernel_duration_us"] for row in rows("kernels", run)] == [4, 6]


@pytest.mark.parametrize("values", [[1, 2, 3, 900], [-900, 1, 2, 3]])
def test_of_four_values_both_ends_count_alike(values: list[float]) -> None:
    mirrored = [-value for value in values]
    assert trimmed_mean(values) == -trimmed_mean(mirrored)


def test_kernels_that_take_no_time_have_an_occupancy(home: Path) -> None:
    nothing = [kernel(0, 0, "a", 10, 0, **measured(achieved_occupancy=share)) for share in (0.2, 0.6)]
    run = sealed(home, kernels(*nothing), **GPU)
    for by, prefix in (("name", "kernel"), ("layer", "layer"), ("model", "model")):
        (row,) = rows("kernels", run, by=by)
        assert row[f"{prefix}_achieved_occupancy"] == pytest.approx(0.4)
        assert not any(isinstance(value, float) and math.isnan(value) for value in row.values())


def test_operations_of_every_precision_and_of_tensor_cores_count(home: Path) -> None:
    told: dict[str, Any] = {"flops_fp64": 1.0, "flops_fp32": 20.0, "flops_fp16": 300.0, "flops_tensor": 4000.0}
    (row,) = rows("kernels", sealed(home, kernels(kernel(0, 0, "a", 10, 4, **told)), **GPU))
    assert row["kernel_flops"] == 4321
    del told["flops_fp32"]
    (row,) = rows("kernels", sealed(home, kernels(kernel(0, 0, "a", 10, 4, **told)), **GPU))
    assert row["kernel_flops"] == 4301


@pytest.mark.parametrize("name", ANALYSES)
def test_a_machine_without_a_gpu_is_no_error_in_any_format(home: Path, name: str) -> None:
    tables = analyse(name, [sealed(home, calls([10, 11])), sealed(home, status="failed")])
    assert to_text(tables)
    assert to_csv(tables)
    assert to_json(tables)


def test_the_roofline_is_drawn(home: Path, tmp_path: Path) -> None:
    run = sealed(home, layers(layer(0, 3, nodes=("conv", "relu"))), work(**NODES), **LAYERED)
    plot("roofline", analyse("roofline", [run], View(ceilings_of=known))[0], [], tmp_path / "roofline.svg")
    picture = (tmp_path / "roofline.svg").read_text()
    assert "layer0" in picture
    assert "10 GFLOP/s, 5 GB/s" in picture
