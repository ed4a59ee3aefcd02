"""Operations of graphs whose numbers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlscope.analyses import flops_table, flops_totals
from mlscope.errors import ModelError

RESNET50 = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_resnet50.onnx"


def saved(path: Path, nodes: list[Any], weights: dict[str, Any], shape: list[int | str | None]) -> Path:
    """A model from `x` to `y` in a file."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def test_resnet50_has_its_published_multiply_adds() -> None:
    totals = flops_totals(flops_table(RESNET50))
    assert totals["multiply_adds"] == pytest.approx(4.09e9, rel=0.01)
    assert totals["nodes_unknown"] == 0
    assert totals["flops"] == 2 * totals["multiply_adds"] + totals["element_ops"]
    assert totals["weight_bytes"] == pytest.approx(4 * 25.6e6, rel=0.01)


def test_a_bias_counts_once_and_as_the_batch_norm_that_it_came_from_where_papers_do(tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["x", "k", "b"], ["y"], "conv")]
    weights = {"k": np.zeros((8, 3, 1, 1), np.float32), "b": np.zeros(8, np.float32)}
    totals = flops_totals(flops_table(saved(tmp_path / "m.onnx", nodes, weights, [1, 3, 2, 2])))
    assert (totals["multiply_adds"], totals["element_ops"]) == (96, 32)
    assert totals["published_ops"] == 96 + 64


def test_grouped_convolutions_and_products(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], "conv", group=4, pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "gemm", transB=1),
    ]
    weights = {"k": np.zeros((8, 1, 3, 3), np.float32), "w": np.zeros((5, 8), np.float32)}
    table = flops_table(saved(tmp_path / "m.onnx", nodes, weights, ["n", 4, 6, 6]), batch_size=2)
    rows = {str(row["name"]): row for row in table.rows}
    assert rows["conv"]["multiply_adds"] == 2 * 8 * 36 * 9
    assert (rows["conv"]["weight_bytes"], rows["conv"]["activation_bytes"]) == (8 * 9 * 4, 2 * (4 + 8) * 36 * 4)
    assert rows["conv"]["intensity_flops_per_byte"] == 2 * 2 * 8 * 36 * 9 / (288 + 3456)
    assert (rows["relu"]["multiply_adds"], rows["relu"]["element_ops"]) == (0, 2 * 8 * 36)
    assert rows["pool"]["element_ops"] == 2 * 8 * 36
    assert rows["flat"]["flops"] == 0
    assert rows["gemm"]["multiply_adds"] == 2 * 5 * 8


def test_padding_that_is_computed_from_the_inputs_size_is_known(tmp_path: Path) -> None:
    """Pads that depend on Shape stop plain inference: they are computed."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "two"], ["height"]),
        helper.make_node("Mod", ["height", "two"], ["odd"]),
        helper.make_node("Unsqueeze", ["odd", "zero"], ["more"]),
        helper.make_node("Concat", ["none", "more", "more"], ["pads"], axis=0),
        helper.make_node("Pad", ["x", "pads"], ["padded"], "pad"),
        helper.make_node("Conv", ["padded", "k"], ["y"], "conv", strides=[2, 2]),
    ]
    weights = {
        "two": np.array(2, np.int64),
        "zero": np.array([0], np.int64),
        "none": np.zeros(6, np.int64),
        "k": np.zeros((8, 3, 2, 2), np.float32),
    }
    table = flops_table(saved(tmp_path / "m.onnx", nodes, weights, [None, 3, 7, 7]))
    assert [row["name"] for row in table.rows] == ["pad", "conv"]
    assert table.rows[1]["output_shape"] == "1x8x4x4"
    assert table.rows[1]["multiply_adds"] == 8 * 16 * 12


def test_shapes_that_depend_on_the_data_are_told_not_guessed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["i"], "where"),
        helper.make_node("Cast", ["i"], ["f"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Relu", ["f"], ["y"], "relu"),
    ]
    table = flops_table(saved(tmp_path / "m.onnx", nodes, {}, [1, 3]))
    assert table.rows[2]["flops"] is None
    assert flops_totals(table)["nodes_unknown"] == 3


def test_what_is_no_graph_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    for data in (b"", b"no graph at all"):
        path.write_bytes(data)
        with pytest.raises(ModelError) as caught:
            flops_table(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
