"""Traces down to the framework's layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

import mlscope
from mlscope.results import LAYERS_FILE, Evaluation, read_layer_summary, read_layers
from mlscope.worker.protocol import TraceLevel
from tests.conftest import Cli
from tests.e2e import running

LAYERS = "FRAMEWORK_TRACE"
DIGITS = ["conv1", "conv2", "dense", "flatten", "relu1", "relu2"]


def table(evaluation: Evaluation) -> pd.DataFrame:
    """The executions of layers."""
    with evaluation.open(LAYERS_FILE) as file:
        frame: pd.DataFrame = read_layers(file).to_pandas()
    return frame


def check_parents(spans: pd.DataFrame, chain: tuple[str, ...]) -> pd.DataFrame:
    """Every layer lies in its call, that in its request, …; returns the layers' spans."""
    by_id = spans.set_index("span_id")
    found = spans[spans.level == TraceLevel.FRAMEWORK_TRACE]
    for _, layer in found.iterrows():
        inner = layer
        for name in chain:
            outer = by_id.loc[inner.parent_id]
            assert outer["name"] == name
            assert outer.start_ns <= inner.start_ns <= inner.end_ns <= outer.end_ns
            inner = outer
    return found


def test_every_node_of_the_digits_model_is_in_one_layer(cli: Cli, home: Path) -> None:
    result = cli("predict", "dataset", "--num-file-parts", "8", "--trace-level", LAYERS)
    assert (result.code, result.err) == (0, "")
    evaluation = running.only(home)
    assert evaluation.record.trace_level == LAYERS
    rows = table(evaluation)
    assert sorted(rows.call.unique()) == list(range(8))
    for _, one in rows.groupby("call"):
        assert sorted(node for nodes in one.nodes for node in nodes) == DIGITS
        assert list(one["index"]) == list(range(len(one)))
    layers = check_parents(evaluation.spans().to_pandas(), ("c_predict", "predict_step", "predict dataset"))
    assert len(layers) == len(rows)
    told = json.loads(layers.iloc[0].attributes)
    assert (told["layer_sequence_index"], told["op_name"]) == (0, "Conv")


def test_reports_of_layers(cli: Cli, home: Path) -> None:
    empty = cli("info", "evaluation", "layers")
    assert (empty.code, len(empty.err.splitlines())) == (0, 1)
    cli("predict", "dataset", "--num-file-parts", "4", "--trace-level", "MODEL_TRACE")
    without = cli("info", "evaluation", "layers")
    assert (without.code, "traced to its layers" in without.err) == (0, True)
    cli("predict", "dataset", "--num-file-parts", "4", "--trace-level", LAYERS)
    rows = json.loads(cli("info", "evaluation", "layers", "--format", "json").out)
    assert [row["layer_index"] for row in rows] == list(range(len(rows)))
    assert {row["calls"] for row in rows} == {4}
    assert all(row["min_us"] <= row["median_us"] <= row["max_us"] for row in rows)
    kinds = json.loads(cli("info", "evaluation", "layer_aggregate", "--format", "json").out)
    assert sum(row["occurrences"] for row in kinds) == len(rows)
    for share in ("occurrence_share", "duration_share", "allocated_share"):
        assert sum(row[share] for row in kinds) == pytest.approx(1)
    tree = json.loads(cli("info", "evaluation", "layer_tree", "--format", "json").out)
    assert tree[0]["tree"] == "predict"
    shown = [row["tree"].strip() for row in tree]
    assert all(shown.count(node) == 1 for node in DIGITS)


def test_a_framework_without_a_profiler_is_traced_to_the_model_and_says_so_once(cli: Cli, home: Path) -> None:
    args = ("--model-name", "null", "--scenario", "SingleStream", "--min-duration", "0.2")
    result = cli("benchmark", *args, "--trace-level", LAYERS)
    assert result.code == 0, result.err
    assert [line for line in result.err.splitlines() if "MODEL_TRACE" in line] == result.err.splitlines()
    assert len(result.err.splitlines()) == 1
    evaluation = running.only(home)
    assert evaluation.record.trace_level == "MODEL_TRACE"
    assert not any(entry.path.startswith(("profile", "layer")) for entry in evaluation.record.files)


