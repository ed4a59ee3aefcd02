"""What was counted while a run went on: every number of its counters and of the machine's series, over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlscope.analyses._course import course
from mlscope.analyses._runs import has_file
from mlscope.analyses._table import Row
from mlscope.results import COUNTERS_FILE, MACHINE_FILE, Evaluation, read_counters, read_series

__all__ = ["Readings", "readings_of"]

Array = np.ndarray[Any, np.dtype[Any]]

_STRETCHES = 24
_MOST_LISTED = 240
_NO_COUNTERS = {"start_ns", "end_ns", "top"}
_UNITS = {"cores": "cores", "khz": "kHz", "ns": "ns", "bytes": "bytes", "joules": "J", "celsius": "degree C"}


@dataclasses.dataclass(frozen=True, slots=True)
class Readings:
    """One quantity over time: shape [n] each, at least one reading."""

    name: str
    unit: str
    """Empty where it counts events."""
    cumulative: bool
    """Counted from the beginning on: what matters is by how much it grew."""
    worker: int | None
    """Whose it is; None: the machine's."""
    time_ns: Array
    """From the begin of the readings."""
    values: Array

    @property
    def of_memory(self) -> bool:
        """Whether it is an amount of memory, which has a report of its own."""
        return self.unit in {"bytes", "B"} and not self.cumulative

    def summary(self) -> Row:
        """Mean, smallest, largest, first and last value, and by how much a cumulative one grew."""
        return {
            "mean": float(self.values.mean()),
            "min": float(self.values.min()),
            "max": float(self.values.max()),
            "first": float(self.values[0]),
            "last": float(self.values[-1]),
            "growth": float(self.values[-1] - self.values[0]) if self.cumulative else None,
        }

    def drawn(self) -> Row:
        """The course in one cell; and up to 240 evenly chosen readings with their times, as texts."""
        count = min(len(self.values), _MOST_LISTED)
        chosen = np.unique(np.linspace(0, len(self.values) - 1, count).round().astype(np.int64))
        return {
            "course": course(self.values.astype(np.float64), _STRETCHES),
            "times_ms": " ".join(f"{time / 1e6:.6g}" for time in self.time_ns[chosen].tolist()),
            "values": " ".join(f"{value:.6g}" for value in self.values[chosen].tolist()),
        }


def readings_of(evaluation: Evaluation) -> list[Readings]:
    """Everything that was counted, in the order in which it was written; nothing where there is neither file.

    Raises:
        StoreError: A file is damaged.
    """
    found = _of_counters(evaluation) if has_file(evaluation, COUNTERS_FILE) else []
    names = {each.name for each in found}
    series = _of_series(evaluation) if has_file(evaluation, MACHINE_FILE) else []
    return found + [each for each in series if each.name not in names]


def _of_counters(evaluation: Evaluation) -> list[Readings]:
    with evaluation.open(COUNTERS_FILE) as file:
        columns: dict[str, list[Any]] = read_counters(file).to_pydict()
    places: dict[tuple[str, str, bool, int | None], list[int]] = {}
    for at, key in enumerate(zip(*(columns[name] for name in ("name", "unit", "cumulative", "worker")), strict=True)):
        places.setdefault(key, []).append(at)
    times, values = (np.array(columns[name]) for name in ("time_ns", "value"))
    begin = times.min() if len(times) else 0
    return [
        Readings(name, "" if unit == "1" else unit, cumulative, worker, times[rows] - begin, values[rows])
        for (name, unit, cumulative, worker), rows in places.items()
    ]


def _of_series(evaluation: Evaluation) -> list[Readings]:
    with evaluation.open(MACHINE_FILE) as file:
        series = read_series(file)
    times: dict[str, list[int]] = {}
    values: dict[str, list[float]] = {}
    begin = int(series[0].get("start_ns", series[0]["end_ns"])) if series else 0
    for row in series:
        for name, value in _flat(row):
            times.setdefault(name, []).append(int(row["end_ns"]) - begin)
            values.setdefault(name, []).append(value)
    return [
        Readings(name, _unit(name), False, None, np.array(times[name]), np.array(found))
        for name, found in values.items()
    ]


def _flat(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if name in _NO_COUNTERS or isinstance(value, bool):
            continue
        if isinstance(value, Mapping):
            yield from _flat(value)
        elif isinstance(value, int | float) and np.isfinite(value):
            yield name, float(value)


def _unit(name: str) -> str:
    """By the last word of what a quantity is called; what follows a blank says where it was read."""
    return _UNITS.get(name.partition(" ")[0].rpartition("_")[2], "")
