"""From what was asked for to a LoadGen test, or to requests on a schedule."""

from __future__ import annotations

from mlscope._files import digest
from mlscope.conductor._trace_file import read_trace
from mlscope.errors import UsageError
from mlscope.plan import (
    LoadChoice,
    LoadRequest,
    Request,
    WorkloadChoice,
    WorkloadRequest,
    check_requests,
    load_settings,
    parse_law,
    read_conf,
)

__all__ = ["load_choice", "workload_choice"]

_RANDOM_SAMPLES = 32
_DRAIN_MS = 10_000.0


def load_choice(request: Request, model_key: str, rows: int | None) -> LoadChoice:
    """The LoadGen test; `rows` None stands for random inputs.

    Raises:
        UsageError: Settings that do not go together, or a conf file that cannot be read.
    """
    load = request.load or LoadRequest()
    if load.mode == "FindPeakPerformance" and load.scenario != "Server":
        raise UsageError("FindPeakPerformance searches the rate of the Server scenario", hint="add --scenario Server")
    if rows is None and load.mode in ("AccuracyOnly", "SubmissionRun"):
        raise UsageError(f"random inputs have no labels, so there is no accuracy for {load.mode}")
    count = _sample_count(load, rows)
    if load.multistream:
        _check_ticks(load, count)
    return LoadChoice(
        scenario=load.scenario,
        mode=load.mode,
        settings=load_settings(load, request.seed),
        sample_count=count,
        performance_count=min(count, load.buffer_size or 1024),
        model_key=model_key,
        mlperf_conf=read_conf(load.mlperf_conf),
        user_conf=read_conf(load.user_conf),
        audit_conf=read_conf(load.audit_conf),
        interval_ms=load.interval_ms if load.multistream else None,
    )


def _sample_count(asked: LoadRequest | WorkloadRequest, rows: int | None) -> int:
    if rows:
        return min(rows, asked.dataset_size or rows)
    query = asked.samples_per_query or 1 if isinstance(asked, LoadRequest) else 1
    return asked.dataset_size or max(_RANDOM_SAMPLES, query)


def _check_ticks(load: LoadRequest, count: int) -> None:
    """MultiStream of v0.5 is no LoadGen test, and has only its speed."""
    if load.scenario != "MultiStream":
        raise UsageError(
            f"--multistream {load.multistream} goes with MultiStream, not with {load.scenario}",
            hint="add --scenario MultiStream",
        )
    if load.mode != "PerformanceOnly":
        raise UsageError(f"--multistream {load.multistream} is for PerformanceOnly, not for {load.mode}")
    if load.user_conf or load.mlperf_conf or load.audit_conf:
        raise UsageError(f"--multistream {load.multistream} reads no conf files", hint="use the flags")
    if (size := load.samples_per_query or 8) > count:
        raise UsageError(f"a query of {size} samples needs as many; {count} are used", hint="raise --dataset-size")


def workload_choice(request: Request, rows: int | None) -> WorkloadChoice:
    """Requests on a schedule; `rows` None stands for random inputs.

    Raises:
        UsageError: A law that is none, or choices that do not go together.
        DataError: The trace cannot be read.
    """
    asked = request.workload or WorkloadRequest()
    search = request.command == "predict max-qps"
    if search and asked.trace:
        raise UsageError("a trace has a rate of its own, so there is none to search", hint="leave --trace out")
    if search and asked.initial_qps > asked.cap_qps:
        raise UsageError(f"--initial-qps {asked.initial_qps:g} is over --cap-qps {asked.cap_qps:g}")
    count = _sample_count(asked, rows)
    if asked.trace:  # what is bad is told before anything is measured
        read_trace(asked.trace, unit=asked.trace_unit, scale=asked.time_scale, samples=count)
    else:
        check_requests(asked.cap_qps if search else asked.initial_qps, asked.min_duration_ms / 1e3, asked.min_queries)
    return WorkloadChoice(
        arrival="trace" if asked.trace else str(parse_law(asked.arrival)),
        qps=None if asked.trace else asked.initial_qps,
        trace_sha256=digest(asked.trace) if asked.trace else None,
        trace_unit=asked.trace_unit,
        time_scale=asked.time_scale,
        min_duration_ms=asked.min_duration_ms,
        min_queries=asked.min_queries,
        percentile=asked.percentile,
        latency_bound_ms=asked.latency_bound_ms,
        cap_qps=asked.cap_qps if search else None,
        sample_count=count,
        drain_ms=max(_DRAIN_MS, 10 * (asked.latency_bound_ms or 0)),
    )
