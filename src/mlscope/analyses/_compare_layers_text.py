"""A comparison of layers as table, sentences and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlscope.analyses._compare_layers import LayerComparison, LayerGroup, LayerSide
from mlscope.analyses._compare_text import side_json
from mlscope.analyses._gaps import GAP_NAMES, CallParts
from mlscope.analyses._render import plain
from mlscope.analyses._table import Column, Row, Table

__all__ = ["layer_comparison_json", "layer_comparison_lines", "layer_comparison_table"]

_COLUMNS = (
    Column("row", "#"),
    Column("first_layer", "A's layer"),
    Column("second_layer", "B's layer"),
    Column("first_layers", "A's layers", shown="data"),
    Column("second_layers", "B's layers", shown="data"),
    Column("first_types", "A's type", shown="wide"),
    Column("second_types", "B's type", shown="wide"),
    Column("first_us", "A", "us"),
    Column("second_us", "B", "us"),
    Column("difference_us", "difference", "us"),
    Column("ratio", "B/A"),
    Column("ratio_low", "from", shown="wide"),
    Column("ratio_high", "to", shown="wide"),
    Column("first_share", "A's share", "fraction"),
    Column("second_share", "B's share", "fraction"),
    Column("nodes", "nodes"),
    Column("model_nodes", "model's nodes", shown="wide"),
    Column("nodes_only_first", "nodes only in A", shown="wide"),
    Column("nodes_only_second", "nodes only in B", shown="wide"),
)
_LONGEST = 28
"""Characters of a layer's name in the table for people."""
_MOST_NAMED = 3
_TELLING = 0.1
"""Share of the largest difference below which a row is not named."""


def layer_comparison_table(found: LayerComparison) -> Table:
    """One row for each group of layers that stand for the same nodes, and for each part of a call without layers."""
    return Table("layers", _COLUMNS, [_row(number, group) for number, group in enumerate(found.groups)])


def _row(number: int, group: LayerGroup) -> Row:
    one, two, ratio = group.first, group.second, group.ratio
    nodes = [set(side.nodes) if side else set[str]() for side in (one, two)]
    listed = [*(one.nodes if one else ()), *(two.nodes if two else ())]
    every = list(dict.fromkeys(listed))
    return {
        "row": number,
        "first_layer": _called(group, one),
        "second_layer": _called(group, two),
        "first_layers": _joined(layer.name for layer in one.layers) if one else None,
        "second_layers": _joined(layer.name for layer in two.layers) if two else None,
        "first_types": _types(one),
        "second_types": _types(two),
        "first_us": one.time_ns / 1e3 if one else None,
        "second_us": two.time_ns / 1e3 if two else None,
        "difference_us": None if group.name and ratio is None else group.difference_ns / 1e3,
        "ratio": ratio.value if ratio else None,
        "ratio_low": ratio.low if ratio else None,
        "ratio_high": ratio.high if ratio else None,
        "first_share": one.share if one else None,
        "second_share": two.share if two else None,
        "nodes": len(every) if not group.name else None,
        "model_nodes": _joined(every),
        "nodes_only_first": _joined(node for node in every if node not in nodes[1]) if one and two else None,
        "nodes_only_second": _joined(node for node in every if node not in nodes[0]) if one and two else None,
    }


def _joined(names: Any) -> str | None:
    return " ".join(names) or None


def _types(side: LayerSide | None) -> str | None:
    return "+".join(dict.fromkeys(layer.type for layer in side.layers)) or None if side else None


def _called(group: LayerGroup, side: LayerSide | None) -> str | None:
    """The layer's name; of several the one that takes longest, and how many more there are."""
    if side is None:
        return None
    if group.name:
        return f"({group.name}: {GAP_NAMES[group.name]})"
    longest = max(side.layers, key=lambda layer: layer.trimmed_mean_ns)
    more = f" +{len(side.layers) - 1}" if len(side.layers) > 1 else ""
    return f"{short(longest.name, _LONGEST)}{more}"


def short(name: str, longest: int) -> str:
    """The end of a name that is too long: frameworks put what tells a node apart there."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def layer_comparison_lines(found: LayerComparison) -> list[str]:
    """What stands below the table: how much the layers explain, where the difference is, notes."""
    lines = [_calls(name, calls, groups) for name, calls, groups in _by_side(found) if calls]
    return [*lines, *_largest(found), *(f"Note: {note}." for note in found.notes)]


def _by_side(found: LayerComparison) -> list[tuple[str, Sequence[CallParts], list[LayerSide]]]:
    sides = [
        [side for group in found.groups if not group.name and (side := getattr(group, name))]
        for name in ("first", "second")
    ]
    return [("A", found.calls[0], sides[0]), ("B", found.calls[1], sides[1])]


def _calls(name: str, calls: Sequence[CallParts], sides: list[LayerSide]) -> str:
    count = sum(len(side.layers) for side in sides)
    nodes = len({node for side in sides for node in side.nodes})
    call = sorted(parts.call_ns for parts in calls)[len(calls) // 2]
    share = sorted(parts.layers_share for parts in calls)[len(calls) // 2]
    stand = f" for {nodes} of the model's nodes" if nodes else ""
    return f"{name}  {count} layers{stand}, {100 * share:.0f} % of a call of {call / 1e6:.4g} ms"


def _largest(found: LayerComparison) -> list[str]:
    """The rows in which most of the difference lies."""
    ordered = sorted(found.groups, key=lambda group: -abs(group.difference_ns))
    most = abs(ordered[0].difference_ns) if ordered else 0.0
    if not most:
        return []
    named = [group for group in ordered[:_MOST_NAMED] if abs(group.difference_ns) >= _TELLING * most]
    total = sum(group.difference_ns for group in found.groups)
    told = ", ".join(f"{group_name(group)} {group.difference_ns / 1e3:+.4g} us" for group in named)
    return [f"B - A is {total / 1e3:+.4g} us in all; most of it: {told}"]


def group_name(group: LayerGroup) -> str:
    """A row's name in a sentence: a layer of the first side, or else of the second."""
    if group.name:
        return f"{group.name} ({GAP_NAMES[group.name]})"
    return str(_called(group, group.first or group.second))


def layer_comparison_json(found: LayerComparison) -> dict[str, Any]:
    """Both sides, the rows of the table, notes."""
    table = layer_comparison_table(found)
    names = [column.name for column in table.columns]
    return {
        "first": side_json(found.first),
        "second": side_json(found.second),
        "layers": [{name: plain(row[name]) for name in names} for row in table.rows],
        "notes": list(found.notes),
    }
