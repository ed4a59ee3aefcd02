"""Explanations from layers, of times, operations and ceilings that are known."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlscope.analyses import (
    WORK_FILE,
    CallParts,
    Evidence,
    Gap,
    ModelWork,
    NodeWork,
    explain,
    explain_change,
    gather,
    graph_work,
    graph_work_json,
    read_work,
)
from mlscope.errors import ModelError, StoreError, UsageError
from mlscope.results import Evaluation, FileEntry, LayerSummary
from tests.analyses.records import record
from tests.analyses.runs import run
from tests.analyses.test_compare_layers import FUSED, SPLIT, US, layered

CEILINGS = {
    "gflops_one_thread": 50.0,
    "gflops_all_threads": 100.0,
    "gigabytes_per_s_one_thread": 5.0,
    "gigabytes_per_s_all_threads": 10.0,
}


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


def node(name: str, flops: int | None, reads: dict[str, int | None], writes: dict[str, int | None]) -> NodeWork:
    return NodeWork(name, flops, 0, reads, writes)


WORK = ModelWork.of(
    1,
    [
        node("conv1", 3_000_000, {"x": 1000}, {"c": 1000}),
        node("relu1", 250, {"c": 1000}, {"r": 1000}),
        node("conv2", 1_000_000, {"r": 1000}, {"d": 1000}),
        node("add", 250, {"r": 50_000, "d": 50_000}, {"y": 50_000}),
    ],
)


def test_which_types_take_the_time_and_the_longest_layer() -> None:
    (sentence,) = explain(Evidence(record(), layers=LAYERS))
    assert sentence == (
        "Of the time of the 3 layers Conv 80 % (2 layers), Add 20 % (1 layer); the longest, conv1, takes 60 %"
    )


def test_tensors_that_never_leave_a_layer_are_not_counted() -> None:
    fused, alone = WORK.of_layer(("conv1", "relu1")), WORK.of_layer(("relu1",))
    assert fused is not None
    assert (fused.flops, fused.bytes) == (3_000_250, 2000)
    assert alone is not None
    assert (alone.bytes, alone.intensity) == (2000, 0.125)
    assert WORK.of_layer(("unknown",)) is None
    assert WORK.of_layer(()) is None
    assert ModelWork.of(1, [node("n", None, {}, {"y": None})]).of_layer(("n",)) is None


@pytest.mark.parametrize(("threads", "peak", "rate"), [(1, 50, 5), (2, 100, 10)])
def test_layers_are_limited_by_computing_or_by_memory(threads: int, peak: int, rate: int) -> None:
    run_of = record(effective={"threads": threads})
    found = explain(Evidence(run_of, layers=LAYERS, work=WORK, ceilings=CEILINGS))
    assert found[1] == (
        f"By its operations and bytes, the time of the layers is limited 80 % by computing (they reach 50 of {peak} "
        f"GFLOP/s) and 20 % by memory (they reach 7.5 of {rate} GB/s)"
    )


def test_limits_are_not_guessed() -> None:
    for changes in ({"work": None}, {"ceilings": None}, {"layers": ()}):
        parts: dict[str, Any] = {"layers": LAYERS, "work": WORK, "ceilings": CEILINGS} | changes
        assert not [each for each in explain(Evidence(record(), **parts)) if "limited" in each]
    batches = record(batch_size=8, scenario="Server", command="benchmark")
    assert not [
        each for each in explain(Evidence(batches, layers=LAYERS, work=WORK, ceilings=CEILINGS)) if "lim" in each
    ]
    on_gpu = record(using_gpu=True)
    assert not [
        each for each in explain(Evidence(on_gpu, layers=LAYERS, work=WORK, ceilings=CEILINGS)) if "lim" in each
    ]


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


def graph(path: Path, *nodes: Any) -> Path:
    weight = numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "w")
    shape = ["n", 3, 8, 8]
    made = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def test_work_of_a_graph_is_kept_with_the_run_and_read_again(tmp_path: Path) -> None:
    path = graph(
        tmp_path / "m.onnx", helper.make_node("Conv", ["x", "w"], ["c"], "conv"), helper.make_node("Relu", ["c"], ["y"])
    )
    conv, relu = graph_work(path, 2)
    assert (conv.flops, conv.weight_bytes) == (2 * 2 * 4 * 3 * 64, 48)
    assert (conv.reads, conv.writes) == ({"x": 2 * 3 * 64 * 4}, {"c": 2 * 4 * 64 * 4})
    assert (relu.name, relu.flops) == ("Relu -> y", 2 * 4 * 64)
    text = graph_work_json(path, 2)

    def kept(data: bytes) -> Evaluation:
        files = (FileEntry(path=WORK_FILE, size=len(data), sha256="0" * 64),)
        return Evaluation(record(files=files), lambda name: io.BytesIO(data))

    found = read_work(kept(text.encode()))
    assert found is not None
    assert (found.batch_size, list(found.nodes.values())) == (2, [conv, relu])
    both = found.of_layer(("conv", "Relu -> y"))
    assert both is not None
    assert both.bytes == 48 + 2 * 3 * 64 * 4 + 2 * 4 * 64 * 4
    for damaged in (text[:20], "[]", json.dumps({"batch_size": 1, "nodes": [{"name": "x"}]})):
        with pytest.raises(StoreError, match=r"graph-work\.json is damaged"):
            read_work(kept(damaged.encode()))
    assert read_work(Evaluation(record(), lambda name: io.BytesIO(b""))) is None
    with pytest.raises(ModelError):
        graph_work_json(Path(__file__), 1)


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


def test_settings_that_only_one_framework_knows_are_no_change(home: Path) -> None:
    one = layered(home, FUSED, effective={"threads": 1, "graph_optimization_level": "all"})
    two = layered(home, FUSED, effective={"threads": 2, "NUM_STREAMS": 1}, framework_name="openvino")
    assert explain_change(two, one)[0] == "What differs: framework name onnxruntime to openvino, threads 1 to 2"


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
