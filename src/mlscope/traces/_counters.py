"""Counters of a hardware trace as curves beside the slices."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mlscope.results import COUNTERS_FILE, Evaluation, read_counters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Curve", "read_curves"]


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    """One quantity over time; what is counted is shown as a rate, a second, since the reading before."""

    title: str
    unit: str
    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]


def read_curves(evaluation: Evaluation) -> tuple[Curve, ...]:
    """The counters of a run; nothing where it was not traced to its hardware.

    Raises:
        StoreError: The file is damaged.
    """
    if all(entry.path != COUNTERS_FILE for entry in evaluation.record.files):
        return ()
    with evaluation.open(COUNTERS_FILE) as file:
        table = read_counters(file).to_pandas()
    return tuple(
        _curve(str(name), worker, rows) for (name, worker), rows in table.groupby(["name", "worker"], dropna=False)
    )


def _curve(name: str, worker: Any, rows: Any) -> Curve:
    import numpy as np

    times, values = rows["time_ns"].to_numpy(), rows["value"].to_numpy()
    title = name if np.isnan(worker) else f"{name}, worker {int(worker)}"
    unit = str(rows["unit"].iloc[0])
    if not rows["cumulative"].iloc[0]:
        return Curve(title, unit, times, values)
    spent = np.maximum(np.diff(times), 1) / 1e9
    return Curve(f"{title}, per second", f"{unit}/s", times[1:], np.diff(values) / spent)