@pytest.mark.parametrize("threads", [1, 2])
def test_layers_of_requests_to_a_server_with_two_streams(home: Path, threads: int) -> None:
    pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    options = ("--streams", "2", "--threads", str(threads), "--batch-size", "4")
    load = ("--scenario", "Server", "--target-qps", "40", "--min-duration", "0.5")
    result = running.run(home, "benchmark", *load, *options, "--trace-level", LAYERS)
    assert result.code in (0, 1), result.err
    evaluation = running.only(home)
    rows = table(evaluation)
    for _, one in rows.groupby("call"):
        assert sorted(node for nodes in one.nodes for node in nodes) == DIGITS
    check_parents(evaluation.spans().to_pandas(), ("c_predict", "request", "loadgen_test", "benchmark"))


@pytest.mark.alone
def test_layers_explain_a_call_of_some_milliseconds(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    size, depth = 768, 6
    weights = [numpy_helper.from_array(np.ones((size, size), np.float32), f"w{at}") for at in range(depth)]
    nodes = [helper.make_node("MatMul", [f"x{at}", f"w{at}"], [f"x{at + 1}"], f"layer{at}") for at in range(depth)]
    shape = ["n", size, size]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(f"x{depth}", TensorProto.FLOAT, shape)],
        weights,
    )
    path = tmp_path / "chain.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    result = running.run(home, "benchmark", path, "--random-inputs", "--min-duration", "1", "--trace-level", LAYERS)
    assert result.code in (0, 1), result.err
    evaluation = running.only(home)
    with evaluation.open("layer-summary.parquet") as file:
        found = read_layer_summary(file)
    assert [(layer.index, layer.name, layer.nodes) for layer in found] == [
        (at, f"layer{at}", (f"layer{at}",)) for at in range(depth)
    ]
    assert 0.9 <= sum(layer.share or 0 for layer in found) <= 1.0


def test_published_runs_have_their_layers_too(cli: Cli, home: Path, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/shared.db"
    done = cli(
        "predict", "dataset", "--num-file-parts", "4", "--trace-level", LAYERS, "--publish",
        "--database-address", address,
    )  # fmt: skip
    assert done.code == 0, done.err
    there = json.loads(cli("info", "evaluation", "layers", "--database-address", address, "--format", "json").out)
    assert there == json.loads(cli("info", "evaluation", "layers", "--format", "json").out)


def test_the_api_takes_the_level(home: Path) -> None:
    evaluation = mlscope.evaluate(num_file_parts=3, trace_level=LAYERS)
    assert len(table(evaluation)) == 15


def test_levels_of_a_list_are_measured_each_and_compared(cli: Cli, home: Path) -> None:
    levels = ("MODEL_TRACE", "FRAMEWORK_TRACE", "FULL_TRACE")
    result = cli("predict", "dataset", "--num-file-parts", "6", "--trace-level", ",".join(levels))
    assert result.code == 0, result.err
    found = running.evaluations(home)
    assert sorted(each.record.trace_level for each in found) == ["FRAMEWORK_TRACE", "FULL_TRACE", "MODEL_TRACE"]
    assert len({each.record.experiment for each in found}) == 1
    assert str(found[0].record.experiment).startswith("levels-")
    assert "overhead" in result.out
    cost = cli("info", "evaluation", "levels", "--format", "json")
    assert cost.code == 0, cost.err
    known = {row["trace_level"]: row["tracing_overhead"] for row in cost.json()}
    assert known["MODEL_TRACE"] is None
    assert isinstance(known["FRAMEWORK_TRACE"], float)
    only = cli("info", "evaluation", "latency", "--format", "json")
    assert [row["trace_level"] for row in json.loads(only.out)] == ["MODEL_TRACE"]
    assert "left out" in only.err
    rows = json.loads(cli("info", "evaluation", "layers", "--format", "json").out)
    assert {row["trace_level"] for row in rows} == {"FRAMEWORK_TRACE"}


def test_a_level_of_a_list_that_is_none_is_told(cli: Cli) -> None:
    result = cli("predict", "dataset", "--trace-level", "MODEL_TRACE,FRAMEWORK_TRAC")
    assert (result.code, result.out) == (2, "")
    assert "did you mean FRAMEWORK_TRACE?" in result.err
