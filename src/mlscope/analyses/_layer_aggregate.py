"""Layers by type: how many, how long, how much memory (XSP's analyses 5 to 7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlscope.analyses._layer_runs import NO_LAYERS, layer_runs, layers_of
from mlscope.analyses._runs import View
from mlscope.analyses._table import Column, Row, Table, build
from mlscope.results import Evaluation, LayerSummary

__all__ = ["layer_aggregate"]

COLUMNS = (
    Column("layer_type", "type"),
    Column("occurrences", "occurrences"),
    Column("occurrence_share", "share of layers", "fraction"),
    Column("duration_us", "duration", "us"),
    Column("duration_median_us", "of medians", "us", "wide"),
    Column("duration_share", "share of duration", "fraction"),
    Column("allocated_bytes", "allocated", "B"),
    Column("allocated_share", "share of allocated", "fraction"),
)


def layer_aggregate(evaluations: Sequence[Evaluation], view: View) -> Table:
    """A row for each type of layers, the longest first.

    Durations are sums of the trimmed means (and of the medians). What is part of another layer is not counted again.
    """
    runs = layer_runs(evaluations, view)
    return build("layer_aggregate", COLUMNS, runs, lambda runs: _by_type(layers_of(runs)[0]), empty=NO_LAYERS)


def _by_type(found: Sequence[LayerSummary]) -> Iterable[Row]:
    kinds: dict[str, list[LayerSummary]] = {}
    for layer in found:
        if layer.parent is None:
            kinds.setdefault(layer.type, []).append(layer)
    count = sum(map(len, kinds.values()))
    durations = {kind: sum(layer.trimmed_mean_ns for layer in each) for kind, each in kinds.items()}
    told = {
        kind: [layer.allocated_bytes for layer in each if layer.allocated_bytes is not None]
        for kind, each in kinds.items()
    }
    whole, memory = sum(durations.values()), sum(map(sum, told.values()))
    for kind in sorted(kinds, key=lambda kind: -durations[kind]):
        yield {
            "layer_type": kind,
            "occurrences": len(kinds[kind]),
            "occurrence_share": len(kinds[kind]) / count,
            "duration_us": durations[kind] / 1e3,
            "duration_median_us": sum(layer.median_ns for layer in kinds[kind]) / 1e3,
            "duration_share": durations[kind] / whole if whole else None,
            "allocated_bytes": sum(told[kind]) if told[kind] else None,
            "allocated_share": sum(told[kind]) / memory if told[kind] and memory else None,
        }
