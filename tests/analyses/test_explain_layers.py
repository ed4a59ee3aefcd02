"""Explanations from layers and of what changed, of times that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlscope.analyses import (
    CallParts,
    Evidence,
    Gap,
    explain,
    explain_change,
    gather,
)
from mlscope.errors import UsageError
from mlscope.results import LayerSummary
from tests.analyses.records import record
from tests.analyses.runs import run
from tests.analyses.test_compare_layers import FUSED, SPLIT, US, layered


def layer(index: int, name: str, kind: str, us: float, *nodes: str, parent: int | None = None) -> LayerSummary:
    time = us * 1e3
    return LayerSummary(
        index, name, kind, 0 if parent is None else 1, parent, "", "", nodes, 4, time, time, int(time), int(time),
        None, None, False,
    )  # fmt: skip


LAYERS = [
    layer(0, "conv1", "Conv", 60, "conv1", "relu1"),
    layer(1, "conv2", "Conv", 20, "conv2"),
    layer(2, "add", "Add", 20, "add"),
    layer(3, "inside", "Conv", 900, "conv2", parent=1),
]


def test_which_types_take_the_time_and_the_longest_layer() -> None:
    (sentence,) = explain(Evidence(record(), layers=LAYERS))
    assert sentence == (
        "Of the time of the 3 layers Conv 80 % (2 layers), Add 20 % (1 layer); the longest, conv1, takes 60 %"
    )


@pytest.mark.parametrize(("dispatch", "told"), [(0.07, True), (0.02, False)])
def test_what_lies_between_the_layers_is_told_where_it_is_much(dispatch: float, told: bool) -> None:
    gaps = (Gap("allocation", 5e3, 0.05), Gap("dispatch", 1e5 * dispatch, dispatch), Gap("return", 0, 0.0))
    found = explain(Evidence(record(), parts=CallParts(4, 1e5, 0.9, gaps)))
    assert found == (
        [
            "In 12 % of the model's call no layer runs: allocation (before the first layer) 5 %, dispatch (between "
            "layers) 7 %, return (after the last layer) 0 %"
        ]
        if told
        else []
    )


def test_a_sealed_run_tells_of_its_layers(home: Path) -> None:
    found = explain(gather(layered(home, FUSED, call_us=100)))
    assert found[0].startswith("Of the time of the 3 layers conv 88 % (2 layers), add 12 % (1 layer)")
    assert found[1].startswith("In 20 % of the model's call no layer runs: allocation (before the first layer) 5 %")


def test_what_changed_against_another_run(home: Path) -> None:
    other = layered(home, FUSED, call_us=100, calls=40, effective={"threads": 1, "folded_nodes": ["a"]})
    this = layered(home, SPLIT, call_us=150, calls=40, framework_version="1.32", effective={"threads": 2})
    found = explain_change(this, other)
    assert found[0] == "What differs: framework version 1.31.1 to 1.32, threads 1 to 2"
    assert found[1].startswith(f"p50 is 1.5 \N{MULTIPLICATION SIGN} that of {other.record.id[:12]}: 0.1 to 0.15 ms (")
    assert found[2] == "The layers of a call take -10 us in all: conv -10 us"
    assert found[3].startswith("The largest differences: return (after the last layer) +60 us (5.6 ")
    assert found[4] == "2 groups of nodes are fused differently, such as that of conv1: 1 layer to 2 layers"


def test_runs_of_different_levels_and_kinds_are_not_set_against_each_other(home: Path) -> None:
    traced = layered(home, FUSED, calls=40)
    plain = run(home, np.full(40, 100 * US), trace_level="MODEL_TRACE")
    found = explain_change(traced, plain)
    assert found[0] == "What differs: trace level MODEL_TRACE to FRAMEWORK_TRACE"
    assert found[1].startswith("Their trace levels differ, and tracing takes time itself")
    assert len(found) == 2
    assert explain_change(plain, plain)[0] == "No setting differs that the records tell of"
    with pytest.raises(UsageError, match="different scenarios"):
        explain_change(layered(home, FUSED, scenario="Offline"), traced)
