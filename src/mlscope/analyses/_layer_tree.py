"""Layer tree: the model's call, its layers, and what each of them consists of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlscope.analyses._layer_runs import NO_LAYERS, TIMES, layer_runs, layers_of, times
from mlscope.analyses._runs import View
from mlscope.analyses._table import Column, Row, Table, build
from mlscope.results import Evaluation, LayerSummary

__all__ = ["layer_tree"]

COLUMNS = (
    Column("layer_index", "index"),
    Column("depth", "depth", shown="data"),
    Column("tree", "layer"),
    Column("layer_type", "type"),
    *TIMES,
)


def layer_tree(evaluations: Sequence[Evaluation], view: View) -> Table:
    """The model's call, its layers, and below each what it consists of: nested layers, or the nodes that it fuses."""
    runs = layer_runs(evaluations, view)
    return build("layer_tree", COLUMNS, runs, lambda runs: _tree(layers_of(runs)[0]), empty=NO_LAYERS)


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
        yield {"layer_index": layer.index, "depth": depth, "tree": name, "layer_type": layer.type} | times(layer)
        yield from _branches(below, layer.index, depth + 1)
        if layer.nodes != (layer.name,):
            for node in layer.nodes:
                yield {"depth": depth + 1, "tree": f"{'  ' * (depth + 1)}{node}", "layer_type": "(node)"}
