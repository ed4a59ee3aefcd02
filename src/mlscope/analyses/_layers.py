"""Layers: which of them take a model's time, one by one, as a tree, and by type.

Only evaluations that were traced to their layers, and no deeper, have rows: a quantity is read at the level at which
it is the deepest, so that tracing does not distort it (XSP, arXiv 1908.06869).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mlscope.analyses._table import Column, Row, Table, build
from mlscope.results import LayerSummary, Record

__all__ = ["LAYER_LEVEL", "LayersOf", "layer_aggregate", "layer_tree", "layers"]

LayersOf = Callable[[Record], Sequence[LayerSummary]]
"""Gives a record's layers; none where it has none."""

LAYER_LEVEL = "FRAMEWORK_TRACE"

_TIMES = (
    Column("median_us", "median", "us"),
    Column("trimmed_mean_us", "trimmed mean", "us"),
    Column("share", "share", "fraction"),
)
_LAYERS = (
    Column("layer_index", "index"),
    Column("layer_name", "layer"),
    Column("layer_type", "type"),
    Column("layer_shape", "output shape"),
    Column("layer_input_shape", "input shape", shown="data"),
    *_TIMES,
    Column("min_us", "min", "us", shown="wide"),
    Column("max_us", "max", "us", shown="wide"),
    Column("calls", "calls"),
    Column("layer_allocated_bytes", "allocated", "B"),
    Column("depth", "depth", shown="wide"),
    Column("model_nodes", "model's nodes"),
    Column("synthetic", "synthetic", shown="wide"),
)
_TREE = (
    Column("layer_index", "index"),
    Column("depth", "depth", shown="data"),
    Column("tree", "layer"),
    Column("layer_type", "type"),
    *_TIMES,
)
_AGGREGATE = (
    Column("layer_type", "type"),
    Column("occurrences", "occurrences"),
    Column("occurrence_share", "share of layers", "fraction"),
    Column("duration_us", "duration", "us"),
    Column("duration_share", "share of duration", "fraction"),
    Column("allocated_bytes", "allocated", "B"),
    Column("allocated_share", "share of allocated", "fraction"),
)


def layers(records: Sequence[Record], layers_of: LayersOf) -> Table:
    """A row for each layer, in the order of execution, index from 0."""
    return build("layers", _LAYERS, _traced(records), lambda record: map(_layer, layers_of(record)))


def layer_tree(records: Sequence[Record], layers_of: LayersOf) -> Table:
    """The model's call, its layers, and below each what it consists of: nested layers, or the nodes that it fuses."""
    return build("layer_tree", _TREE, _traced(records), lambda record: _tree(layers_of(record)))


def layer_aggregate(records: Sequence[Record], layers_of: LayersOf) -> Table:
    """A row for each type of layers: how many, how long, how much memory; the longest first.

    Durations are sums of the trimmed means. What is part of another layer is not counted again.
    """
    return build("layer_aggregate", _AGGREGATE, _traced(records), lambda record: _by_type(layers_of(record)))


def _traced(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.trace_level == LAYER_LEVEL]


def _times(layer: LayerSummary) -> Row:
    return {
        "median_us": layer.median_ns / 1e3,
        "trimmed_mean_us": layer.trimmed_mean_ns / 1e3,
        "share": layer.share,
    }


def _layer(layer: LayerSummary) -> Row:
    return _times(layer) | {
        "layer_index": layer.index,
        "layer_name": layer.name,
        "layer_type": layer.type,
        "layer_shape": layer.output_shapes,
        "layer_input_shape": layer.input_shapes,
        "min_us": layer.min_ns / 1e3,
        "max_us": layer.max_ns / 1e3,
        "calls": layer.calls,
        "layer_allocated_bytes": layer.allocated_bytes,
        "depth": layer.depth,
        "model_nodes": " ".join(layer.nodes),
        "synthetic": layer.synthetic,
    }


def _tree(found: Sequence[LayerSummary]) -> Iterable[Row]:
    if not found:
        return
    below: dict[int | None, list[LayerSummary]] = {}
    for layer in found:
        below.setdefault(layer.parent, []).append(layer)
    known = [layer.share for layer in found if layer.parent is None and layer.share is not None]
    yield {"depth": 0, "tree": "predict", "share": 1.0 if known else None}
    yield from _branches(below, None, 1)
    if known:
        yield {"depth": 1, "tree": "  (between the layers)", "share": max(0.0, 1 - sum(known))}


def _branches(below: dict[int | None, list[LayerSummary]], parent: int | None, depth: int) -> Iterable[Row]:
    for layer in below.get(parent, []):
        name = f"{'  ' * depth}{layer.name}"
        yield {"layer_index": layer.index, "depth": depth, "tree": name, "layer_type": layer.type} | _times(layer)
        yield from _branches(below, layer.index, depth + 1)
        if layer.nodes != (layer.name,):
            for node in layer.nodes:
                yield {"depth": depth + 1, "tree": f"{'  ' * (depth + 1)}{node}", "layer_type": "(node)"}


def _by_type(found: Sequence[LayerSummary]) -> Iterable[Row]:
    kinds: dict[str, list[LayerSummary]] = {}
    for layer in found:
        if layer.parent is None:
            kinds.setdefault(layer.type, []).append(layer)
    count = sum(map(len, kinds.values()))
    rows = [_kind(kind, each) for kind, each in kinds.items()]
    duration = sum(float(str(row["duration_us"])) for row in rows)
    memory = sum(layer.allocated_bytes or 0 for layer in found if layer.parent is None)
    for row in sorted(rows, key=lambda row: -float(str(row["duration_us"]))):
        told = row["allocated_bytes"]
        yield row | {
            "occurrence_share": int(str(row["occurrences"])) / count,
            "duration_share": float(str(row["duration_us"])) / duration if duration else None,
            "allocated_share": int(str(told)) / memory if told is not None and memory else None,
        }


def _kind(kind: str, found: Sequence[LayerSummary]) -> Row:
    told = [layer.allocated_bytes for layer in found if layer.allocated_bytes is not None]
    return {
        "layer_type": kind,
        "occurrences": len(found),
        "duration_us": sum(layer.trimmed_mean_ns for layer in found) / 1e3,
        "allocated_bytes": sum(told) if told else None,
    }
