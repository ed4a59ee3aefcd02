"""From a result of a tree to a record."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from mlscope._origin import origin
from mlscope._schema import canonical_digest
from mlscope.results import (
    LatencyResult,
    LoadGenResult,
    PercentileResult,
    Record,
    SubmissionResult,
    Timings,
)
from mlscope.submissions._accuracy_text import ACCURACY_FILE, AccuracyText, counted, read_accuracy
from mlscope.submissions._logs import LoadGenLog, read_logs
from mlscope.submissions._metric import Metric, official_metric
from mlscope.submissions._system import Described, described, read_system_file, split_framework
from mlscope.submissions._tree import Result
from mlscope.submissions._values import canonical_scenario

__all__ = ["NOT_DATED", "latency_results", "loadgen_result", "official_record"]

NOT_DATED = datetime(1970, 1, 1, tzinfo=UTC)
"""Start of what does not say when it was run."""
_RANKS = (50.0, 90.0, 95.0, 97.0, 99.0, 99.9)


@dataclasses.dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a result."""

    log: LoadGenLog | None
    accuracy: AccuracyText | None
    system: Described
    metric: Metric | None
    warnings: tuple[tuple[Path, str], ...]


def official_record(
    result: Result, run: int | None, identifier: str, round_name: str | None
) -> tuple[Record, tuple[tuple[Path, str], ...]]:
    """The record of one performance run, or of a result that has an accuracy run alone.

    Args:
        result: Of the tree.
        run: Number of the performance run; None: there is none.
        identifier: The record's id.
        round_name: ``v5.1`` and the like; None where nothing says so.

    Returns:
        The record, and what was wrong with which file.
    """
    read = _read(result, run)
    log, system = read.log, read.system
    scenario = canonical_scenario(result.scenario) or (log.scenario if log else None) or result.scenario
    accuracy = counted(read.accuracy.good, read.accuracy.total) if read.accuracy else None
    framework, version = split_framework(system.framework)
    place = [result.division, result.submitter, result.system, result.benchmark, scenario]
    mlscope = origin()
    record = Record(
        id=identifier,
        kind="official",
        status="complete",
        created_at=(log.started_at if log else None) or NOT_DATED,
        command="submission import",
        plan_id=canonical_digest([round_name, *place])[:16],
        experiment=f"mlperf-{round_name}" if round_name else "mlperf",
        tags=tuple(dict.fromkeys(("mlperf", result.division, result.submitter))),
        repetition=run or 1,
        model_name=result.benchmark,
        model_version="",
        dataset_name=None,
        framework_name=framework,
        framework_version=version,
        batch_size=0,
        using_gpu=system.accelerators > 0,
        trace_level="NO_TRACE",
        scenario=scenario,
        mode=(log.mode if log else None) or ("PerformanceOnly" if run else "AccuracyOnly"),
        system=system.system,
        lock_sha256="",
        mlscope_version=mlscope.version,
        mlscope_commit=mlscope.commit,
        mlscope_dirty=mlscope.dirty,
        accuracy=accuracy,
        latency=latency_results(log) if log and read.metric and not read.metric.inferred_from else (),
        loadgen=loadgen_result(log, read.metric) if log else None,
        timings=Timings(total_ns=log.detail.duration_ns if log and log.detail else 0),
        submission=SubmissionResult(
            round=round_name,
            division=result.division,
            submitter=result.submitter,
            system=result.system,
            system_name=system.name,
            availability=system.availability,
            category=system.category,
            benchmark=result.benchmark,
            scenario=scenario,
            inferred_from=read.metric.inferred_from if read.metric else None,
            accuracies=read.accuracy.values if read.accuracy else {},
        ),
        warnings=tuple(f"{path.relative_to(result.root).as_posix()}: {what}" for path, what in read.warnings),
    )
    return record, read.warnings


