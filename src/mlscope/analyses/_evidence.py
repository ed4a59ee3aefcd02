"""What explanations are drawn from: the record, and what lies beside it in the run folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlscope.analyses._gaps import CallParts, call_parts
from mlscope.analyses._layer_work import ModelWork, read_work
from mlscope.errors import StoreError
from mlscope.results import (
    ACCURACY_PART,
    LAYER_SUMMARY_FILE,
    MACHINE_FILE,
    Evaluation,
    LayerSummary,
    Record,
    read_layer_summary,
    read_series,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Calls", "Evidence", "gather"]

Array = np.ndarray[Any, np.dtype[np.int64]]

CALIBRATION_FILE = "calibration.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Calls:
    """The measured requests: shape [n] each, nanoseconds of one clock, of the unit that the record's latency is of."""

    begin_ns: Array
    """When a latency's clock began: scheduled, issued, or (``batch``) the model's call."""
    start_ns: Array
    """When the model's call began."""
    end_ns: Array

    @property
    def latency_ns(self) -> Array:
        """From begin to end."""
        return self.end_ns - self.begin_ns


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """A record with its raw data, as far as it has any."""

    record: Record
    calls: Calls | None = None
    series: Sequence[Mapping[str, Any]] = ()
    """Intervals of the machine, as :func:`mlscope.results.read_series` gives them."""
    calibration: Mapping[str, Any] | None = None
    """What ``--streams auto`` tried: ``chosen`` and ``tried``, each with streams, threads, batch, and its median."""
    takes: str | None = None
    """Element type of the model's input."""
    layers: Sequence[LayerSummary] = ()
    parts: CallParts | None = None
    """What the profiled calls consist of."""
    work: ModelWork | None = None
    """What the model's nodes compute and move."""
    ceilings: Mapping[str, Any] | None = None
    """What the machine can do, as :func:`mlscope.stacks.machine_ceilings` gives it."""


def gather(evaluation: Evaluation) -> Evidence:
    """Read everything that an evaluation has; what is missing or damaged is left out."""
    record = evaluation.record
    plan = _json(evaluation, "plan.json") or {}
    inputs = plan.get("model", {}).get("manifest", {}).get("inputs") or [{}]
    try:
        calls = _calls(evaluation.samples(), record) if record.latency else None
    except StoreError:
        calls = None
    try:
        with evaluation.open(MACHINE_FILE) as file:
            series: list[dict[str, Any]] = read_series(file)
    except StoreError:
        series = []
    takes = str(inputs[0].get("element_type", "float32")) if plan else None
    found = Evidence(record, calls, series, _json(evaluation, CALIBRATION_FILE), takes)
    if LAYER_SUMMARY_FILE not in {entry.path for entry in record.files}:
        return found
    return dataclasses.replace(found, **_layers(evaluation))


def _layers(evaluation: Evaluation) -> dict[str, Any]:
    """Fields of the evidence that a run has which was traced to its layers."""
    from mlscope.stacks import known_ceilings  # takes a tenth of a second, which most analyses need not wait

    try:
        with evaluation.open(LAYER_SUMMARY_FILE) as file:
            layers = read_layer_summary(file)
        parts, work = call_parts(evaluation), read_work(evaluation)
    except StoreError:
        return {}
    ceilings = known_ceilings(evaluation.record.system.model_dump())
    return {"layers": layers, "parts": parts, "work": work, "ceilings": ceilings}


def _json(evaluation: Evaluation, name: str) -> dict[str, Any] | None:
    try:
        with evaluation.open(name) as file:
            found = json.load(file)
    except (StoreError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _calls(table: pa.Table, record: Record) -> Calls | None:
    """Requests that were measured and answered, by the unit of the record's first latency."""
    keep = ~table["warmup"].to_numpy() & ~table["failed"].to_numpy()
    if ACCURACY_PART in table.column_names:
        keep &= ~table[ACCURACY_PART].to_numpy()
    if not keep.any():
        return None
    of = record.latency[0].of
    column = {name: table[name].to_numpy()[keep] for name in ("issued_ns", "start_ns", "end_ns", "query", "batch")}
    begin = column["start_ns" if of == "batch" else "issued_ns"]
    if of != "batch" and not table["scheduled_ns"].null_count:
        begin = table["scheduled_ns"].to_numpy()[keep]
    if of == "sample":
        return Calls(begin, column["start_ns"], column["end_ns"])
    order = np.argsort(column[of], kind="stable")
    number = column[of][order]
    first = np.flatnonzero(np.concatenate(([True], number[1:] != number[:-1])))
    return Calls(
        np.minimum.reduceat(begin[order], first),
        np.minimum.reduceat(column["start_ns"][order], first),
        np.maximum.reduceat(column["end_ns"][order], first),
    )
