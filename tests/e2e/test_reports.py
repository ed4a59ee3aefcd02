"""Reports of a small model whose structure is known, traced for real."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import Cli
from tests.e2e import running

NODES = ["conv", "relu", "flatten", "gemm"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one run of the model, traced to its layers, nothing fused."""
    folder = tmp_path_factory.mktemp("reports")
    weights = {"k": np.ones((4, 3, 1, 1), np.float32), "w": np.ones((10, 256), np.float32)}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "k"], ["c"], "conv"),
            helper.make_node("Relu", ["c"], ["r"], "relu"),
            helper.make_node("Flatten", ["r"], ["f"], "flatten"),
            helper.make_node("Gemm", ["f", "w"], ["y"], "gemm", transB=1),
        ],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    load = ("--scenario", "SingleStream", "--min-duration", "0", "--count-override", "50")
    level = ("--trace-level", "FRAMEWORK_TRACE", "--option", "graph_optimization_level=disable")
    done = running.run(folder / "home", "benchmark", path, "--random-inputs", *load, *level)
    assert done.code in (0, 1), done.err
    return folder / "home"


def report(cli: Cli, *words: str) -> list[dict[str, object]]:
    done = cli("info", "evaluation", *words, "--format", "json")
    assert done.code == 0, done.err
    found: list[dict[str, object]] = json.loads(done.out)
    return found


def test_layers_and_their_tree_are_the_models_nodes(cli: Cli) -> None:
    rows = report(cli, "layers")
    assert [(row["layer_index"], row["model_nodes"]) for row in rows] == list(enumerate(NODES))
    tree = report(cli, "layer_tree")
    assert [row["tree"] for row in tree] == ["predict", *(f"  {name}" for name in NODES), "  (between the layers)"]
    shares = [float(str(row["share"])) for row in tree[1:]]
    assert sum(shares) == pytest.approx(1)


def test_events_lie_in_each_other_as_the_model_ran(cli: Cli) -> None:
    events = report(cli, "eventflow")
    by_id = {row["event_id"]: row for row in events}
    calls = [row for row in events if row["event_name"] == "c_predict"]
    assert calls
    for call in calls:
        below = [row for row in events if row["parent_id"] == call["event_id"]]
        assert [row["event_name"] for row in below] == NODES
        begin, end = float(str(call["start_us"])), float(str(call["start_us"])) + float(str(call["duration_us"]))
        for row in below:
            start = float(str(row["start_us"]))
            assert begin - 1e-3 <= start <= start + float(str(row["duration_us"])) <= end + 1e-3
        above = by_id[call["parent_id"]]
        assert above["event_name"] == "request"
    assert [row["start_us"] for row in events] == sorted(float(str(row["start_us"])) for row in events)


def test_operations_of_the_layers_are_the_models(cli: Cli) -> None:
    rows = {row["name"]: row for row in report(cli, "roofline")}
    assert rows["conv"]["flops"] == 2 * 4 * 64 * 3
    assert rows["gemm"]["flops"] == 2 * 10 * 256
    assert rows["relu"]["bytes"] == 2 * 4 * 64 * 4
    assert rows["conv"]["bound"] in {"memory", "compute"}
    again = cli("info", "evaluation", "roofline")
    assert "measuring" not in again.err


def test_memory_and_counters_of_the_run(cli: Cli) -> None:
    memory = {row["memory"]: row for row in report(cli, "memory")}
    assert {"machine total", "worker peak", "layers allocated"} <= set(memory)
    counters = {row["counter"] for row in report(cli, "hardware")}
    assert {"own_cores", "foreign_cores", "steal_cores"} <= counters


def test_everything_in_one_table(cli: Cli) -> None:
    done = cli("info", "evaluation", "all", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert {"accuracy", "layers", "layer_tree", "roofline", "memory", "hardware"} <= {row["analysis"] for row in rows}
    assert "cuda_launch, kernels" in done.err
