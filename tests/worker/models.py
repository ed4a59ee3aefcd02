"""Small models, made on the spot: ONNX by the onnx package, TFLite by LiteRT's own schema."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tflite
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
Size = int | str


def dense_weights(inputs: int, outputs: int) -> Array:
    return np.random.default_rng(5).standard_normal((inputs, outputs)).astype(np.float32)


def dense(path: Path, *, batch: Size = "N", inputs: int = 6, outputs: int = 4, name: str = "x") -> Path:
    """y = x @ dense_weights(inputs, outputs)."""
    weights = numpy_helper.from_array(dense_weights(inputs, outputs), "w")
    return save(
        path,
        [helper.make_node("MatMul", [name, "w"], ["y"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, outputs])],
        [weights],
    )


def two_inputs(path: Path) -> Path:
    """sum = left + float(right), count = right + 1; left is float32 [N, 3], right int64 [N, 3]."""
    one = numpy_helper.from_array(np.ones(1, np.int64), "one")
    return save(
        path,
        [
            helper.make_node("Cast", ["right"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["left", "floats"], ["sum"]),
            helper.make_node("Add", ["right", "one"], ["count"]),
        ],
        [
            helper.make_tensor_value_info("left", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("right", TensorProto.INT64, ["N", 3]),
        ],
        [
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("count", TensorProto.INT64, ["N", 3]),
        ],
        [one],
    )


def dynamic(path: Path) -> Path:
    """y = mean of x over height and width; x is float32 [N, 3, H, W]."""
    return save(
        path,
        [helper.make_node("GlobalAveragePool", ["x"], ["pooled"]), helper.make_node("Flatten", ["pooled"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
    )


def picky(path: Path, *, rows: int = 4) -> Path:
    """y = table[x]: raises for an index that is out of the table; x is int64 [N, 1], y float32 [N, rows]."""
    table = numpy_helper.from_array(np.eye(rows, dtype=np.float32), "table")
    return save(
        path,
        [helper.make_node("Gather", ["table", "x"], ["rows"]), helper.make_node("Flatten", ["rows"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["N", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", rows])],
        [table],
    )


def sequence_output(path: Path) -> Path:
    """A model whose answer is no tensor."""
    return save(
        path,
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)],
    )


def unknown_operator(path: Path) -> Path:
    """A model with an operator of a domain that nobody knows; x and y are float32 [N, 2]."""
    sizes = [TensorProto.FLOAT, ["N", 2]]
    node = helper.make_node("Frobnicate", ["x"], ["y"], domain="my.ops")
    value = helper.make_tensor_value_info
    graph = helper.make_graph([node], "graph", [value("x", *sizes)], [value("y", *sizes)])
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("my.ops", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=sets, ir_version=8).SerializeToString())
    return path


def save(
    path: Path, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any] = ()
) -> Path:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, list(weights))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def tflite_sum(
    path: Path,
    *,
    batch: int = 1,
    fixed: bool = False,
    dynamic: bool = False,
    width: int = 3,
    addend: float = 0.5,
    custom: str | None = None,
) -> Path:
    """y = x + addend, float32 [batch, width].

    Args:
        path: The file.
        batch: The batch that the file declares.
        fixed: A reshape to [batch, width] behind it forbids every other batch.
        dynamic: The signature leaves both dimensions open.
        width: Columns.
        addend: What is added.
        custom: Name of an operator that nobody knows, in the place of the addition.
    """
    shape = [batch, width]
    buffers = [b"", np.array([addend], np.float32).tobytes(), np.array(shape, np.int32).tobytes()]
    open_shape = [-1, -1] if dynamic else None
    tensors = [
        _tensor("x", shape, tflite.TensorType.FLOAT32, signature=open_shape),
        _tensor("addend", [1], tflite.TensorType.FLOAT32, buffer=1),
        _tensor("y", shape, tflite.TensorType.FLOAT32, signature=open_shape),
    ]
    operators = [_operator(0, [0, 1], [2], tflite.BuiltinOptions.AddOptions, tflite.AddOptionsT())]
    codes = [tflite.BuiltinOperator.ADD]
    if fixed:
        tensors += [
            _tensor("shape", [2], tflite.TensorType.INT32, buffer=2),
            _tensor("z", shape, tflite.TensorType.FLOAT32),
        ]
        operators.append(_operator(1, [2, 3], [4], tflite.BuiltinOptions.ReshapeOptions, tflite.ReshapeOptionsT()))
        codes.append(tflite.BuiltinOperator.RESHAPE)
    graph = tflite.SubGraphT()
    graph.tensors, graph.operators, graph.inputs, graph.outputs = tensors, operators, [0], [4 if fixed else 2]
    return _save_tflite(path, graph, codes, buffers, custom)


def _tensor(name: str, shape: list[int], kind: int, *, buffer: int = 0, signature: list[int] | None = None) -> Any:
    tensor = tflite.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, buffer
    tensor.shapeSignature = signature
    return tensor


def _operator(code: int, inputs: list[int], outputs: list[int], kind: int, options: Any) -> Any:
    operator = tflite.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
    operator.builtinOptionsType, operator.builtinOptions = kind, options
    return operator


def _save_tflite(path: Path, graph: Any, codes: list[int], buffers: list[bytes], custom: str | None) -> Path:
    model = tflite.ModelT()
    model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], [], []
    for data in buffers:
        buffer = tflite.BufferT()
        buffer.data = list(data) or None
        model.buffers.append(buffer)
    for number in codes:
        code = tflite.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = number
        model.operatorCodes.append(code)
    if custom is not None:
        first = model.operatorCodes[0]
        first.builtinCode = first.deprecatedBuiltinCode = tflite.BuiltinOperator.CUSTOM
        first.customCode = custom
        graph.operators[0].builtinOptionsType, graph.operators[0].builtinOptions = tflite.BuiltinOptions.NONE, None
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(builder.Output())
    return path
