"""Accuracy: how often the model was right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlscope import stats
from mlscope.analyses._runs import View
from mlscope.analyses._table import Column, Row, Table, build
from mlscope.results import AccuracyResult, Evaluation

_TOP = 5

COLUMNS = (
    Column("evaluated", "evaluated"),
    Column("failed", "failed"),
    Column("top1_accuracy", "top-1", "fraction"),
    Column("top1_low", "top-1 low", "fraction", shown="wide"),
    Column("top1_high", "top-1 high", "fraction", shown="wide"),
    Column("top5_accuracy", "top-5", "fraction"),
    Column("top5_low", "top-5 low", "fraction", shown="wide"),
    Column("top5_high", "top-5 high", "fraction", shown="wide"),
    Column("top1_good", "top-1 good", shown="data"),
    Column("top5_good", "top-5 good", shown="data"),
)


def accuracy(evaluations: Sequence[Evaluation], _: View) -> Table:
    """One row an evaluation: top-1 and top-5 as fractions, with their 95 % Wilson intervals."""
    return build("accuracy", COLUMNS, evaluations, _rows)


def _rows(evaluation: Evaluation) -> list[Row]:
    result = evaluation.record.accuracy
    if result is None:
        return []
    values = result.model_dump()
    values["top1_accuracy"], values["top5_accuracy"] = result.top1, result.top5
    return [{column.name: values[column.name] for column in COLUMNS}]


def accuracy_result(
    predicted: np.ndarray[Any, np.dtype[Any]],
    labels: np.ndarray[Any, np.dtype[Any]],
    failed: np.ndarray[Any, np.dtype[np.bool_]] | None = None,
) -> AccuracyResult | None:
    """Count right answers.

    Args:
        predicted: Class indices, shape [n, k] with the best first, or [n]. Top-5 needs k >= 5.
        labels: True class indices, shape [n].
        failed: Shape [n], True for a sample that has no answer; it counts as wrong, whatever `predicted` holds.

    Returns:
        The result, or None when nothing was evaluated.

    Raises:
        ValueError: The shapes do not fit.
    """
    best = predicted[:, None] if predicted.ndim == 1 else predicted
    if best.ndim != 2 or labels.shape != best.shape[:1] or (failed is not None and failed.shape != labels.shape):
        raise ValueError(f"predictions {predicted.shape} and labels {labels.shape} do not fit")
    n = len(labels)
    if n == 0:
        return None
    hits = best[:, :_TOP] == labels[:, None]
    if failed is not None:
        hits &= ~failed[:, None]
    top1_good = int(hits[:, 0].sum())
    top1_low, top1_high = stats.wilson_interval(top1_good, n)
    top5_good, top5, top5_low, top5_high = None, None, None, None
    if best.shape[1] >= _TOP:
        top5_good = int(hits.any(axis=1).sum())
        top5 = top5_good / n
        top5_low, top5_high = stats.wilson_interval(top5_good, n)
    return AccuracyResult(
        evaluated=n,
        failed=0 if failed is None else int(failed.sum()),
        top1_good=top1_good,
        top5_good=top5_good,
        top1=top1_good / n,
        top1_low=top1_low,
        top1_high=top1_high,
        top5=top5,
        top5_low=top5_low,
        top5_high=top5_high,
    )


def accuracy_line(result: AccuracyResult) -> str:
    """The line of MLPerf's accuracy scripts: ``accuracy=75.200%, good=376, total=500``."""
    return f"accuracy={100 * result.top1:.3f}%, good={result.top1_good}, total={result.evaluated}"


def top_lines(result: AccuracyResult) -> list[str]:
    """The lines that an evaluation ends with: Top-1, Top-5 where there is one, failures, :func:`accuracy_line`."""
    lines = [_top_line("Top-1", result.top1, result.top1_low, result.top1_high)]
    if result.top5 is not None and result.top5_low is not None and result.top5_high is not None:
        lines.append(_top_line("Top-5", result.top5, result.top5_low, result.top5_high))
    if result.failed:
        lines.append(f"{result.failed} of {result.evaluated} samples failed and count as wrong")
    return [*lines, accuracy_line(result)]


def _top_line(name: str, value: float, low: float, high: float) -> str:
    return f"{name}  {100 * value:6.2f} %  (95 % interval {100 * low:.1f}\N{EN DASH}{100 * high:.1f} %)"
