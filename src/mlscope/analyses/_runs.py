"""Runs that belong together: repetitions of one plan, and runs of one model and machine at other levels or batches."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlscope import stats
from mlscope.errors import StoreError
from mlscope.results import Evaluation, Record
from mlscope.worker.protocol import TraceLevel

__all__ = [
    "Mean",
    "Runs",
    "View",
    "has_file",
    "level_of",
    "mean_of_runs",
    "plan_of",
    "plans",
    "setting",
    "traced",
    "undisturbed",
]


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """How an analysis is wanted, and what it may ask for beside the evaluations."""

    list_runs: bool = False
    """A row for each run, instead of one for all runs of a plan."""
    top: int | None = None
    """Only the so many longest layers or kernels of each, the longest first."""
    by: str = ""
    """What a row is of, where an analysis has several ways; empty: its first."""
    names: tuple[str, ...] = ()
    """Only kernels that are called so; none: all."""
    source: Evaluation | None = None
    """What is compared with; None: the newest evaluation of the same model and data."""
    tolerance: float = 0.01
    """Up to here a divergence counts as none."""
    ceilings_of: Callable[[Record], Mapping[str, Any] | None] = lambda record: None
    """Measured ceilings of an evaluation's machine, as :func:`mlscope.stacks.machine_ceilings` gives them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Runs:
    """Evaluations of one plan on one machine, the newest first."""

    each: tuple[Evaluation, ...]

    @property
    def record(self) -> Record:
        """Of the newest."""
        return self.each[0].record


@dataclasses.dataclass(frozen=True, slots=True)
class Mean:
    """A quantity over several runs."""

    trimmed: float
    """:func:`mlscope.stats.trimmed_mean`."""
    median: float
    low: float | None
    """Lower end of the mean's 95 % interval, by Student's t; None of a single run."""
    high: float | None


def plans(evaluations: Sequence[Evaluation], view: View) -> list[Runs]:
    """Evaluations by plan and machine, in the order of the newest of each; apart where each run shall be listed."""
    found: dict[object, list[Evaluation]] = {}
    for each in evaluations:
        record = each.record
        key: object = record.id if view.list_runs else (record.plan_id, record.system.hostname, record.system.cpu_name)
        found.setdefault(key, []).append(each)
    return [Runs(tuple(each)) for each in found.values()]


def mean_of_runs(values: Sequence[float]) -> Mean:
    """One value of each run, at least one."""
    _, low, high = stats.mean_interval(values)
    return Mean(stats.trimmed_mean(values), statistics.median_low(values), low, high)


def level_of(record: Record) -> TraceLevel:
    """How deep an evaluation was traced; a level that this version does not know counts as the deepest."""
    try:
        return TraceLevel[record.trace_level]
    except KeyError:
        return max(TraceLevel)


def undisturbed(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Those whose model ran without a profiler."""
    return [each for each in evaluations if level_of(each.record) <= TraceLevel.MODEL_TRACE]


def traced(evaluations: Sequence[Evaluation], level: TraceLevel) -> list[Evaluation]:
    """Those that were traced to a level, and no deeper: there its times are disturbed least.

    One that was traced deeper counts only where none of the same setting was traced to the level itself.
    """
    deep = [each for each in evaluations if level_of(each.record) >= level]
    if all(level_of(each.record) == level for each in deep):
        return deep
    exact = {setting(each, batch=True) for each in deep if level_of(each.record) == level}
    return [each for each in deep if level_of(each.record) == level or setting(each, batch=True) not in exact]


def has_file(evaluation: Evaluation, name: str) -> bool:
    """Whether the record lists a file."""
    return any(entry.path == name for entry in evaluation.record.files)


def plan_of(evaluation: Evaluation) -> dict[str, Any]:
    """The frozen plan; empty where it is not at hand."""
    try:
        with evaluation.open("plan.json") as file:
            plan = json.load(file)
    except (StoreError, ValueError):
        return {}
    return plan if isinstance(plan, dict) else {}


def setting(evaluation: Evaluation, *, batch: bool) -> tuple[object, ...]:
    """What runs have in common whose model, software, machine and load are the same, however deep they were traced.

    Args:
        evaluation: One of them.
        batch: Whether the batch size counts.
    """
    record, plan = evaluation.record, plan_of(evaluation)
    framework, execution = plan.get("framework") or {}, plan.get("execution") or {}
    weights = (plan.get("model") or {}).get("weights")
    return (
        record.model_name,
        record.model_version,
        record.framework_name,
        record.framework_version,
        record.system.hostname,
        record.system.cpu_name,
        record.using_gpu,
        record.command,
        record.scenario,
        record.mode,
        json.dumps([weights, framework.get("options")], sort_keys=True),
        tuple(execution.get(name) for name in ("threads", "streams", "workers", "device")),
        record.batch_size if batch else None,
    )
