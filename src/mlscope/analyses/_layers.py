"""Layers: which of them take a model's time, one by one (XSP's analyses 2 to 4)."""

from __future__ import annotations

from collections.abc import Sequence

from mlscope.analyses._layer_runs import NO_LAYERS, TIMES, layer_runs, layers_of, times
from mlscope.analyses._runs import Runs, View
from mlscope.analyses._table import Column, Row, Table, build, to_us
from mlscope.results import Evaluation, LayerSummary

__all__ = ["layers"]

COLUMNS = (
    Column("layer_index", "index"),
    Column("layer_name", "layer"),
    Column("layer_type", "type"),
    Column("layer_shape", "output shape"),
    Column("layer_input_shape", "input shape", shown="data"),
    *TIMES,
    Column("low_us", "low", "us", "wide"),
    Column("high_us", "high", "us", "wide"),
    Column("min_us", "min", "us", shown="wide"),
    Column("p25_us", "lower quartile", "us", "data"),
    Column("p75_us", "upper quartile", "us", "data"),
    Column("max_us", "max", "us", shown="wide"),
    Column("calls", "calls"),
    Column("runs", "runs", shown="wide"),
    Column("layer_allocated_bytes", "allocated", "B"),
    Column("depth", "depth", shown="wide"),
    Column("model_nodes", "model's nodes"),
    Column("synthetic", "synthetic", shown="wide"),
)


def layers(evaluations: Sequence[Evaluation], view: View) -> Table:
    """A row for each layer, in the order of execution, index from 0; or the longest ones, the longest first."""
    return build("layers", COLUMNS, layer_runs(evaluations, view), lambda runs: _rows(runs, view.top), empty=NO_LAYERS)


def _rows(runs: Runs, top: int | None) -> list[Row]:
    found, count = layers_of(runs)
    if top is not None:
        found = sorted(found, key=lambda layer: -layer.trimmed_mean_ns)[:top]
    return [_row(layer) | {"runs": count} for layer in found]


def _row(layer: LayerSummary) -> Row:
    return times(layer) | {
        "layer_index": layer.index,
        "layer_name": layer.name,
        "layer_type": layer.type,
        "layer_shape": layer.output_shapes,
        "layer_input_shape": layer.input_shapes,
        "low_us": to_us(layer.low_ns),
        "high_us": to_us(layer.high_ns),
        "min_us": layer.min_ns / 1e3,
        "p25_us": to_us(layer.p25_ns),
        "p75_us": to_us(layer.p75_ns),
        "max_us": layer.max_ns / 1e3,
        "calls": layer.calls,
        "layer_allocated_bytes": layer.allocated_bytes,
        "depth": layer.depth,
        "model_nodes": " ".join(layer.nodes),
        "synthetic": layer.synthetic,
    }
