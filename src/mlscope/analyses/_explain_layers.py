"""Explanations from layers: which of them take the time, what limits them, and what lies between them."""

from __future__ import annotations

from collections.abc import Sequence

from mlscope.analyses._evidence import Evidence
from mlscope.analyses._gaps import GAP_NAMES
from mlscope.analyses._layer_work import Work
from mlscope.results import LayerSummary

__all__ = ["explain_between", "explain_bounds", "explain_layers"]

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


def explain_bounds(evidence: Evidence) -> str | None:
    """How much of the time goes to layers that the processor limits, and to those that memory limits.

    A layer is limited by what would take it longer at the machine's ceilings: its operations or its bytes.
    """
    ceilings = _ceilings(evidence)
    record, work = evidence.record, evidence.work
    fixed = record.batch_size == 1 or record.scenario in (None, "SingleStream")
    if ceilings is None or work is None or not fixed:
        return None
    known = [(layer.trimmed_mean_ns, done) for layer in _top(evidence) if (done := work.of_layer(layer.nodes))]
    total = sum(layer.trimmed_mean_ns for layer in _top(evidence))
    if not known or total <= 0:
        return None
    flops_a_ns, bytes_a_ns = ceilings
    computing = [pair for pair in known if pair[1].flops / flops_a_ns >= pair[1].bytes / bytes_a_ns]
    moving = [pair for pair in known if pair not in computing]
    parts = []
    for group, what, amount, ceiling, unit in (
        (computing, "computing", _flops(computing), flops_a_ns, "GFLOP/s"),
        (moving, "memory", _bytes(moving), bytes_a_ns, "GB/s"),
    ):
        spent = sum(time for time, _ in group)
        if spent > 0:
            reached = amount / spent
            parts.append(f"{100 * spent / total:.0f} % by {what} (they reach {reached:.3g} of {ceiling:.3g} {unit})")
    return f"By its operations and bytes, the time of the layers is limited {' and '.join(parts)}"


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


def _ceilings(evidence: Evidence) -> tuple[float, float] | None:
    """Operations and bytes a nanosecond (which is G a second), with one thread or with all."""
    found, record = evidence.ceilings, evidence.record
    if found is None or record.using_gpu:
        return None
    threads = "one_thread" if record.effective.get("threads") == 1 else "all_threads"
    return float(found[f"gflops_{threads}"]), float(found[f"gigabytes_per_s_{threads}"])


def _flops(group: Sequence[tuple[float, Work]]) -> int:
    return sum(work.flops for _, work in group)


def _bytes(group: Sequence[tuple[float, Work]]) -> int:
    return sum(work.bytes for _, work in group)
