"""What a HARDWARE_TRACE keeps: the workers' counters, and the machine's sensors and loads over time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlscope.results import COUNTERS_FILE, MACHINE_FILE, Counter, read_series, write_counters
from mlscope.stacks import Sensors
from mlscope.worker.protocol import TraceLevel

if TYPE_CHECKING:
    from mlscope.conductor._run import Run

__all__ = ["note_counters"]

_SERIES = {"own_cores": "cores", "foreign_cores": "cores", "steal_cores": "cores", "throttled_ns": "ns"}
"""Of the sampler's intervals; each value is that of the interval before its time."""
_MEANT = {
    "cpu_cycles": "cycles",
    "cache_references": "cache accesses",
    "cache_misses": "cache misses",
    "branch_misses": "branch misses",
    "stalled_cycles_frontend": "stalls of the front end",
    "stalled_cycles_backend": "stalls of the back end",
}


def note_counters(run: Run) -> None:
    """Write ``counters.parquet``, and say once what this machine does not give; its watch has ended."""
    if run.level < TraceLevel.HARDWARE_TRACE:
        return
    counters, missing = _of_machine(run.path / MACHINE_FILE), dict(Sensors().missing)
    for folder in sorted((run.path / "profile").glob("worker-*")):
        found, refused = _of_worker(folder, int(folder.name.partition("-")[2]))
        counters += found
        missing |= refused
    if counters:
        write_counters(run.path / COUNTERS_FILE, counters)
    if missing:
        run.warn(f"{run.level.name}: this machine gives no {_told(missing)}")


def _of_machine(path: Path) -> list[Counter]:
    rows = read_series(path) if path.is_file() else []
    series: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        values = {name: row.get(name) for name in _SERIES} | dict(row.get("sensors", {}))
        for name, value in values.items():
            if value is not None:
                series.setdefault(name, []).append((int(row["end_ns"]), float(value)))
    return [_counter(name, pairs) for name, pairs in series.items()]


def _counter(name: str, pairs: Sequence[tuple[int, float]]) -> Counter:
    """A sensor's unit is the last word of its name's first part."""
    unit = _SERIES.get(name) or name.partition(" ")[0].rpartition("_")[2]
    times, values = np.array([time for time, _ in pairs], np.int64), np.array([value for _, value in pairs])
    return Counter(name, unit, name.startswith("energy"), None, times, values)


def _of_worker(folder: Path, worker: int) -> tuple[list[Counter], dict[str, str]]:
    """Its counters, and why others are missing."""
    try:
        notes = json.loads((folder / "counters.json").read_text(encoding="utf-8"))
        rows = np.load(folder / "counters.npy", allow_pickle=False)
        names = [str(name) for name in notes["names"]]
    except (OSError, ValueError, KeyError, TypeError):
        return [], {"counters of this worker": "it ended before they were written"}
    found = [
        Counter(name, "ns" if name.endswith("_ns") else "1", True, worker, rows[:, 0], rows[:, at].astype(np.float64))
        for at, name in enumerate(names, 1)
    ]
    return found if len(rows) else [], dict(notes.get("refused", {}))


def _told(missing: Mapping[str, str]) -> str:
    """What is missing, together with what is missing for the same reason."""
    reasons: dict[str, list[Any]] = {}
    for name, why in missing.items():
        reasons.setdefault(why, []).append(_MEANT.get(name, name.replace("_", " ")))
    return "; no ".join(f"{', '.join(names)} ({why})" for why, names in reasons.items())
