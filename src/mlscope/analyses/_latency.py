"""Latency: how long an answer takes, and how many come in a second."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from mlscope import stats
from mlscope.analyses._runs import View, undisturbed
from mlscope.analyses._table import Column, Row, Shown, Table, build, to_ms
from mlscope.results import Evaluation, LatencyResult, PercentileResult
from mlscope.worker.protocol import FLAG_FAILED, FLAG_VALID, FLAG_WARMUP, SAMPLE_FIELDS

Of = Literal["sample", "query", "batch"]

_SHOWN_PERCENTILES: dict[float, Shown] = {50: "always", 90: "wide", 99: "always", 99.9: "wide"}
_QUERIES: dict[Of, str] = {"sample": "samples", "query": "queries", "batch": "batches"}


def _key(percentile: float) -> str:
    return f"p{percentile:g}".replace(".", "_")


def _percentile_columns(percentile: float) -> Iterator[Column]:
    title, key = f"p{percentile:g}", _key(percentile)
    yield Column(f"{key}_ms", title, "ms", _SHOWN_PERCENTILES.get(percentile, "data"))
    yield Column(f"{key}_low_ms", f"{title} low", "ms", "data")
    yield Column(f"{key}_high_ms", f"{title} high", "ms", "data")


COLUMNS = (
    Column("of", "of"),
    Column("clock", "since", shown="wide"),
    Column("validity", "validity"),
    Column("count", "count"),
    Column("failed", "failed"),
    Column("mean_ms", "mean", "ms"),
    Column("stddev_ms", "stddev", "ms", "data"),
    Column("min_ms", "min", "ms", "wide"),
    *(column for percentile in stats.PERCENTILES for column in _percentile_columns(percentile)),
    Column("max_ms", "max", "ms", "wide"),
    Column("throughput_samples_per_s", "throughput", "samples/s"),
    Column("throughput_low_samples_per_s", "throughput low", "samples/s", "data"),
    Column("throughput_high_samples_per_s", "throughput high", "samples/s", "data"),
)


def latency(evaluations: Sequence[Evaluation], _: View) -> Table:
    """One row for each distribution of an evaluation (per query, per sample): percentiles, intervals, throughput.

    Evaluations that were traced into the framework are left out: its profiler takes a share of their time.
    """
    return build("latency", COLUMNS, undisturbed(evaluations), _rows)


def _rows(evaluation: Evaluation) -> Iterator[Row]:
    record = evaluation.record
    for result in record.latency:
        row: Row = {
            "of": result.of,
            "clock": result.clock,
            "validity": record.loadgen.validity if record.loadgen else None,
            "count": result.count,
            "failed": result.failed,
            "mean_ms": to_ms(result.mean_ns),
            "stddev_ms": to_ms(result.stddev_ns),
            "min_ms": to_ms(result.min_ns),
            "max_ms": to_ms(result.max_ns),
            "throughput_samples_per_s": result.throughput_samples_per_s,
            "throughput_low_samples_per_s": result.throughput_low_samples_per_s,
            "throughput_high_samples_per_s": result.throughput_high_samples_per_s,
        }
        for entry in result.percentiles:
            if entry.percentile in stats.PERCENTILES:
                key = _key(entry.percentile)
                row[f"{key}_ms"] = to_ms(entry.value_ns)
                row[f"{key}_low_ms"] = to_ms(entry.low_ns)
                row[f"{key}_high_ms"] = to_ms(entry.high_ns)
        yield row


def latency_result(
    latencies_ns: np.ndarray[Any, np.dtype[Any]],
    *,
    of: Of,
    clock: Literal["issued", "scheduled"],
    failed: int,
    completions_ns: np.ndarray[Any, np.dtype[Any]],
    begin_ns: int,
    lost_is_late: bool = False,
) -> LatencyResult | None:
    """Summarise latencies.

    Args:
        latencies_ns: Shape [n], of the requests that were answered, warm-up left out.
        of: What one latency belongs to.
        clock: What the latencies count from.
        failed: Requests without an answer, counted in the same unit as the latencies.
        completions_ns: Shape [samples], when each answered sample was done, whatever `of` is.
        begin_ns: When the first request was issued.
        lost_is_late: Whether a failed request counts as later than every other; a percentile that falls on one is
            left out then, and so is the end of an interval.

    Returns:
        The result, or None when nothing was answered.

    Raises:
        ValueError: The completions do not lie after `begin_ns`.
    """
    if len(latencies_ns) == 0:
        return None
    summary = stats.summarise_latency(latencies_ns)
    percentiles = summary.percentiles
    if failed and lost_is_late:
        percentiles = _with_lost(np.sort(latencies_ns), failed)
    throughput = stats.throughput_interval(completions_ns, begin_ns)
    return LatencyResult(
        of=of,
        clock=clock,
        count=summary.count,
        failed=failed,
        mean_ns=summary.mean,
        stddev_ns=summary.stddev,
        min_ns=summary.min,
        max_ns=summary.max,
        percentiles=tuple(
            PercentileResult(percentile=entry.percentile, value_ns=entry.value, low_ns=entry.low, high_ns=entry.high)
            for entry in percentiles
        ),
        throughput_samples_per_s=throughput.samples_per_s,
        throughput_low_samples_per_s=throughput.low,
        throughput_high_samples_per_s=throughput.high,
    )


def _with_lost(ordered_ns: np.ndarray[Any, np.dtype[Any]], lost: int) -> tuple[stats.PercentileStats, ...]:
    """Percentiles of answered and lost requests together: the lost ones are later than any time."""
    every = np.concatenate((ordered_ns, np.full(lost, np.inf)))
    found = (stats.PercentileStats(p, *stats.percentile_with_interval(every, p)) for p in stats.PERCENTILES)
    return tuple(
        dataclasses.replace(entry, high=None if entry.high == np.inf else entry.high)
        for entry in found
        if entry.value != np.inf
    )


def latency_results(
    rows: np.ndarray[Any, np.dtype[np.int64]], of: Sequence[Of], *, lost_is_late: bool = False
) -> tuple[LatencyResult, ...]:
    """Summarise the raw samples of a run.

    A latency counts from the scheduled arrival where every sample has one, else from the issue. A query or a
    batch takes from its first sample's start of the clock to its last sample's end, and has failed when one
    of its samples has. Warm-up and rows that were never written are left out.

    Args:
        rows: Shape [n, 8], columns as in :data:`mlscope.worker.protocol.SAMPLE_FIELDS`.
        of: Which distributions are wanted, in the order of the result.
        lost_is_late: As in :func:`latency_result`.

    Returns:
        One result for each entry of `of`; none when nothing was answered.
    """
    field = dict(zip(SAMPLE_FIELDS, rows.T, strict=True))
    measured = (field["flags"] & (FLAG_VALID | FLAG_WARMUP)) == FLAG_VALID
    field = {name: column[measured] for name, column in field.items()}
    failed = (field["flags"] & FLAG_FAILED) != 0
    if failed.all():
        return ()
    scheduled = bool((field["scheduled_ns"] >= 0).all())
    begin, end = field["scheduled_ns" if scheduled else "issued_ns"], field["end_ns"]
    results = []
    for what in of:
        if what == "sample":
            latencies, lost = end - begin, failed
        else:
            latencies, lost = _grouped(field[what], begin, end, failed)
        results.append(
            latency_result(
                latencies[~lost],
                of=what,
                clock="scheduled" if scheduled else "issued",
                failed=int(lost.sum()),
                completions_ns=end[~failed],
                begin_ns=int(field["issued_ns"].min()),
                lost_is_late=lost_is_late,
            )
        )
    return tuple(result for result in results if result is not None)


def _grouped(
    group: np.ndarray[Any, np.dtype[np.int64]],
    begin: np.ndarray[Any, np.dtype[np.int64]],
    end: np.ndarray[Any, np.dtype[np.int64]],
    failed: np.ndarray[Any, np.dtype[np.bool_]],
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.bool_]]]:
    """Latency and failure of each group of samples with the same number."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    latencies = np.maximum.reduceat(end[order], first) - np.minimum.reduceat(begin[order], first)
    return latencies, np.logical_or.reduceat(failed[order], first)


def latencies_table(result: LatencyResult) -> str:
    """The LATENCIES table in CK-MLPerf's layout, with the true mean (CK cut it to a whole number).

    Times in milliseconds; fps is 1000 divided by the time: samples a second if they came one by one, or queries.
    """
    rule = "-" * 68
    of_rank = {entry.percentile: entry.value_ns for entry in result.percentiles}
    lines = [
        ("Min latency", result.min_ns),
        ("Median latency", of_rank.get(50)),
        ("Average latency", result.mean_ns),
        ("90 percentile latency", of_rank.get(90)),
        ("99 percentile latency", of_rank.get(99)),
        ("Max latency", result.max_ns),
    ]
    return "\n".join(
        [
            rule,
            "|                LATENCIES (in milliseconds and fps)               |",
            rule,
            f"{f'Number of {_QUERIES[result.of]} run:':<29}{result.count:9d}",
            *(_latency_line(title, value) for title, value in lines if value is not None),
            rule,
        ]
    )


def _latency_line(title: str, value_ns: float) -> str:
    fps = 1e9 / value_ns if value_ns > 0 else float("inf")
    return f"{title + ':':<29}{value_ns / 1e6:9.2f} ms   ({fps:.3f} fps)"
