"""Stability: whether a run was steady, and what its percentiles are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlscope import stats
from mlscope.analyses._course import course
from mlscope.analyses._runs import View
from mlscope.analyses._sides import times_of
from mlscope.analyses._table import Column, Row, Table, build, to_ms
from mlscope.errors import StoreError
from mlscope.results import Evaluation

__all__ = ["stability"]

_FEWEST = 20
_SHOWN_BLOCKS = 24
_DRIFT_SURE = 0.01
_DRIFT_MATTERS = 0.02

COLUMNS = (
    Column("verdict", "verdict"),
    Column("course", "course"),
    Column("count", "count"),
    Column("warmup_cut", "still warming up"),
    Column("warmup_ratio", "warm-up / rest", shown="data"),
    Column("warmup_p", "warm-up p", shown="data"),
    Column("drift", "drift", "fraction"),
    Column("drift_low", "drift low", "fraction", "data"),
    Column("drift_high", "drift high", "fraction", "data"),
    Column("drift_p", "drift p", shown="data"),
    Column("autocorrelation", "autocorrelation", shown="wide"),
    Column("effective_count", "effective count", shown="wide"),
    Column("outliers", "outliers"),
    Column("outlier_share_of_time", "their time", "fraction", "wide"),
    Column("outliers_in_a_row", "in a row", shown="wide"),
    Column("early_stopping_p90_ms", "early stopping p90", "ms"),
    Column("early_stopping_p99_ms", "early stopping p99", "ms"),
    Column("early_stopping_p99_needs", "queries for p99", shown="data"),
    Column("block", "block", shown="data"),
    Column("block_medians_ns", "block medians", shown="data"),
    Column("change_curve", "change point statistic", shown="data"),
)


def stability(evaluations: Sequence[Evaluation], _: View) -> Table:
    """One row an evaluation, from the times of its queries (or calls of the model) in their order.

    ``verdict``: steady; warming up (the beginning is slower than the rest beyond chance); slower (or faster) over
    time: a trend of 2 % or more beyond chance; too few. ``course`` draws medians of equally long stretches from the
    smallest to the largest. ``block_medians_ns`` and ``change_curve`` are the evidence, numbers separated by blanks.
    """
    return build("stability", COLUMNS, evaluations, _rows)


def _rows(evaluation: Evaluation) -> list[Row]:
    try:
        times = times_of(evaluation).astype(np.float64)
    except StoreError:
        return []
    row: Row = dict.fromkeys(column.name for column in COLUMNS)
    row |= {"verdict": "too few", "count": len(times)}
    if len(times) < _FEWEST:
        return [row]
    warm = stats.warm_up(times)
    rest = times[warm.cut :]
    trend = stats.drift(rest) if len(rest) >= _FEWEST else None
    far = stats.outliers(rest) if len(rest) >= _FEWEST else None
    row |= {
        "verdict": _verdict(warm, trend),
        "course": course(times, _SHOWN_BLOCKS),
        "warmup_cut": warm.cut,
        "warmup_ratio": warm.ratio,
        "warmup_p": warm.p,
        "autocorrelation": _round(float(stats.autocorrelation(times)[0])),
        "effective_count": round(stats.effective_size(times)),
        "block": warm.block,
        "block_medians_ns": _numbers(warm.medians),
        "change_curve": _numbers(warm.curve),
    }
    if trend is not None and far is not None:
        row |= {
            "drift": trend.relative,
            "drift_low": trend.low,
            "drift_high": trend.high,
            "drift_p": trend.p,
            "outliers": far.high,
            "outlier_share_of_time": far.share_of_sum,
            "outliers_in_a_row": far.longest_run,
        }
    return [row | _early_stopping(times)]


def _verdict(warm: stats.WarmUp, trend: stats.Drift | None) -> str:
    if trend is not None and trend.p < _DRIFT_SURE and abs(trend.relative) >= _DRIFT_MATTERS:
        return "slower over time" if trend.relative > 0 else "faster over time"
    return "warming up" if warm.cut else "steady"


def _early_stopping(times: np.ndarray[Any, Any]) -> Row:
    ordered = np.sort(times)
    p90, p99 = (stats.early_stopping_estimate(ordered, share) for share in (90, 99))
    return {
        "early_stopping_p90_ms": to_ms(p90.estimate),
        "early_stopping_p99_ms": to_ms(p99.estimate),
        "early_stopping_p99_needs": p99.needed,
    }


def _numbers(values: np.ndarray[Any, Any]) -> str:
    return " ".join(f"{value:.6g}" for value in values.tolist())


def _round(value: float) -> float:
    return round(value, 3)
