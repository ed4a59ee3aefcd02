"""Two runs side by side by layer, of times and nodes that are known."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlscope.analyses import (
    LayerComparison,
    Side,
    call_parts,
    compare_layers,
    layer_comparison_json,
    layer_comparison_lines,
    layer_comparison_table,
    to_csv,
    to_text,
)
from mlscope.errors import StoreError, UsageError
from mlscope.results import Evaluation, Layer
from tests.analyses.runs import run

US = 1000
Cut = tuple[str, int, tuple[str, ...]]
"""Name, duration in microseconds, nodes."""


def layers(cuts: Sequence[Cut], *, start_us: int = 5, gap_us: int = 1, synthetic: bool = False) -> list[Layer]:
    """Layers of one call, one after the other with a gap between them; types are the names without digits."""
    found, at = [], start_us
    for index, (name, duration, nodes) in enumerate(cuts):
        kind = name.rstrip("0123456789")
        times = (at * US, (at + duration) * US, duration * US)
        found.append(Layer(0, index, name, kind, *times, synthetic=synthetic, nodes=nodes))
        at += duration + gap_us
    return found


def layered(home: Path, cuts: Sequence[Cut], call_us: int = 200, calls: int = 4, **more: Any) -> Evaluation:
    """A run whose calls take `call_us` each."""
    synthetic = more.pop("synthetic", False)
    return run(home, np.full(calls, call_us * US), layers=layers(cuts, synthetic=synthetic), **more)


def compared(first: Sequence[Evaluation], second: Sequence[Evaluation]) -> LayerComparison:
    return compare_layers(Side("one", tuple(first)), Side("two", tuple(second)))


def names(found: LayerComparison) -> list[tuple[list[str], list[str]]]:
    """Names of the layers of each row that is no gap."""
    return [
        ([layer.name for layer in group.first.layers] if group.first else [],
         [layer.name for layer in group.second.layers] if group.second else [])
        for group in found.groups
        if not group.name
    ]  # fmt: skip


FUSED: list[Cut] = [("conv1", 40, ("conv1", "relu1")), ("conv2", 30, ("conv2",)), ("add", 10, ("add",))]
SPLIT: list[Cut] = [("conv1", 44, ("conv1",)), ("relu1", 6, ("relu1",)), ("conv2_add", 20, ("conv2", "add"))]


def test_layers_that_stand_for_the_same_nodes_are_one_row(home: Path) -> None:
    found = compared([layered(home, FUSED)], [layered(home, SPLIT)])
    assert names(found) == [(["conv1"], ["conv1", "relu1"]), (["conv2", "add"], ["conv2_add"])]
    first, second = found.groups[:2]
    assert first.first is not None
    assert (first.first.time_ns, first.first.nodes) == (40 * US, ("conv1", "relu1"))
    assert first.ratio is not None
    assert first.ratio.value == pytest.approx(50 / 40)
    assert first.ratio.low is None
    assert (second.difference_ns, second.ratio and second.ratio.value) == (-20 * US, 0.5)
    table = layer_comparison_table(found)
    row = table.rows[1]
    assert (row["first_layer"], row["first_layers"], row["second_layer"]) == ("conv2 +1", "conv2 add", "conv2_add")
    assert (row["first_us"], row["second_us"], row["nodes"], row["model_nodes"]) == (40, 20, 2, "conv2 add")
    assert (row["first_share"], row["second_share"]) == (pytest.approx(0.2), pytest.approx(0.1))
    assert row["nodes_only_first"] is row["nodes_only_second"] is None


def test_cuts_that_overlap_are_one_row_however_long_the_chain(home: Path) -> None:
    chain: list[Cut] = [("a", 1, ("1", "2")), ("b", 1, ("3", "4")), ("c", 1, ("5",))]
    other: list[Cut] = [("p", 1, ("1",)), ("q", 1, ("2", "3")), ("r", 1, ("4", "5")), ("s", 1, ("6",))]
    found = compared([layered(home, chain)], [layered(home, other)])
    assert names(found) == [(["a", "b", "c"], ["p", "q", "r"]), ([], ["s"])]


def test_nodes_that_only_one_side_executes_are_named(home: Path) -> None:
    found = compared([layered(home, [("conv", 9, ("pad", "conv"))])], [layered(home, [("conv", 8, ("conv",))])])
    row = layer_comparison_table(found).rows[0]
    assert (row["model_nodes"], row["nodes_only_first"], row["nodes_only_second"]) == ("pad conv", "pad", None)


def test_layers_without_nodes_are_matched_by_name_type_and_place(home: Path) -> None:
    one: list[Cut] = [("reorder", 2, ()), ("conv", 9, ("conv",)), ("reorder", 3, ())]
    two: list[Cut] = [("reorder", 4, ()), ("conv", 9, ("conv",)), ("copy", 1, ())]
    found = compared([layered(home, one)], [layered(home, two)])
    assert names(found) == [(["reorder"], ["reorder"]), (["conv"], ["conv"]), (["reorder"], []), ([], ["copy"])]
    assert [group.difference_ns for group in found.groups[:4]] == [2 * US, 0, -3 * US, 1 * US]
    assert found.groups[2].ratio is None


def test_where_a_side_tells_no_nodes_layers_are_matched_by_name(home: Path) -> None:
    bare: list[Cut] = [("conv1", 10, ()), ("dense", 5, ())]
    found = compared([layered(home, FUSED)], [layered(home, bare)])
    assert names(found)[0] == (["conv1"], ["conv1"])
    assert any("matched by name" in note for note in found.notes)
    strange = compared([layered(home, [("x", 1, ("x",))])], [layered(home, [("y", 1, ("y",))])])
    assert any("no layer of A has a counterpart in B" in note for note in strange.notes)


def test_what_is_part_of_a_layer_is_not_counted_again(home: Path) -> None:
    outer, inner = layers([("loop", 20, ("loop",)), ("body", 20, ())])
    inside = Layer(0, 1, "body", "Add", 6 * US, 8 * US, 2 * US, depth=1, parent=0)
    one = run(home, np.full(3, 100 * US), layers=[outer, inside])
    found = compared([one], [one])
    assert names(found) == [(["loop"], ["loop"])]
    assert inner.depth == 0


def test_the_call_between_its_layers_is_named(home: Path) -> None:
    evaluation = layered(home, FUSED, call_us=100)  # layers 5-45, 46-76, 77-87
    parts = call_parts(evaluation)
    assert parts is not None
    assert (parts.calls, parts.call_ns) == (4, 100 * US)
    assert parts.layers_share == pytest.approx(0.8)
    assert [(gap.name, gap.trimmed_mean_ns) for gap in parts.gaps] == [
        ("allocation", 5 * US), ("dispatch", 2 * US), ("return", 13 * US),
    ]  # fmt: skip
    assert [gap.share for gap in parts.gaps] == pytest.approx([0.05, 0.02, 0.13])
    found = compared([evaluation], [layered(home, FUSED, call_us=120)])
    last = found.groups[-1]
    assert (last.name, last.difference_ns, last.ratio and last.ratio.value) == ("return", 20 * US, 33 / 13)
    lines = layer_comparison_lines(found)
    assert lines[0] == "A  3 layers for 4 of the model's nodes, 80 % of a call of 0.1 ms"
    assert lines[2] == "B - A is +20 us in all; most of it: return (after the last layer) +20 us"


def test_layers_that_run_beside_each_other_leave_only_what_none_fills(home: Path) -> None:
    times = [(10, 30), (12, 60), (20, 40), (70, 90)]
    rows = [Layer(0, at, f"n{at}", "x", a * US, b * US, (b - a) * US) for at, (a, b) in enumerate(times)]
    parts = call_parts(run(home, np.full(3, 100 * US), layers=rows))
    assert parts is not None
    assert [gap.trimmed_mean_ns for gap in parts.gaps] == [10 * US, 10 * US, 10 * US]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), min_size=1, max_size=6), min_size=1, max_size=4
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_gaps_are_what_no_layer_covers(home: Path, spans: list[list[tuple[int, int]]]) -> None:
    """Against a count of microseconds, one by one; every call has the same layers here, in any order."""
    rows = [
        Layer(0, at, f"n{at}", "x", min(pair) * US, max(pair) * US, (max(pair) - min(pair)) * US)
        for at, pair in enumerate(spans[0])
    ]
    parts = call_parts(run(home, np.full(len(spans), 100 * US), layers=rows))
    assert parts is not None
    covered = {at for pair in spans[0] for at in range(min(pair), max(pair))}
    begin, end = min(map(min, spans[0])), max(map(max, spans[0]))
    inside = sum(at not in covered for at in range(begin, end))
    assert [gap.trimmed_mean_ns / US for gap in parts.gaps] == [begin, inside, 100 - end]


def test_of_layers_that_were_laid_out_no_gaps_are_known(home: Path) -> None:
    found = compared([layered(home, FUSED)], [layered(home, FUSED, synthetic=True)])
    assert all((group.second, group.difference_ns) == (None, 0) for group in found.groups if group.name)
    assert [row["difference_us"] for row in layer_comparison_table(found).rows[-3:]] == [None] * 3
    assert any("the times of B are means" in note for note in found.notes)
    (parts,) = found.calls[1]
    assert parts.gaps == ()
    assert parts.layers_share == pytest.approx(0.4)


def test_several_runs_give_an_interval(home: Path) -> None:
    def times(first: int) -> list[Evaluation]:
        return [layered(home, [("conv", first + more, ("conv",))], plan_id="p") for more in range(3)]

    found = compared(times(40), times(80))
    ratio = found.groups[0].ratio
    assert ratio is not None
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < 81 / 41 < ratio.high
    assert not any("one run a side" in note for note in found.notes)
    assert layer_comparison_table(found).rows[0]["ratio_low"] == ratio.low


def test_of_an_experiment_of_levels_the_traced_runs_count(home: Path) -> None:
    plain = run(home, np.full(4, 100 * US), trace_level="MODEL_TRACE", plan_id="other")
    found = compared([plain, layered(home, FUSED)], [layered(home, FUSED)])
    assert [len(side.runs) for side in (found.first, found.second)] == [1, 1]


def test_runs_without_layers_and_of_other_kinds_are_refused(home: Path) -> None:
    traced, plain = layered(home, FUSED), run(home, np.full(4, 100 * US))
    with pytest.raises(StoreError, match="two: has no layers; measure it with --trace-level FRAMEWORK_TRACE"):
        compared([traced], [plain])
    with pytest.raises(UsageError, match="different scenarios"):
        compared([traced], [layered(home, FUSED, scenario="Offline")])


@st.composite
def partitions(draw: st.DrawFn) -> tuple[list[list[str]], list[list[str]]]:
    """Two ways of cutting a chain of nodes into layers."""
    nodes = [f"n{number}" for number in range(draw(st.integers(1, 12)))]

    def cut() -> list[list[str]]:
        ends = sorted({*draw(st.sets(st.integers(1, len(nodes)))), len(nodes)})
        return [nodes[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]

    return cut(), cut()


@given(partitions())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_cover_every_layer_once_and_are_as_small_as_can_be(
    home: Path, cuts: tuple[list[list[str]], list[list[str]]]
) -> None:
    sides = [
        layered(home, [(f"layer{at}", 1, tuple(nodes)) for at, nodes in enumerate(side)], calls=1) for side in cuts
    ]
    found = compared(sides[:1], sides[1:])
    rows = names(found)
    for place, side in enumerate(cuts):
        assert [name for row in rows for name in row[place]] == [f"layer{at}" for at in range(len(side))]
    borders = [{0, *np.cumsum([len(nodes) for nodes in side]).tolist()} for side in cuts]
    assert len(rows) == len(borders[0] & borders[1]) - 1
    for group in found.groups[: len(rows)]:
        assert group.first is not None
        assert group.second is not None
        assert set(group.first.nodes) == set(group.second.nodes)


def test_the_table_for_people_json_and_csv_say_the_same(home: Path) -> None:
    found = compared([layered(home, FUSED)], [layered(home, SPLIT)])
    table = layer_comparison_table(found)
    text = to_text(table, True, None)
    assert "(dispatch: between layers)" in text
    plain = json.loads(json.dumps(layer_comparison_json(found)))
    assert [row["first_layers"] for row in plain["layers"]] == ["conv1", "conv2 add", None, None, None]
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [row["second_types"] for row in rows] == ["conv+relu", "conv2_add", "", "", ""]
    assert [float(row["first_us"]) for row in rows] == [row["first_us"] for row in plain["layers"]]


def test_long_names_are_cut_in_the_table_for_people_only(home: Path) -> None:
    name = "efficientnet-lite0/model/blocks_10/depthwise_conv2d/BiasAdd"
    side = [layered(home, [(name, 3, (name,))])]
    row = layer_comparison_table(compared(side, side)).rows[0]
    assert row["first_layer"] == "…epthwise_conv2d/BiasAdd"[:1] + name[-27:]
    assert row["first_layers"] == name
