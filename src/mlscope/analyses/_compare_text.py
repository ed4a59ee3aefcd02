"""A comparison as table, sentences and JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from mlscope.analyses._answers import AccuracyComparison, PredictionComparison
from mlscope.analyses._compare import Comparison, MetricComparison
from mlscope.analyses._sides import Side
from mlscope.analyses._table import Column, Row, Table

__all__ = ["compare_figures", "compare_json", "compare_lines", "compare_table", "side_json", "side_line"]

_COLUMNS = (
    Column("metric", "metric"),
    Column("first", "A"),
    Column("second", "B"),
    Column("ratio", "B/A (interval)"),
    Column("p", "p (Holm)", shown="wide"),
    Column("effect", "Cliff's delta", shown="data"),
    Column("verdict", "B is"),
)
_FIGURES = tuple(
    Column(name, name)
    for name in (
        "metric",
        "unit",
        "first",
        "second",
        "ratio",
        "ratio_low",
        "ratio_high",
        "p",
        "effect",
        "verdict",
        "more",
    )
)
_EFFECTS = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"), (2.0, "large"))
_MOST = 200
"""A larger number is no advice."""


def compare_table(found: Comparison) -> Table:
    """One row a figure."""
    return Table("comparison", _COLUMNS, [_row(metric, found) for metric in found.metrics])


def compare_figures(found: Comparison) -> Table:
    """The same rows with numbers instead of words, for CSV."""
    rows: list[Row] = [
        {
            "metric": metric.name,
            "unit": metric.unit,
            "first": metric.first,
            "second": metric.second,
            "ratio": metric.ratio.value,
            "ratio_low": metric.ratio.low,
            "ratio_high": metric.ratio.high,
            "p": metric.p,
            "effect": metric.effect,
            "verdict": metric.verdict,
            "more": metric.more,
        }
        for metric in found.metrics
    ]
    return Table("comparison", _FIGURES, rows)


def _row(metric: MetricComparison, found: Comparison) -> dict[str, object]:
    ratio = metric.ratio
    interval = f" ({ratio.low:.3f} to {ratio.high:.3f})" if ratio.low is not None and ratio.high is not None else ""
    return {
        "metric": metric.name,
        "first": _value(metric.first, metric.unit),
        "second": _value(metric.second, metric.unit),
        "ratio": f"{ratio.value:.3f}{interval}",
        "p": None if metric.p is None else f"{metric.p:.3f}" if metric.p >= 0.001 else "<0.001",
        "effect": None if metric.effect is None else f"{metric.effect:+.2f}",
        "verdict": _verdict(metric, found),
    }


def _value(value: float, unit: str) -> str:
    return f"{value / 1e6:.4g} ms" if unit == "ns" else f"{value:.4g}/s"


def _verdict(metric: MetricComparison, found: Comparison) -> str:
    """The verdict in words, with what it rests on."""
    if metric.verdict == "no difference":
        return f"no difference beyond {100 * found.limits.margin:g} %"
    if metric.verdict != "not enough data":
        factor = metric.ratio.value if metric.unit == "ns" else 1 / metric.ratio.value
        return f"{metric.verdict} by {100 * abs(factor - 1):.1f} %"
    if metric.more is None:
        return "not enough data"
    return f"not enough data, run {metric.more if metric.more <= _MOST else f'{_MOST}+'} more"


def compare_lines(found: Comparison) -> list[str]:
    """What stands below the table: accuracy, answers, notes."""
    lines = _effect_lines(found)
    if found.accuracy is not None:
        lines += _accuracy_lines(found.accuracy)
    if found.predictions is not None:
        lines += _prediction_lines(found.predictions)
    return [*lines, *(f"Note: {note}." for note in found.notes)]


def _effect_lines(found: Comparison) -> list[str]:
    """Cliff's delta in words (the limits are those of Romano and others, 2006)."""
    effect = next((metric.effect for metric in found.metrics if metric.name == "p50"), None)
    if effect is None:
        return []
    size = next(word for limit, word in _EFFECTS if abs(effect) < limit)
    unit = "run" if found.method == "runs" else "call"
    share = 50 * (1 + effect)
    delta = f"Cliff's delta {effect:+.2f}, {size}"
    return [f"Effect    a {unit} of B takes longer than one of A {share:.0f} % of the time ({delta})"]


def side_line(name: str, side: Side) -> str:
    """``A  label: model with framework, 3 runs``."""
    record = side.records[0]
    runs = f"{len(side.runs)} runs" if len(side.runs) > 1 else f"run {record.id[:12]}"
    what = f"{record.model_name} with {record.framework_name} {record.framework_version}, batch {record.batch_size}"
    scenario = f", {record.scenario}" if record.scenario else ""
    label = "" if record.id.startswith(side.label) else f"{side.label}: "
    return f"{name}  {label}{what}{scenario}, {runs}"


def _accuracy_lines(found: AccuracyComparison) -> list[str]:
    points = f"{100 * found.difference:+.2f} points, 95 % interval {100 * found.low:+.2f} to {100 * found.high:+.2f}"
    verdict = {
        "no difference": "no difference",
        "not enough data": f"not enough data, evaluate {found.more} more samples",
    }.get(found.verdict, f"B is {found.verdict}")
    return [
        f"Accuracy  A {100 * found.first:.2f} %, B {100 * found.second:.2f} % ({points}): {verdict}",
        f"  of {found.samples} samples {found.only_first} are right only in A, {found.only_second} only in B; "
        f"McNemar's exact test p = {found.p:.3g}",
    ]


def _prediction_lines(found: PredictionComparison) -> list[str]:
    if found.identical:
        return [f"Answers   identical, bit by bit, for {found.samples} samples"]
    word = "different" if found.different else "the same within the tolerance"
    lines = [
        f"Answers   {word}: {found.same_class} of {found.samples} best classes are the same "
        f"(tolerance {found.tolerance:g})"
    ]
    for each in found.divergences:
        beyond = "" if each.beyond is None else f", {each.beyond} samples beyond the tolerance"
        lines.append(f"  {each.name:<26} mean {each.mean:.3g}, worst {each.worst:.3g}{beyond}")
    return lines


def compare_json(found: Comparison) -> dict[str, Any]:
    """The whole comparison as plain values; numbers that are not finite become None."""
    return {
        "first": side_json(found.first),
        "second": side_json(found.second),
        "method": found.method,
        **_plain(dataclasses.asdict(found.limits)),
        "metrics": [_plain(dataclasses.asdict(metric)) for metric in found.metrics],
        "accuracy": _plain(dataclasses.asdict(found.accuracy)) if found.accuracy else None,
        "predictions": _plain(dataclasses.asdict(found.predictions)) if found.predictions else None,
        "notes": list(found.notes),
    }


def side_json(side: Side) -> dict[str, Any]:
    """What a side is called, and its runs."""
    return {"label": side.label, "runs": [record.id for record in side.records]}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
