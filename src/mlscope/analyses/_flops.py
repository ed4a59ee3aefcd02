"""Operations and bytes of each node of an ONNX graph, from its shapes alone.

Multiply-adds of convolutions and matrix products are exact: the number of output elements times the length of the sum
that makes each (https://onnx.ai/onnx/operators/). A bias and other nodes that compute count one operation an element, a
batch norm two.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.analyses._table import Column, Row, Table
from mlscope.errors import ModelError

__all__ = ["NodeWork", "flops_table", "flops_totals", "graph_work"]

_COLUMNS = (
    Column("index", "#"),
    Column("name", "node"),
    Column("type", "type"),
    Column("output_shape", "output shape"),
    Column("multiply_adds", "multiply-adds"),
    Column("element_ops", "element operations"),
    Column("flops", "FLOPs"),
    Column("bias_elements", "bias", shown="data"),
    Column("weight_bytes", "weights", "B", shown="wide"),
    Column("activation_bytes", "activations", "B", shown="wide"),
    Column("intensity_flops_per_byte", "FLOPs/byte"),
)
_ELEMENTWISE = frozenset(
    {
        "Add", "Sub", "Mul", "Div", "Sum", "Neg", "Abs", "Sqrt", "Exp", "Log", "Pow", "Relu", "LeakyRelu", "PRelu",
        "Elu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Erf", "Gelu", "Mish", "Softplus",
        "Softsign", "Clip", "Min", "Max", "InstanceNormalization", "LayerNormalization",
        "Softmax", "LogSoftmax",
    }
)  # fmt: skip
_ELEMENTWISE_OPS = {"BatchNormalization": 2}
_REDUCING = frozenset(
    {
        "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin",
    }
)  # fmt: skip
_POOLS = frozenset(("AveragePool", "MaxPool"))
_FOLD_ROUNDS = 64
_SMALL = 4_096
"""Elements of a tensor that may be a shape's."""

Shape = tuple[int, ...]


def flops_table(path: Path, batch_size: int = 1) -> Table:
    """Every node of a graph, with what it computes and moves; constants and what computes only shapes are left out.

    Args:
        path: An ONNX file; weights beside it are not read.
        batch_size: Put for the first dimension of the inputs, where it is open.

    Returns:
        Columns multiply_adds (convolutions and matrix products), element_ops (one an element for other nodes that
        compute), flops (two a multiply-add, one an element operation), weight_bytes, activation_bytes (what is read and
        written beside weights) and their ratio; None where a shape depends on the data.

    Raises:
        ModelError: The file is no ONNX graph, or a node's shapes contradict each other.
    """
    graph = _Graph(path, batch_size)
    nodes = [node for node in graph.nodes if node.op_type not in _SOURCES]
    rows = [_row(index, node, graph) for index, node in enumerate(nodes)]
    return Table("flops", _COLUMNS, rows)


@dataclasses.dataclass(frozen=True, slots=True)
class NodeWork:
    """What a node computes and moves."""

    name: str
    """As layers name the nodes that they stand for: a node without a name by its type and what it gives."""
    flops: int | None
    """None where a shape depends on the data."""
    weight_bytes: int
    reads: Mapping[str, int | None]
    """Tensor → bytes, without weights; None where the shape is unknown."""
    writes: Mapping[str, int | None]


def graph_work(path: Path, batch_size: int = 1) -> list[NodeWork]:
    """Every node that computes something, in the order of the graph; arguments and errors as of :func:`flops_table`."""
    graph = _Graph(path, batch_size)
    return [_node_work(node, graph) for node in graph.nodes if node.op_type not in _SOURCES]


def _node_work(node: Any, graph: _Graph) -> NodeWork:
    output = graph.shapes.get(node.output[0])
    work = _work(node, graph, output) if output is not None else None
    given = [name for name in dict.fromkeys(node.input) if name]
    return NodeWork(
        node.name or f"{node.op_type} -> {', '.join(node.output)}",
        None if work is None else 2 * work[0] + work[1],
        sum(graph.bytes_of(name) or 0 for name in given if name in graph.weights),
        {name: graph.bytes_of(name) for name in given if name not in graph.weights},
        {name: graph.bytes_of(name) for name in node.output if name},
    )


