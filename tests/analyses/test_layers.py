"""Layers one by one, as a tree, and by type; over one run and over several."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mlscope.results import LAYER_SUMMARY_FILE
from tests.analyses.traced import calls, layer, layers, rows, sealed

LEVEL: dict[str, Any] = {"trace_level": "FRAMEWORK_TRACE"}


def test_a_single_runs_layers_are_as_they_were_written(home: Path) -> None:
    run = sealed(home, layers(layer(0, 20), layer(1, 10, "r", "Relu", nodes=("c", "r"))), **LEVEL)
    first, second = rows("layers", run)
    assert (first["layer_index"], first["layer_name"], first["trimmed_mean_us"], first["runs"]) == (0, "layer0", 20, 1)
    assert (first["min_us"], first["low_us"], first["median_us"], first["high_us"], first["max_us"]) == (
        18, 19, 20, 21, 30,
    )  # fmt: skip
    assert (first["p25_us"], first["p75_us"], first["calls"]) == (19.6, 20.4, 10)
    assert (second["model_nodes"], second["layer_type"], second["layer_allocated_bytes"]) == ("c r", "Relu", 2048)


def test_runs_of_one_plan_are_averaged_and_can_be_listed(home: Path) -> None:
    times = (10, 11, 12, 13, 900)
    runs = [sealed(home, layers(layer(0, time), layer(1, 5)), **LEVEL) for time in times]
    first, second = rows("layers", *runs)
    assert (first["runs"], first["calls"], first["trimmed_mean_us"], first["median_us"]) == (5, 50, 12, 12)
    assert (first["min_us"], first["max_us"]) == (9, 1350)
    assert first["id"] == runs[-1].record.id
    assert second["low_us"] == second["high_us"] == second["trimmed_mean_us"] == 5
    listed = rows("layers", *runs, list_runs=True)
    assert [row["trimmed_mean_us"] for row in listed if row["layer_index"] == 0] == [900, 13, 12, 11, 10]
    assert {row["runs"] for row in listed} == {1}


def test_runs_of_other_plans_and_machines_stay_apart(home: Path) -> None:
    one = sealed(home, layers(layer(0, 10)), **LEVEL)
    system = one.record.system.model_copy(update={"hostname": "other"})
    others = [sealed(home, layers(layer(0, 20)), plan_id="f" * 16, **LEVEL)]
    others.append(sealed(home, layers(layer(0, 30)), system=system, **LEVEL))
    assert [row["trimmed_mean_us"] for row in rows("layers", one, *others)] == [30, 20, 10]


def test_a_layer_that_only_some_runs_have_is_shown_with_all_that_is_known(home: Path) -> None:
    one = sealed(home, layers(layer(0, 10), layer(1, 7, "extra", nodes=("x", "y"))), **LEVEL)
    two = sealed(home, layers(layer(0, 12)), **LEVEL)
    found = rows("layers", one, two)
    assert [(row["layer_name"], row["trimmed_mean_us"], row["calls"]) for row in found] == [
        ("layer0", 11, 20), ("extra", 7, 10),
    ]  # fmt: skip
    assert (found[1]["model_nodes"], found[1]["layer_shape"]) == ("x y", "float[1,2]")


def test_files_without_quartiles_are_read_too(home: Path) -> None:
    def old(folder: Path) -> None:
        layers(layer(0, 10))(folder)
        table = pq.read_table(folder / LAYER_SUMMARY_FILE)
        pq.write_table(table.drop_columns(["low_ns", "high_ns", "p25_ns", "p75_ns"]), folder / LAYER_SUMMARY_FILE)

    (row,) = rows("layers", sealed(home, old, **LEVEL))
    assert (row["trimmed_mean_us"], row["p25_us"], row["low_us"]) == (10, None, None)
    (row,) = rows("layers", sealed(home, old, **LEVEL), sealed(home, old, **LEVEL))
    assert (row["trimmed_mean_us"], row["p25_us"]) == (10, None)
    (row,) = rows("layers", sealed(home, old, **LEVEL), sealed(home, layers(layer(0, 10)), **LEVEL))
    assert (row["trimmed_mean_us"], row["p25_us"]) == (10, 9.8)


def test_the_longest_layers_come_first_when_only_some_are_wanted(home: Path) -> None:
    run = sealed(home, layers(layer(0, 5), layer(1, 50), layer(2, 20)), **LEVEL)
    assert [row["layer_index"] for row in rows("layers", run, top=2)] == [1, 2]
    assert [row["layer_index"] for row in rows("layers", run, top=9)] == [1, 2, 0]


def test_layers_come_from_their_own_level_and_from_a_deeper_one_only_where_there_is_no_other(home: Path) -> None:
    deep = sealed(home, layers(layer(0, 99)), plan_id="d" * 16, trace_level="FULL_TRACE")
    assert [row["trimmed_mean_us"] for row in rows("layers", deep)] == [99]
    own = sealed(home, layers(layer(0, 10)), **LEVEL)
    assert [row["trimmed_mean_us"] for row in rows("layers", deep, own)] == [10]
    elsewhere = sealed(home, layers(layer(0, 98)), trace_level="FULL_TRACE", model_name="other", plan_id="e" * 16)
    assert [row["trimmed_mean_us"] for row in rows("layers", deep, own, elsewhere)] == [98, 10]
    assert rows("layers", sealed(home, calls([1]), trace_level="MODEL_TRACE")) == []


def test_a_traced_run_that_failed_is_not_left_out(home: Path) -> None:
    (row,) = rows("layers", sealed(home, status="failed", **LEVEL))
    assert (row["status"], row["layer_name"]) == ("failed", None)


def test_the_tree_of_a_known_model(home: Path) -> None:
    found = [
        layer(0, 30, "loop", "Loop"),
        layer(1, 10, "body", "Add", depth=1, parent=0),
        layer(2, 20, "conv_relu", "Conv", nodes=("conv", "relu")),
    ]
    tree = rows("layer_tree", sealed(home, layers(*found), **LEVEL))
    assert [(row["depth"], row["tree"], row["layer_type"]) for row in tree] == [
        (0, "predict", None),
        (1, "  loop", "Loop"),
        (2, "    body", "Add"),
        (1, "  conv_relu", "Conv"),
        (2, "    conv", "(node)"),
        (2, "    relu", "(node)"),
        (1, "  (between the layers)", None),
    ]
    assert tree[-1]["share"] == pytest.approx(0.5)


def test_types_add_up_and_what_is_part_of_a_layer_is_not_counted_again(home: Path) -> None:
    found = [
        layer(0, 10),
        layer(1, 30, kind="Gemm", allocated_bytes=None),
        layer(2, 20),
        layer(3, 9, kind="Add", depth=1, parent=1),
    ]
    types = rows("layer_aggregate", sealed(home, layers(*found), **LEVEL))
    assert [(row["layer_type"], row["occurrences"], row["duration_us"]) for row in types] == [
        ("Conv", 2, 30), ("Gemm", 1, 30),
    ]  # fmt: skip
    assert [row["duration_share"] for row in types] == [0.5, 0.5]
    assert [row["occurrence_share"] for row in types] == [pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert [(row["allocated_bytes"], row["allocated_share"]) for row in types] == [(4096, 1.0), (None, None)]


def test_layers_that_take_no_time_have_no_share_of_it(home: Path) -> None:
    (row,) = rows("layer_aggregate", sealed(home, layers(dataclasses.replace(layer(0, 0), share=None)), **LEVEL))
    assert (row["duration_us"], row["duration_share"]) == (0, None)
    assert (
        rows("layer_tree", sealed(home, layers(dataclasses.replace(layer(0, 0), share=None)), **LEVEL))[0]["share"]
        is None
    )
