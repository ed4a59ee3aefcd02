"""The time of a model's call in which none of its layers runs.

Before the first layer a framework takes the inputs and allocates memory; between two layers it dispatches the next one;
after the last it hands the outputs over.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mlscope import stats
from mlscope.results import LAYERS_FILE, Evaluation, read_layers

__all__ = ["GAP_NAMES", "CallParts", "Gap", "call_parts"]

Array = np.ndarray[Any, np.dtype[np.int64]]

GAP_NAMES = {"allocation": "before the first layer", "dispatch": "between layers", "return": "after the last layer"}
"""Name → where in the call."""


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """One part of the calls in which no layer runs."""

    name: str
    """Of :data:`GAP_NAMES`."""
    trimmed_mean_ns: float
    """Of a call, without the 20 % at each end."""
    share: float
    """Of the time of the calls."""


@dataclasses.dataclass(frozen=True, slots=True)
class CallParts:
    """The calls of a run that were profiled."""

    calls: int
    call_ns: float
    """Trimmed mean of a call."""
    layers_share: float
    """Of the time of the calls, how much some layer runs. Where layers are means of the framework's, their sum, which
    may be more than a mean call."""
    gaps: tuple[Gap, ...]
    """None where the layers were laid out and not measured."""


def call_parts(run: Evaluation) -> CallParts | None:
    """What the profiled calls of a run consist of; None where none was.

    Raises:
        StoreError: The run has no layers or no samples, or they are damaged.
    """
    with run.open(LAYERS_FILE) as file:
        table = read_layers(file)
    column = {name: table[name].to_numpy() for name in ("call", "begin_ns", "end_ns", "duration_ns", "depth")}
    synthetic = bool(table["synthetic"].to_numpy(zero_copy_only=False).any())
    top = column["depth"] == 0
    call, begin, end = (column[name][top] for name in ("call", "begin_ns", "end_ns"))
    number, call_begin, call_end = _calls(run)
    if synthetic and len(number) and len(call):
        times = call_end - call_begin
        share = float(column["duration_ns"][top].sum() / len(np.unique(call)) / times.mean())
        return CallParts(len(number), stats.trimmed_mean(times.tolist()), share, ())
    profiled = np.isin(number, call)
    number, call_begin, call_end = number[profiled], call_begin[profiled], call_end[profiled]
    known = np.isin(call, number)
    if not known.any():
        return None
    place = np.searchsorted(number, call[known])
    before, between, after = _measured(place, begin[known] - call_begin[place], end[known] - call_begin[place])
    times = call_end - call_begin
    parts = dict(zip(GAP_NAMES, (before, between, times - after), strict=True))
    whole = float(times.sum())
    gaps = tuple(
        Gap(name, stats.trimmed_mean(each.tolist()), float(each.sum()) / whole if whole else 0.0)
        for name, each in parts.items()
    )
    return CallParts(len(number), stats.trimmed_mean(times.tolist()), 1 - sum(gap.share for gap in gaps), gaps)


def _measured(place: Array, begin: Array, end: Array) -> tuple[Array, Array, Array]:
    """Of each call: the begin of its first layer, the time between layers, the end of its last; shape [calls] each.

    Args:
        place: Which call each layer is of, shape [n]; every call has one.
        begin: Of each layer, from its call's begin.
        end: Likewise.
    """
    order = np.lexsort((end, begin, place))
    place, begin, end = place[order], begin[order], end[order]
    first = np.flatnonzero(np.concatenate(([True], place[1:] != place[:-1])))
    # The latest end so far, of each call by itself: calls are put so far behind each other that none reaches the next.
    step = np.int64(max(int(end.max()), int(begin.max())) + 1)
    latest = np.maximum.accumulate(end + place * step) - place * step
    gaps = np.zeros(len(place), np.int64)
    gaps[1:] = np.maximum(0, begin[1:] - latest[:-1])
    gaps[first] = 0
    return begin[first], np.add.reduceat(gaps, first), np.maximum.reduceat(end, first)


def _calls(run: Evaluation) -> tuple[Array, Array, Array]:
    """Number, begin and end of each measured call, by their numbers."""
    table = run.samples()
    good = ~(table["warmup"].to_numpy(zero_copy_only=False) | table["failed"].to_numpy(zero_copy_only=False))
    batch, start, end = (table[name].to_numpy()[good] for name in ("batch", "start_ns", "end_ns"))
    number, first = np.unique(batch, return_index=True)
    return number, start[first], end[first]