def flops_totals(table: Table) -> dict[str, int]:
    """Sums over all nodes, and how many nodes have none because their shapes are unknown.

    ``published_ops`` is what papers of convolutional networks count: multiply-adds, batch norms, activations and
    additions. A convolution's bias counts as the batch norm that was folded into it, two an element.
    """
    names = ("multiply_adds", "element_ops", "flops", "bias_elements", "weight_bytes", "activation_bytes")
    sums = {name: sum(_whole(row[name]) for row in table.rows) for name in names}
    sums["published_ops"] = sums["multiply_adds"] + sums["element_ops"] + sums.pop("bias_elements")
    return sums | {"nodes_unknown": sum(row["flops"] is None for row in table.rows)}


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


class _Graph:
    """A graph with the shapes and element sizes of its tensors."""

    def __init__(self, path: Path, batch_size: int) -> None:
        import onnx
        from google.protobuf.message import DecodeError

        try:
            model = onnx.load(str(path), load_external_data=False)
        except (OSError, DecodeError, ValueError) as error:
            raise ModelError("is no ONNX file that can be read", where=str(path)) from error
        if not model.graph.node:
            raise ModelError("the graph has no nodes", where=str(path))
        self._fix_inputs(model, batch_size)
        try:
            model = _with_shapes(model)
        except (onnx.shape_inference.InferenceError, ValueError) as error:
            what = str(error).strip().splitlines()[-1] if str(error).strip() else "unknown"
            raise ModelError(f"its shapes cannot be inferred: {what}", where=str(path)) from error
        graph = model.graph
        self.nodes = list(graph.node)
        self.weights = {each.name for each in graph.initializer} | {
            name for node in graph.node if node.op_type in _SOURCES for name in node.output
        }
        self.shapes: dict[str, Shape] = {each.name: tuple(each.dims) for each in graph.initializer}
        self.sizes: dict[str, int] = {each.name: _item_bytes(each.data_type) for each in graph.initializer}
        for each in (*graph.input, *graph.value_info, *graph.output):
            shape = _shape(each)
            if shape is not None:
                self.shapes.setdefault(each.name, shape)
            self.sizes.setdefault(each.name, _item_bytes(each.type.tensor_type.elem_type))

    @staticmethod
    def _fix_inputs(model: Any, batch_size: int) -> None:
        constant = {each.name for each in model.graph.initializer}
        for each in model.graph.input:
            dims = each.type.tensor_type.shape.dim
            if each.name not in constant and dims and not dims[0].dim_value:
                dims[0].dim_value = batch_size

    def bytes_of(self, name: str) -> int | None:
        """Bytes of a tensor; None where its shape is unknown."""
        shape = self.shapes.get(name)
        return None if shape is None else math.prod(shape) * self.sizes.get(name, 4)


_SOURCES = ("Constant", "ConstantOfShape")


def _shape(info: Any) -> Shape | None:
    kind = info.type.tensor_type
    if not kind.HasField("shape") or any(not each.HasField("dim_value") for each in kind.shape.dim):
        return None
    return tuple(each.dim_value for each in kind.shape.dim)


def _item_bytes(element_type: int) -> int:
    from onnx import helper

    try:
        return int(helper.tensor_dtype_to_np_dtype(element_type).itemsize)
    except (KeyError, TypeError, ValueError):
        return 4


def _with_shapes(model: Any) -> Any:
    """Shapes of all tensors; what computes shapes from shapes is computed, until nothing new comes of it.

    Padding that a model computes from its input's size stops plain shape inference; it is known once the input is.
    """
    from onnx import shape_inference

    values: dict[str, Any] = {}
    for _ in range(_FOLD_ROUNDS):
        model = shape_inference.infer_shapes(model, data_prop=True)
        if not _fold(model.graph, values, model.opset_import):
            return model
    return model


def _fold(graph: Any, values: dict[str, Any], opsets: Sequence[Any]) -> bool:
    """Turn nodes whose inputs are known and small into constants; whether there were any."""
    from onnx import numpy_helper

    shapes = {each.name: _shape(each) for each in (*graph.input, *graph.value_info)}
    shapes |= {each.name: tuple(each.dims) for each in graph.initializer}
    for each in graph.initializer:
        if each.name not in values and math.prod(each.dims) <= _SMALL and each.data_location != 1:
            values[each.name] = numpy_helper.to_array(each)
    folded = False
    for node in list(graph.node):
        found = _value(node, values, shapes, opsets)
        if found is None:
            continue
        graph.node.remove(node)
        values[node.output[0]] = found
        graph.initializer.append(numpy_helper.from_array(found, node.output[0]))
        folded = True
    return folded


