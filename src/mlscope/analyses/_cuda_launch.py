"""CUDA launches: which calls of CUDA started which kernels, and how long they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlscope import stats
from mlscope.analyses._kernel_runs import NO_KERNELS, kernel_runs, rows_of
from mlscope.analyses._render import dump_line
from mlscope.analyses._runs import Runs, View
from mlscope.analyses._table import Column, Row, Table, build, to_us
from mlscope.results import Evaluation

__all__ = ["cuda_launch"]

_MOST_LISTED = 1_000
_TAGS = ("device", "stream", "grid", "block")

COLUMNS = (
    Column("launch_name", "launch"),
    Column("kernel_name", "kernel"),
    Column("launches", "launches"),
    Column("calls", "calls of the model"),
    Column("launch_duration_us", "duration", "us"),
    Column("launch_median_us", "median", "us"),
    Column("launch_low_us", "low", "us", "wide"),
    Column("launch_high_us", "high", "us", "wide"),
    Column("kernel_delay_us", "until the kernel", "us"),
    Column("tags", "tags", shown="wide"),
    Column("metrics", "metrics", shown="data"),
    Column("correlation_ids", "correlation ids", shown="data"),
    Column("durations_us", "durations", shown="data"),
)


def cuda_launch(evaluations: Sequence[Evaluation], view: View) -> Table:
    """A row for each function of CUDA and kernel that it launched; the time is the launch's own, on the CPU.

    ``kernel_delay_us`` is from the begin of the launch to that of the kernel. Ids and durations are of the first 1,000.
    """
    return build("cuda_launch", COLUMNS, kernel_runs(evaluations, view), _rows, empty=NO_KERNELS)


def _rows(runs: Runs) -> list[Row]:
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    calls = set()
    for run in runs.each:
        for row in rows_of(run):
            if row["launch_begin_ns"] is not None and row["launch_end_ns"] is not None:
                found.setdefault((row["launch_name"], row["name"]), []).append(row)
                calls.add((run.record.id, row["call"]))
    return [_row(name, kernel, rows) | {"calls": len(calls)} for (name, kernel), rows in found.items()]


def _row(name: str, kernel: str, rows: Sequence[Mapping[str, Any]]) -> Row:
    times = [float(row["launch_end_ns"] - row["launch_begin_ns"]) for row in rows]
    delays = [float(row["begin_ns"] - row["launch_begin_ns"]) for row in rows]
    median, low, high = stats.percentile_with_interval(sorted(times), 50)
    first = rows[0]
    ids = [str(row["correlation_id"]) for row in rows[:_MOST_LISTED] if row["correlation_id"] is not None]
    return {
        "launch_name": name,
        "kernel_name": kernel,
        "launches": len(rows),
        "launch_duration_us": to_us(stats.trimmed_mean(times)),
        "launch_median_us": to_us(median),
        "launch_low_us": to_us(low),
        "launch_high_us": to_us(high),
        "kernel_delay_us": to_us(stats.trimmed_mean(delays)),
        "tags": dump_line({tag: first[tag] for tag in _TAGS if first[tag] != ""}),
        "metrics": first["metrics"] or None,
        "correlation_ids": " ".join(ids) or None,
        "durations_us": " ".join(f"{time / 1e3:.6g}" for time in times[:_MOST_LISTED]),
    }
