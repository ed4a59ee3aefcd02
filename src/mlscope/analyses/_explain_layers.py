"""Explanations from layers: which of them take the time, and what lies between them."""

from __future__ import annotations

from collections.abc import Sequence

from mlscope.analyses._evidence import Evidence
from mlscope.analyses._gaps import GAP_NAMES
from mlscope.results import LayerSummary

__all__ = ["explain_between", "explain_layers"]

BETWEEN = 0.1
"""Share of a call in which no layer runs."""
MOST_KINDS = 2
"""Types of layers that are named."""
_SHORTEST_NAME = 60


def explain_layers(evidence: Evidence) -> str | None:
    """Which types of layers take the time, and the longest layer."""
    layers = _top(evidence)
    total = sum(layer.trimmed_mean_ns for layer in layers)
    if total <= 0:
        return None
    kinds: dict[str, list[LayerSummary]] = {}
    for layer in layers:
        kinds.setdefault(layer.type, []).append(layer)
    ordered = sorted(kinds.items(), key=lambda pair: -_time(pair[1]))
    named = [
        f"{kind} {100 * _time(each) / total:.0f} % ({len(each)} layer{'s' * (len(each) != 1)})"
        for kind, each in ordered[:MOST_KINDS]
    ]
    longest = max(layers, key=lambda layer: layer.trimmed_mean_ns)
    share = 100 * longest.trimmed_mean_ns / total
    name = longest.name if len(longest.name) <= _SHORTEST_NAME else f"…{longest.name[1 - _SHORTEST_NAME :]}"
    return f"Of the time of the {len(layers)} layers {', '.join(named)}; the longest, {name}, takes {share:.0f} %"


def explain_between(evidence: Evidence) -> str | None:
    """What of a call no layer explains."""
    parts = evidence.parts
    if parts is None or not parts.gaps:
        return None
    share = sum(gap.share for gap in parts.gaps)
    if share < BETWEEN:
        return None
    told = ", ".join(f"{gap.name} ({GAP_NAMES[gap.name]}) {100 * gap.share:.0f} %" for gap in parts.gaps)
    return f"In {100 * share:.0f} % of the model's call no layer runs: {told}"


def _top(evidence: Evidence) -> list[LayerSummary]:
    """Layers that are part of no other."""
    return [layer for layer in evidence.layers if layer.parent is None]


def _time(layers: Sequence[LayerSummary]) -> float:
    return sum(layer.trimmed_mean_ns for layer in layers)