def _value(node: Any, values: Mapping[str, Any], shapes: Mapping[str, Shape | None], opsets: Sequence[Any]) -> Any:
    """What a node gives, if that is known and small; None otherwise."""
    import numpy as np
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    if len(node.output) != 1 or node.op_type not in _SHAPE_NODES:
        return None
    if node.op_type == "Shape" and not node.attribute:
        shape = shapes.get(node.input[0])
        return None if shape is None else np.array(shape, np.int64)
    inputs = [name for name in node.input if name]
    if any(name not in values for name in inputs):
        return None
    names = dict.fromkeys(inputs)
    infos = [helper.make_value_info(name, helper.make_tensor_type_proto(0, None)) for name in names]
    output = helper.make_value_info(node.output[0], helper.make_tensor_type_proto(0, None))
    graph = helper.make_graph([node], "fold", infos, [output])
    run = ReferenceEvaluator(helper.make_model(graph, opset_imports=list(opsets)))
    found = np.asarray(run.run(None, {name: values[name] for name in names})[0])
    return found if found.size <= _SMALL else None


_SHAPE_NODES = frozenset(
    {
        "Constant", "Shape", "Gather", "Slice", "Concat", "Unsqueeze", "Squeeze", "Cast", "Add", "Sub", "Mul",
        "Div", "Mod", "Floor", "Ceil", "Max", "Min", "Reshape", "Transpose", "ConstantOfShape", "Identity",
        "Range", "Where", "Equal",
    }
)  # fmt: skip


def _row(index: int, node: Any, graph: _Graph) -> Row:
    output = graph.shapes.get(node.output[0])
    work = _work(node, graph, output) if output is not None else None
    tensors = [name for name in dict.fromkeys((*node.input, *node.output)) if name]
    weight = sum(graph.bytes_of(name) or 0 for name in tensors if name in graph.weights)
    moved = [graph.bytes_of(name) for name in tensors if name not in graph.weights]
    activations = None if None in moved else sum(each for each in moved if each is not None)
    flops = None if work is None else 2 * work[0] + work[1]
    ratio = (
        flops / (weight + activations)
        if flops is not None and activations is not None and weight + activations
        else None
    )
    return {
        "index": index,
        "name": node.name or node.output[0],
        "type": node.op_type,
        "output_shape": None if output is None else "x".join(map(str, output)),
        "multiply_adds": None if work is None else work[0],
        "element_ops": None if work is None else work[1],
        "flops": flops,
        "bias_elements": math.prod(output) if output is not None and _has_bias(node) else 0,
        "weight_bytes": weight,
        "activation_bytes": activations,
        "intensity_flops_per_byte": ratio,
    }


def _work(node: Any, graph: _Graph, output: Shape) -> tuple[int, int] | None:
    """Multiply-adds and element operations of a node; None where a shape is unknown."""
    count = math.prod(output)
    shapes = [graph.shapes.get(name) for name in node.input]
    summed = _SUMS.get(node.op_type)
    if summed is not None:
        if any(shape is None for shape in shapes[:2]):
            return None
        return count * summed(node, [shape or () for shape in shapes]), count if _has_bias(node) else 0
    if node.op_type in _ELEMENTWISE or node.op_type in _ELEMENTWISE_OPS:
        return 0, count * _ELEMENTWISE_OPS.get(node.op_type, 1)
    if node.op_type in _REDUCING:
        return None if not shapes or shapes[0] is None else (0, math.prod(shapes[0]))
    if node.op_type in _POOLS:
        return 0, count * math.prod(_ints(node, "kernel_shape"))
    return 0, 0


def _has_bias(node: Any) -> bool:
    return node.op_type in {"Conv", "Gemm"} and len(node.input) > 2 and bool(node.input[2])


def _ints(node: Any, name: str) -> list[int]:
    return next((list(each.ints) for each in node.attribute if each.name == name), [])


def _flag(node: Any, name: str) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), 0)


_SUMS: dict[str, Callable[[Any, list[Shape]], int]] = {
    # Of each output element: input channels of the group times the kernel.
    "Conv": lambda node, shapes: math.prod(shapes[1][1:]),
    "Gemm": lambda node, shapes: shapes[0][0] if _flag(node, "transA") else shapes[0][1],
    "MatMul": lambda node, shapes: shapes[0][-1],
}
"""Length of the sum behind each output element."""