def _read(result: Result, run: int | None) -> _Read:
    warnings: list[tuple[Path, str]] = []
    log = accuracy = metric = None
    folder = result.runs[run] if run is not None else result.accuracy
    if folder is not None:
        log = read_logs(folder)
        for each in log.problems:
            name, _, what = each.partition(": ")
            warnings.append((folder / name, what))
        metric = official_metric(log, result.scenario, result.benchmark) if run is not None else None
        if run is not None and metric is None and not log.problems:
            warnings.append((folder, "its logs hold no result of this scenario"))
    if result.accuracy is not None:
        accuracy = _accuracy(result.accuracy / ACCURACY_FILE, warnings)
    return _Read(log, accuracy, _system(result, warnings), metric, tuple(warnings))


def _accuracy(path: Path, warnings: list[tuple[Path, str]]) -> AccuracyText | None:
    try:
        found = read_accuracy(path)
    except OSError as error:
        warnings.append((path, f"{error.strerror or 'cannot be read'}"))
        return None
    if not found.values:
        warnings.append((path, "no accuracy in a known form"))
    return found


def _system(result: Result, warnings: list[tuple[Path, str]]) -> Described:
    try:
        details = read_system_file(result.system_file)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else f"not understood: {error}"
        warnings.append((result.system_file, what or "cannot be read"))
        details = {}
    return described(result.system, details)


def loadgen_result(log: LoadGenLog, metric: Metric | None) -> LoadGenResult:
    """What LoadGen says of a test, as records hold it."""
    return LoadGenResult(
        version=log.version,
        scenario=log.scenario or "",
        mode=log.mode or "",
        validity="VALID" if log.validity == "VALID" else "INVALID" if log.validity == "INVALID" else None,
        failed_conditions=log.failed_conditions,
        metric=metric.name if metric else None,
        metric_value=metric.value if metric else None,
        metric_unit=metric.unit if metric else None,
        effective_settings=dict(log.settings),
        summary=dict(log.summary.lines) if log.summary else {},
        errors=log.errors,
        warnings=log.warnings,
    )


def latency_results(log: LoadGenLog) -> tuple[LatencyResult, ...]:
    """The latencies that LoadGen sums up; without a count where the log does not tell it."""
    kinds: tuple[tuple[Literal["query", "sample"], str], ...] = (("query", "per_query_"), ("sample", ""))
    if log.scenario != "MultiStream":
        kinds = (("sample" if log.scenario == "Offline" else "query", ""),)
    found = (_latency(log, of, infix) for of, infix in kinds)
    return tuple(each for each in found if each is not None)


def _latency(log: LoadGenLog, of: Literal["query", "sample"], infix: str) -> LatencyResult | None:
    keys = ("min", "max", "mean")
    words = [f"result_{key}_query_latency_ns" if infix else f"result_{key}_latency_ns" for key in keys]
    least, most, mean = (log.figure(word) for word in words)
    if least is None or most is None or mean is None or mean <= 0:
        return None
    ranks = {rank: log.figure(f"result_{rank:.2f}_percentile_{infix}latency_ns") for rank in _RANKS}
    samples = log.settings.get("samples_per_query") if infix else 1
    rate = next(
        (
            value
            for key in (
                "result_samples_per_second",
                "result_completed_samples_per_sec",
                "result_qps_without_loadgen_overhead",
            )
            if (value := log.figure(key))
        ),
        (samples if isinstance(samples, int | float) else 1) * 1e9 / mean,
    )
    return LatencyResult(
        of=of,
        clock="scheduled" if log.scenario == "Server" else "issued",
        count=int(log.figure("result_query_count") or 0),
        failed=0,
        mean_ns=mean,
        stddev_ns=None,
        min_ns=least,
        max_ns=most,
        percentiles=tuple(
            PercentileResult(percentile=rank, value_ns=value, low_ns=None, high_ns=None)
            for rank, value in ranks.items()
            if value is not None
        ),
        throughput_samples_per_s=rate,
    )
