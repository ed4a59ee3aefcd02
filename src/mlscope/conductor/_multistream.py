"""MultiStream as MLPerf v0.5 had it: a query of N samples at each tick of 50 ms, and the metric is N.

Today's LoadGen has no such test, so the worker gives the ticks. A query that is not answered at the next
tick lets that one pass: the interval is skipped, and counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import metadata

import numpy as np

from mlscope.analyses import latency_results, ticks_result
from mlscope.conductor._issuer import Issued, gathered, issue
from mlscope.conductor._layers import note_calls
from mlscope.conductor._predict import wanted_input
from mlscope.conductor._run import Run
from mlscope.conductor._tensors import sample_files
from mlscope.plan import LoadChoice, Schedule, draw_inputs
from mlscope.results import seal_samples
from mlscope.worker.protocol import SAMPLE_FIELDS, OpenLoop, Tensor

__all__ = ["measure"]

_PATIENCE = 1.25
"""Times the planned duration: a run that takes longer has skipped too many intervals to be VALID."""
_DRAIN_NS = 10_000_000_000
_FIELD = {name: number for number, name in enumerate(SAMPLE_FIELDS)}


def measure(run: Run, inputs: Sequence[Tensor] | None = None) -> None:
    """Run the test; what is found goes to ``run.found`` even when something fails on the way.

    Raises:
        MlscopeError: The model, the data or a process failed.
        KeyboardInterrupt: Ctrl-C.
    """
    load = run.prepared.plan.load
    assert load is not None
    size = int(load.settings.get("multi_stream_samples_per_query", 8))
    schedule, interval_ns = _ticks(run, load, size)
    run.observer.stage("load the model")
    worker, loaded = run.start_worker(list(inputs) if inputs else [wanted_input(run)])
    execution = run.prepared.plan.execution
    files, offset = sample_files(run, loaded, load.sample_count)
    count = len(schedule.inputs)
    command = OpenLoop(
        arrivals="",
        requests=0,
        wake="",
        inputs=[str(path) for path in files],
        sample_count=load.sample_count,
        samples="",
        samples_per_query=size,
        max_batch=execution.batch_size,
        drain_ns=_DRAIN_NS,
        warmup=max(execution.warmup, 3),
        fail_on_error=execution.fail_on_error,
        offset=offset,
        interval_ns=interval_ns,
        limit_ns=math.ceil(count * interval_ns * _PATIENCE),
    )
    run.observer.stage(f"MultiStream (v0.5), {count} queries of {size}", count)
    issued = None
    try:
        issued = issue(
            run,
            worker,
            schedule,
            command,
            name="",
            progress=run.observer.advance,
        )
        run.release(worker, loaded)
    finally:
        _gather(run, load, schedule, interval_ns, issued)


def _ticks(run: Run, load: LoadChoice, size: int) -> tuple[Schedule, int]:
    """As many queries as LoadGen's settings ask for, and the interval."""
    assert load.interval_ms is not None
    settings = load.settings
    seconds = float(settings.get("min_duration_ms", 10_000)) / 1e3
    count = max(int(settings.get("min_query_count", 100)), math.ceil(seconds * 1e3 / load.interval_ms))
    count = min(count, int(settings.get("max_query_count", 0)) or count)
    first = draw_inputs(count, load.sample_count - size + 1, run.prepared.plan.execution.seed)
    interval_ns = round(load.interval_ms * 1e6)
    return Schedule(np.arange(count, dtype=np.int64) * interval_ns, first), interval_ns


def _gather(run: Run, load: LoadChoice, schedule: Schedule, interval_ns: int, issued: Issued | None) -> None:
    run.stop_measuring()
    raw = run.path / "samples.bin"
    if not raw.is_file():
        return
    rows = issued.rows if issued else gathered(raw)
    seal_samples(raw, {}, run.path / "samples.parquet")
    raw.unlink()
    if not len(rows):
        return
    run.found.latency = latency_results(rows, ("query", "sample"), lost_is_late=True)
    if issued is not None:
        run.found.loadgen = ticks_result(
            rows,
            queries=len(schedule.inputs),
            samples_per_query=int(load.settings.get("multi_stream_samples_per_query", 8)),
            interval_ns=interval_ns,
            min_queries=int(load.settings.get("min_query_count", 100)),
            min_duration_ns=round(float(load.settings.get("min_duration_ms", 10_000)) * 1e6),
            percentile=float(load.settings.get("multi_stream_target_latency_percentile", 0.99)),
            version=metadata.version("mlscope"),
            settings=load.settings,
        )
    _, first = np.unique(rows[:, _FIELD["batch"]], return_index=True)
    times = rows[first][:, [_FIELD["start_ns"], _FIELD["end_ns"]]]
    run.found.inference_ns = int((times[:, 1] - times[:, 0]).sum())
    note_calls(run, rows)
