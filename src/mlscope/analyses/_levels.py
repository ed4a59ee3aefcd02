"""What each level of tracing costs: the same plan measured once a level (XSP, arXiv 1908.06869)."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from mlscope import stats
from mlscope.analyses._runs import View
from mlscope.analyses._table import Column, Row, Table, build
from mlscope.results import Evaluation, Record
from mlscope.worker.protocol import TraceLevel

__all__ = ["Overhead", "levels", "overheads", "p50_ns"]

_COLUMNS = (
    Column("p50_ms", "p50", "ms"),
    Column("level_runs", "runs of the level"),
    Column("baseline_level", "against"),
    Column("tracing_overhead_ms", "tracing adds", "ms"),
    Column("tracing_overhead", "tracing overhead", "fraction"),
    Column("tracing_overhead_low", "from", "fraction", shown="wide"),
    Column("tracing_overhead_high", "to", "fraction", shown="wide"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Overhead:
    """What a level costs."""

    runs: int
    """Of the level, in the same experiment."""
    baseline: str
    """The least level at which the same was measured."""
    baseline_ns: float
    """Median of its runs' medians."""
    ratio: stats.Ratio
    """Of the medians to those of the baseline."""


def overheads(records: Sequence[Record]) -> dict[str, Overhead]:
    """Id of a record → what its level costs, of those whose plan was measured at a lesser level too.

    Runs of a level count together, by the median of their medians; three runs in all, or more, give an interval.
    """
    found: dict[str, Overhead] = {}
    for group in _groups(records).values():
        least = min(group)
        before = [p50 for _, p50 in group[least]]
        for level, runs in group.items():
            if level > least:
                times = [p50 for _, p50 in runs]
                cost = Overhead(len(runs), least.name, statistics.median(before), _ratio(before, times))
                found |= dict.fromkeys((record.id for record, _ in runs), cost)
    return found


def levels(evaluations: Sequence[Evaluation], _: View) -> Table:
    """A row for each evaluation that has latencies: its level, its median, and what the level adds.

    The least level of the same plan in the same experiment is what the others are set against.
    """
    records = [each.record for each in evaluations]
    known = overheads(records)
    counts = {
        record.id: len(runs) for group in _groups(records).values() for runs in group.values() for record, _ in runs
    }

    def rows(evaluation: Evaluation) -> list[Row]:
        record = evaluation.record
        p50, cost = p50_ns(record), known.get(record.id)
        if p50 is None:
            return []
        return [
            {
                "p50_ms": p50 / 1e6,
                "level_runs": counts[record.id],
                "baseline_level": cost.baseline if cost else None,
                "tracing_overhead_ms": cost.baseline_ns * (cost.ratio.value - 1) / 1e6 if cost else None,
                "tracing_overhead": cost.ratio.value - 1 if cost else None,
                "tracing_overhead_low": cost.ratio.low - 1 if cost and cost.ratio.low is not None else None,
                "tracing_overhead_high": cost.ratio.high - 1 if cost and cost.ratio.high is not None else None,
            }
        ]

    table = build("levels", _COLUMNS, evaluations, rows)
    columns = tuple(
        dataclasses.replace(column, shown="always") if column.name == "trace_level" else column
        for column in table.columns
    )
    return dataclasses.replace(table, columns=columns)


def p50_ns(record: Record) -> float | None:
    """A record's median latency."""
    ranks = record.latency[0].percentiles if record.latency else ()
    return next((each.value_ns for each in ranks if each.percentile == 50), None)


def _groups(records: Sequence[Record]) -> Mapping[tuple[object, ...], dict[TraceLevel, list[tuple[Record, float]]]]:
    """Runs that differ in their levels alone, by level, each with its median."""
    groups: dict[tuple[object, ...], dict[TraceLevel, list[tuple[Record, float]]]] = {}
    for record in records:
        p50 = p50_ns(record)
        if p50:
            group = groups.setdefault(_same_but_level(record), {})
            group.setdefault(TraceLevel[record.trace_level], []).append((record, p50))
    return groups


def _ratio(before: Sequence[float], times: Sequence[float]) -> stats.Ratio:
    if len(before) + len(times) > 2:
        found = stats.ratio_of_runs(before, times)
        return dataclasses.replace(found, value=statistics.median(times) / statistics.median(before))
    return stats.Ratio(times[0] / before[0], None, None, 1.0, "run", 1, 1)


def _same_but_level(record: Record) -> tuple[object, ...]:
    return (
        record.experiment,
        record.system.hostname,
        record.command,
        record.model_name,
        record.model_version,
        record.dataset_name,
        record.framework_name,
        record.framework_version,
        record.effective.get("python"),
        record.effective.get("precision"),
        record.effective.get("threads"),
        record.batch_size,
        record.using_gpu,
        record.scenario,
    )
