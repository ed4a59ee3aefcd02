"""GPU kernels of runs of one setting: each over all calls of the model, and sums of several.

Times come from the runs that were traced least deeply, since reading metrics makes the GPU repeat kernels; the metrics
from all runs, which may each have read others.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mlscope import stats
from mlscope.analyses._runs import Runs, View, has_file, level_of, mean_of_runs, setting
from mlscope.analyses._table import Column, Row, to_us
from mlscope.results import KERNELS_FILE, Evaluation, Record, read_kernels

__all__ = [
    "NO_KERNELS",
    "KernelTimes",
    "Work",
    "gpu_ceilings",
    "kernel_runs",
    "kernels_of",
    "rows_of",
    "summed",
    "times_cells",
    "work_columns",
]

NO_KERNELS = "no GPU kernels in this evaluation"
_FLOPS = ("flops_fp64", "flops_fp32", "flops_fp16", "flops_tensor")

Key = tuple[int | None, str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """What kernels did in one call of the model; None where no run tells."""

    duration_ns: float
    flops: float | None
    read_bytes: float | None
    write_bytes: float | None
    occupancy: float | None

    def cells(self, prefix: str, record: Record) -> Row:
        """The cells of :func:`work_columns`; intensity is operations a byte of memory that was read or written."""
        moved = (self.read_bytes or 0) + (self.write_bytes or 0)
        intensity = self.flops / moved if self.flops is not None and moved else None
        ceilings = gpu_ceilings(record)
        rate = self.flops / self.duration_ns if self.flops is not None and self.duration_ns else None
        return {
            f"{prefix}_flops": self.flops,
            f"{prefix}_dram_read_bytes": self.read_bytes,
            f"{prefix}_dram_write_bytes": self.write_bytes,
            f"{prefix}_achieved_occupancy": self.occupancy,
            f"{prefix}_intensity_flops_per_byte": intensity,
            f"{prefix}_gflops_per_s": rate,
            f"{prefix}_memory_bound": None
            if intensity is None or ceilings is None
            else intensity < ceilings[0] / ceilings[1],
        }


@dataclasses.dataclass(frozen=True, slots=True)
class KernelTimes:
    """A kernel, the nth of its name in its layer, over all calls."""

    layer_index: int | None
    layer_name: str
    layer_type: str
    name: str
    number: int
    """Of those with its name in its layer, from 0."""
    calls: int
    runs: int
    work: Work
    median_ns: float
    low_ns: float | None
    high_ns: float | None
    metrics: Mapping[str, float]


def work_columns(prefix: str) -> tuple[Column, ...]:
    """Columns of operations, bytes and what follows from them, of a kernel, a layer or the model."""
    return (
        Column(f"{prefix}_flops", "FLOPs"),
        Column(f"{prefix}_dram_read_bytes", "read", "B"),
        Column(f"{prefix}_dram_write_bytes", "written", "B"),
        Column(f"{prefix}_achieved_occupancy", "occupancy", "fraction"),
        Column(f"{prefix}_intensity_flops_per_byte", "FLOPs/byte"),
        Column(f"{prefix}_gflops_per_s", "rate", "GFLOP/s"),
        Column(f"{prefix}_memory_bound", "memory bound"),
    )


def kernel_runs(evaluations: Sequence[Evaluation], view: View) -> list[Runs]:
    """Evaluations that have kernels, by their setting."""
    found: dict[object, list[Evaluation]] = {}
    for each in evaluations:
        if has_file(each, KERNELS_FILE):
            found.setdefault(each.record.id if view.list_runs else setting(each, batch=True), []).append(each)
    return [Runs(tuple(each)) for each in found.values()]


def rows_of(run: Evaluation) -> list[dict[str, Any]]:
    """A run's executions of kernels, in the order of their begin."""
    with run.open(KERNELS_FILE) as file:
        rows: list[dict[str, Any]] = read_kernels(file).to_pylist()
    return sorted(rows, key=lambda row: int(row["begin_ns"]))


