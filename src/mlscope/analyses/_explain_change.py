"""What changed from one run to another: settings, times, and the layers in which the difference lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlscope.analyses._compare import Comparison, Limits, compare
from mlscope.analyses._compare_layers import LayerComparison, LayerGroup, compare_layers, stored_layers
from mlscope.analyses._compare_layers_text import group_name
from mlscope.analyses._sides import Side
from mlscope.analyses._tail import TIMES
from mlscope.results import Evaluation, Record

__all__ = ["explain_change"]

MOST_NAMED = 3
"""Layers, and types of layers, that are named."""
_FIELDS = (
    "model_name",
    "model_version",
    "framework_name",
    "framework_version",
    "batch_size",
    "using_gpu",
    "trace_level",
)
_SYSTEM = ("hostname", "cpu_name", "kernel")
_LEFT_OUT = {"folded_nodes"}
"""Effective settings that are findings rather than settings."""


def explain_change(run: Evaluation, other: Evaluation) -> list[str]:
    """Sentences about a run as against another one, the most general first.

    Args:
        run: The run that is explained.
        other: What it is set against.

    Raises:
        UsageError: The two cannot be compared.
        StoreError: Their samples or layers are damaged.
    """
    first, second = Side(other.record.id[:12], (other,)), Side(run.record.id[:12], (run,))
    found = compare(first, second, Limits())
    sentences = [_settings(other.record, run.record), *_speed(found, other.record, run.record), *_answers(found)]
    if stored_layers(run) and stored_layers(other):
        layers = compare_layers(first, second)
        sentences += [_types(layers), _largest(layers), _fusion(layers)]
    return [sentence for sentence in sentences if sentence]


def _settings(one: Record, two: Record) -> str | None:
    changed = [f"{name} {before} to {after}" for name, before, after in _changes(one, two)]
    if not changed:
        return "No setting differs that the records tell of"
    return f"What differs: {', '.join(changed)}"


def _changes(one: Record, two: Record) -> Iterator[tuple[str, Any, Any]]:
    for sources, names in (((one, two), _FIELDS), ((one.system, two.system), _SYSTEM)):
        for name in names:
            before, after = (getattr(source, name) for source in sources)
            if before != after:
                yield name.replace("_", " "), before, after
    settings: tuple[Mapping[str, Any], ...] = one.effective, two.effective
    same = one.framework_name == two.framework_name  # else each has settings that the other does not know
    for name in dict.fromkeys((*settings[0], *settings[1])):
        before, after = (each.get(name) for each in settings)
        if before != after and name not in _LEFT_OUT and (same or all(name in each for each in settings)):
            yield name, _shown(before), _shown(after)


def _shown(value: Any) -> str:
    return "(unset)" if value is None else str(value)


def _speed(found: Comparison, one: Record, two: Record) -> list[str]:
    if one.trace_level != two.trace_level:
        return [
            "Their trace levels differ, and tracing takes time itself: their latencies are not set against each other"
        ]
    metric = next((metric for metric in found.metrics if metric.name == "p50"), None)
    if metric is None:
        return []
    verdict = {"no difference": f"no difference beyond {100 * found.limits.margin:g} %"}.get(
        metric.verdict, metric.verdict
    )
    return [
        f"p50 is {metric.ratio.value:.3g} {TIMES} that of {found.first.label}: {metric.first / 1e6:.4g} to "
        f"{metric.second / 1e6:.4g} ms ({verdict})"
    ]


def _answers(found: Comparison) -> list[str]:
    answers = found.predictions
    if answers is None or not answers.different:
        return []
    return [f"The answers differ: of {answers.samples} best classes {answers.same_class} are the same"]


def _layers(found: LayerComparison) -> list[LayerGroup]:
    """Rows that are layers."""
    return [group for group in found.groups if not group.name]


def _types(found: LayerComparison) -> str | None:
    """Which types of layers became slower or faster; a row counts to the type of its longest layer."""
    totals: dict[str, float] = {}
    for group in _layers(found):
        side = group.first or group.second
        if side is not None:
            kind = max(side.layers, key=lambda layer: layer.trimmed_mean_ns).type
            totals[kind] = totals.get(kind, 0.0) + group.difference_ns
    whole = sum(totals.values())
    ordered = sorted(totals.items(), key=lambda pair: -abs(pair[1]))[:MOST_NAMED]
    told = ", ".join(f"{kind} {_us(difference)}" for kind, difference in ordered if difference)
    return f"The layers of a call take {_us(whole)} in all: {told}" if told else None


def _largest(found: LayerComparison) -> str | None:
    ordered = sorted(found.groups, key=lambda group: -abs(group.difference_ns))[:MOST_NAMED]
    told = [
        f"{group_name(group)} {_us(group.difference_ns)}"
        + (f" ({group.ratio.value:.2g} {TIMES})" if group.ratio else "")
        for group in ordered
        if group.difference_ns
    ]
    return f"The largest differences: {', '.join(told)}" if told else None


def _fusion(found: LayerComparison) -> str | None:
    """Nodes that one side runs as one layer and the other as several."""
    both = [(group.first, group.second) for group in _layers(found) if group.first and group.second]
    differently = [(one, two) for one, two in both if len(one.layers) != len(two.layers)]
    if not differently:
        return None
    one, two = max(differently, key=lambda pair: len(pair[0].nodes))
    counts = [f"{len(side.layers)} layer{'s' * (len(side.layers) != 1)}" for side in (one, two)]
    return (
        f"{len(differently)} group{'s' * (len(differently) != 1)} of nodes "
        f"{'are' if len(differently) != 1 else 'is'} fused differently, such as that of {one.layers[0].name}: "
        f"{counts[0]} to {counts[1]}"
    )


def _us(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e3:+.4g} us"
