"""MultiStream of MLPerf v0.5: whether queries of N samples, one at a tick, were answered in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlscope.results import LoadGenResult
from mlscope.worker.protocol import FLAG_FAILED, SAMPLE_FIELDS

__all__ = ["ticks_result"]

Array = np.ndarray[Any, np.dtype[Any]]


def ticks_result(
    rows: Array,
    *,
    queries: int,
    samples_per_query: int,
    interval_ns: int,
    min_queries: int,
    min_duration_ns: int,
    percentile: float,
    version: str,
    settings: Mapping[str, Any],
) -> LoadGenResult:
    """Judge a run as LoadGen v0.5 judged MultiStream.

    A query takes as many intervals as pass until the next one can be issued. The run is INVALID when the query at the
    target percentile took two or more, as it was too short, or as it had too few queries. The percentile is LoadGen's:
    of n sorted values the one at position ``floor(n percentile)``, counted from 0.

    Args:
        rows: Shape [n, 8], one a sample, columns as in :data:`mlscope.worker.protocol.SAMPLE_FIELDS`.
        queries: How many were planned.
        samples_per_query: The metric.
        interval_ns: From tick to tick.
        min_queries: LoadGen's setting.
        min_duration_ns: LoadGen's setting.
        percentile: The target, 0 to 1.
        version: Of mlscope, which issued the queries.
        settings: All LoadGen settings that were chosen.
    """
    field = dict(zip(SAMPLE_FIELDS, rows.T, strict=True))
    number, first = np.unique(field["query"], return_index=True)
    due = field["scheduled_ns"][first]
    end = np.maximum.reduceat(field["end_ns"], first)
    failed = np.unique(field["query"][(field["flags"] & FLAG_FAILED) != 0])
    latencies = np.sort(end - due)
    intervals = np.maximum(-(-(end - due) // interval_ns), 1)
    intervals[:-1] = np.diff(due) // interval_ns
    rank = min(int(len(number) * percentile), len(number) - 1)
    worst = int(np.sort(intervals)[rank])
    duration = int(end.max() - due[0])
    reasons = []
    name = f"{100 * percentile:g}th percentile"
    if worst >= 2:
        reasons.append(
            f"Performance constraints satisfied: NO: the {name} query took {worst} intervals of "
            f"{interval_ns / 1e6:g} ms (latency {latencies[rank] / 1e6:.2f} ms). "
            "Reduce samples per query to improve latency."
        )
    if len(failed):
        reasons.append(f"{len(failed)} of {len(number)} queries have samples without an answer.")
    if worst < 2 and len(number) < min(min_queries, queries):
        reasons.append(f"Min queries satisfied: NO: {len(number)} of {min_queries} were issued in time.")
    if duration + interval_ns < min_duration_ns:
        reasons.append(f"Min duration satisfied: NO: {duration / 1e9:.2f} s of {min_duration_ns / 1e9:g} s.")
    return LoadGenResult(
        by="mlscope",
        version=version,
        scenario="MultiStream",
        mode="PerformanceOnly",
        validity="INVALID" if reasons else "VALID",
        failed_conditions=tuple(reasons),
        metric="Samples per query",
        metric_value=samples_per_query,
        metric_unit="samples",
        effective_settings={**settings, "multi_stream_target_qps": 1e9 / interval_ns},
        summary={
            "Scenario": "Multi Stream (v0.5)",
            "Samples per query": str(samples_per_query),
            "Intervals between each IssueQuery": f"{1e9 / interval_ns:g} qps, {interval_ns / 1e6:g} ms",
            f"{name} query intervals": str(worst),
            f"{name} latency (ns)": str(int(latencies[rank])),
            "Queries": str(len(number)),
            "Skipped intervals": str(int((intervals - 1).sum())),
        },
    )