def kernels_of(runs: Runs) -> list[KernelTimes]:
    """Every kernel of a call, in the order of execution; those of equal names in one layer are different ones."""
    least = min(level_of(run.record) for run in runs.each)
    durations: dict[Key, list[list[float]]] = {}
    told: dict[Key, list[dict[str, Any]]] = {}
    for run in runs.each:
        by_key = _by_key(rows_of(run))
        for key, rows in by_key.items():
            told.setdefault(key, []).extend(rows)
            if level_of(run.record) == least:
                times = [float(row["end_ns"] - row["begin_ns"]) for row in rows]
                durations.setdefault(key, []).append(times)
    return [_kernel(key, each, told[key]) for key, each in durations.items()]


def _by_key(rows: Sequence[dict[str, Any]]) -> dict[Key, list[dict[str, Any]]]:
    found: dict[Key, list[dict[str, Any]]] = {}
    seen: dict[tuple[int, int | None, str], int] = {}
    for row in rows:
        place = row["call"], row["layer_index"], row["name"]
        seen[place] = seen.get(place, -1) + 1
        found.setdefault((row["layer_index"], row["name"], seen[place]), []).append(row)
    return found


def _kernel(key: Key, durations: Sequence[Sequence[float]], rows: Sequence[Mapping[str, Any]]) -> KernelTimes:
    if len(durations) == 1:
        trimmed = stats.trimmed_mean(durations[0])
        median, low, high = stats.percentile_with_interval(sorted(durations[0]), 50)
    else:
        mean = mean_of_runs([stats.trimmed_mean(each) for each in durations])
        trimmed, median, low, high = mean.trimmed, mean.median, mean.low, mean.high
    parts = [_mean(row[name] for row in rows) for name in _FLOPS]
    work = Work(
        trimmed,
        _sum(parts),
        _mean(row["dram_read_bytes"] for row in rows),
        _mean(row["dram_write_bytes"] for row in rows),
        _mean(row["achieved_occupancy"] for row in rows),
    )
    first = rows[0]
    calls = sum(map(len, durations))
    return KernelTimes(
        key[0], first["layer_name"], first["layer_type"], key[1], key[2], calls, len(durations), work, median, low,
        high, _metrics(rows),
    )  # fmt: skip


def _metrics(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Every other metric, its trimmed mean."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in json.loads(row["metrics"] or "{}").items():
            if isinstance(value, int | float):
                found.setdefault(name, []).append(float(value))
    return {name: stats.trimmed_mean(values) for name, values in sorted(found.items())}


def summed(kernels: Sequence[KernelTimes]) -> Work:
    """All of them together; the occupancy is weighted by their times."""
    works = [kernel.work for kernel in kernels]
    known = [(work.occupancy, work.duration_ns) for work in works if work.occupancy is not None]
    occupancy = None
    if known:
        values, weights = np.array(known).T
        occupancy = float(np.average(values, weights=weights if weights.sum() > 0 else None))
    return Work(
        sum(work.duration_ns for work in works),
        _sum(work.flops for work in works),
        _sum(work.read_bytes for work in works),
        _sum(work.write_bytes for work in works),
        occupancy,
    )


def times_cells(kernel: KernelTimes) -> Row:
    """Duration of a kernel and its interval."""
    return {
        "kernel_duration_us": to_us(kernel.work.duration_ns),
        "kernel_median_us": to_us(kernel.median_ns),
        "kernel_low_us": to_us(kernel.low_ns),
        "kernel_high_us": to_us(kernel.high_ns),
    }


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return stats.trimmed_mean(known) if known else None


def gpu_ceilings(record: Record) -> tuple[float, float] | None:
    """Peak GFLOP/s and GB/s of the GPU's memory; None where the machine's description does not tell both."""
    for gpu in record.system.details.get("gpus") or ():
        if isinstance(gpu, Mapping):
            peak, bandwidth = gpu.get("peak_gflops"), gpu.get("memory_gigabytes_per_s")
            if isinstance(peak, int | float) and isinstance(bandwidth, int | float) and peak > 0 and bandwidth > 0:
                return float(peak), float(bandwidth)
    return None
