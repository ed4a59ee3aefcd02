"""The list of all analyses."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from mlscope.analyses._accuracy import accuracy
from mlscope.analyses._duration import duration
from mlscope.analyses._latency import latency
from mlscope.analyses._layers import LayersOf, layer_aggregate, layer_tree, layers
from mlscope.analyses._table import Table
from mlscope.errors import UsageError
from mlscope.results import Record

Analysis = Callable[[Sequence[Record]], Table]

ANALYSES: dict[str, Analysis] = {"accuracy": accuracy, "latency": latency, "duration": duration}
"""Name → analysis; ``all`` stands for all of them."""

LAYER_ANALYSES: dict[str, Callable[[Sequence[Record], LayersOf], Table]] = {
    "layers": layers,
    "layer_tree": layer_tree,
    "layer_aggregate": layer_aggregate,
}
"""Name → analysis of layers, which reads a file of each evaluation; ``all`` leaves them out."""


def run(name: str, records: Sequence[Record], layers_of: LayersOf | None = None) -> list[Table]:
    """Run one analysis, or with ``all`` every one that needs the records alone.

    Args:
        name: Of the analysis.
        records: Rows stand in their order.
        layers_of: Reads a record's layers; the analyses of layers need it.

    Raises:
        UsageError: There is no such analysis.
    """
    if name == "all":
        return [analysis(records) for analysis in ANALYSES.values()]
    if name in LAYER_ANALYSES and layers_of is not None:
        return [LAYER_ANALYSES[name](records, layers_of)]
    if name not in ANALYSES:
        names = [*ANALYSES, *(LAYER_ANALYSES if layers_of else ()), "all"]
        near = difflib.get_close_matches(name, names, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"choose one of {', '.join(names)}"
        raise UsageError(f'no analysis is called "{name}"', hint=hint)
    return [ANALYSES[name](records)]
