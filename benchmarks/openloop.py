"""The open loop: how exactly requests are issued, and whether its latencies are what the raw times say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks._pairs import Ratio, quiet
from mlscope.conductor import Outcome, evaluate
from mlscope.plan import Request, WorkloadRequest
from mlscope.results import read_samples

__all__ = ["open_loop"]

_QPS, _SECONDS = 10_000.0, 30.0
_LIMIT_NS = 200_000.0


def open_loop(pairs: int, folder: Path) -> list[Ratio]:
    """10,000 requests a second for 30 s with the null model: how much later than scheduled they were issued.

    Of each figure the ratio to the limit of its 99th percentile is given, of the last undisturbed run; p99.9 and the
    maximum have no limit. One run says all, whatever `pairs` says.
    """
    workload = WorkloadRequest(initial_qps=_QPS, min_duration_ms=1e3 * _SECONDS, min_queries=1)
    request = Request(command="predict workload", model_name="null", workload=workload, experiment="benchmarks")
    runs: list[Outcome] = []

    def run() -> float:
        runs.append(evaluate(request)[0])
        if runs[-1].error is not None or runs[-1].folder is None:
            raise SystemExit(f"the run failed: {runs[-1].error}")
        return 0.0

    _, repeated = quiet(run)
    outcome = runs[-1]
    assert outcome.folder is not None
    table = read_samples(outcome.folder / "samples.parquet").to_pandas()
    table = table[~table.warmup]
    slip = np.sort((table.issued_ns - table.scheduled_ns).to_numpy())
    _check(outcome, np.sort((table.end_ns - table.scheduled_ns).to_numpy()), slip)
    found = {"p99": np.quantile(slip, 0.99), "p99.9": np.quantile(slip, 0.999), "maximum": slip[-1]}
    return [
        Ratio(
            f"open loop, {_QPS:,.0f}/s for {_SECONDS:g} s, {len(slip):,} requests: schedule error, {name} / 200 us",
            float(value) / _LIMIT_NS,
            None,
            None,
            1,
            repeated,
            float(value),
            _LIMIT_NS,
            "ns",
            "<= 1" if name == "p99" else "reported",
        )
        for name, value in found.items()
    ]


def _check(outcome: Outcome, latency: np.ndarray, slip: np.ndarray) -> None:
    """Recorded percentiles must be those of the raw times, and nothing may be lost."""
    workload = outcome.record.workload
    assert workload is not None
    for entry in outcome.record.latency[0].percentiles:
        rank = -(-round(entry.percentile * 1000) * len(latency) // 100_000) - 1
        if entry.value_ns != latency[rank]:
            raise SystemExit(
                f"p{entry.percentile:g} is recorded as {entry.value_ns}, the raw times say {latency[rank]}"
            )
    if workload.max_slip_ns != slip[-1]:
        raise SystemExit(f"the largest slip is recorded as {workload.max_slip_ns}, the raw times say {slip[-1]}")
    print(
        f"open loop: {workload.answered:,} of {workload.requests:,} answered, {workload.verdict}; latency p50 "
        f"{latency[len(latency) // 2] / 1e3:.1f} us, p99 {np.quantile(latency, 0.99) / 1e3:.1f} us",
        file=sys.stderr,
    )
