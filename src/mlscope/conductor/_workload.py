"""``mlscope predict workload`` and ``mlscope predict max-qps``: requests on a schedule, whatever the model does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.analyses import latency_results, workload_result
from mlscope.conductor._issuer import Issued, gathered, issue
from mlscope.conductor._layers import note_calls
from mlscope.conductor._predict import wanted_input
from mlscope.conductor._run import Run
from mlscope.conductor._tensors import sample_files
from mlscope.conductor._trace_file import Recorded, read_trace
from mlscope.plan import Schedule, WorkloadChoice, draw_inputs, draw_schedule, parse_law
from mlscope.results import WorkloadResult, seal_samples
from mlscope.worker.protocol import (
    FLAG_DROPPED,
    FLAG_UNFINISHED,
    SAMPLE_FIELDS,
    OpenLoop,
    Tensor,
)

__all__ = ["OpenLoopRun", "measure"]

Array = np.ndarray[Any, np.dtype[np.int64]]
_LEAST_CAPACITY, _CAPACITY_S, _MOST_QPS = 1024, 4, 100_000
_GAP_NS = 10_000_000_000
_FIELD = {name: number for number, name in enumerate(SAMPLE_FIELDS)}


def measure(run: Run, inputs: Sequence[Tensor] | None = None) -> None:
    """Run the schedule; what is found goes to ``run.found`` even when something fails on the way.

    Raises:
        MlscopeError: The trace, the model, the data or a process failed.
        KeyboardInterrupt: Ctrl-C.
    """
    choice = run.prepared.plan.workload
    assert choice is not None
    recorded = _recorded(run, choice)
    loop = OpenLoopRun(run, choice, inputs)
    try:
        schedule = _schedule(run, choice, recorded)
        loop.expect(schedule)
        loop.go(schedule, name="")
        loop.finish()
    finally:
        loop.gather()


class OpenLoopRun:
    """A loaded model with its samples ready, for one schedule or several."""

    def __init__(self, run: Run, choice: WorkloadChoice, inputs: Sequence[Tensor] | None) -> None:
        self._run, self._choice = run, choice
        run.observer.stage("load the model")
        self._worker, self._loaded = run.start_worker(list(inputs) if inputs else [wanted_input(run)])
        files, offset = sample_files(run, self._loaded, choice.sample_count)
        execution = run.prepared.plan.execution
        self._command = OpenLoop(
            arrivals="",
            requests=0,
            wake="",
            inputs=[str(path) for path in files],
            sample_count=choice.sample_count,
            samples="",
            max_batch=execution.batch_size,
            max_delay_ns=execution.max_delay_ns,
            drain_ns=round(choice.drain_ms * 1e6),
            warmup=max(execution.warmup, 3),
            fail_on_error=execution.fail_on_error,
            offset=offset,
        )
        self._under_way: Schedule | None = None
        self._last: tuple[Schedule, Issued] | None = None

    def expect(self, schedule: Schedule) -> None:
        """Say what is coming."""
        seconds = int(schedule.offsets_ns[-1]) / 1e9
        self._run.observer.stage(f"{len(schedule.inputs):,} requests in {seconds:.1f} s", len(schedule.inputs))

    def go(self, schedule: Schedule, *, name: str) -> tuple[Issued, WorkloadResult]:
        """Issue one schedule; see :func:`mlscope.conductor._issuer.issue`."""
        self._under_way = schedule
        asked = self._run.prepared.plan.execution.queue_capacity
        waiting = asked or max(_LEAST_CAPACITY, math.ceil(_CAPACITY_S * min(schedule.qps, _MOST_QPS)))
        command = dataclasses.replace(self._command, capacity=waiting)
        issued = issue(self._run, self._worker, schedule, command, name=name, progress=self._run.observer.advance)
        self._last = schedule, issued
        return issued, self.judge(schedule, issued)

    def judge(self, schedule: Schedule, issued: Issued) -> WorkloadResult:
        """What became of the requests."""
        bound = self._choice.latency_bound_ms
        return workload_result(
            issued.rows,
            arrival=self._choice.arrival,
            requests=len(schedule.inputs),
            offered_qps=schedule.qps,
            schedule_sha256=issued.schedule_sha256,
            percentile=self._choice.percentile,
            latency_bound_ns=None if bound is None else round(bound * 1e6),
        )

    def finish(self) -> None:
        """End the worker; its peak memory is noted."""
        self._run.release(self._worker, self._loaded)

    def gather(self) -> None:
        """Put the raw rows of all schedules away, and say what the last one has shown."""
        self._run.stop_measuring()
        raws = sorted(self._run.path.glob("samples*.bin"))
        last = self._seal(raws)
        schedule = self._under_way
        if schedule is None:
            return
        if self._last is None or self._last[0] is not schedule:  # it was broken off
            self._last = schedule, Issued(last, "")
        issued = self._last[1]
        self._run.found.workload = self.judge(schedule, issued)
        if len(issued.rows):
            self._run.found.latency = latency_results(issued.rows, ("query",), lost_is_late=True)
            self._spans(issued.rows)
        self._warn(self._run.found.workload)

    def _seal(self, raws: Sequence[Path]) -> Array:
        """All rows into one table; gives the rows of the last file."""
        parts = [np.fromfile(path, "<i8") for path in raws]
        tables = [part[: len(part) // 8 * 8].reshape(-1, 8) for part in parts]
        if not tables:
            return np.zeros((0, 8), np.int64)
        rows = np.concatenate(tables)
        flags = rows[:, _FIELD["flags"]]
        extra = {"dropped": (flags & FLAG_DROPPED) != 0, "unfinished": (flags & FLAG_UNFINISHED) != 0}
        if len(tables) > 1:
            extra["step"] = np.repeat(np.arange(1, len(tables) + 1), [len(table) for table in tables])
        joined = self._run.path / "joined.tmp"
        rows.astype("<i8").tofile(joined)
        seal_samples(joined, extra, self._run.path / "samples.parquet")
        joined.unlink()
        last = gathered(raws[-1])
        for raw in raws:
            raw.unlink()
        return last

    def _spans(self, rows: Array) -> None:
        called = rows[(rows[:, _FIELD["flags"]] & (FLAG_DROPPED | FLAG_UNFINISHED)) == 0]
        _, first = np.unique(called[:, _FIELD["batch"]], return_index=True)
        times = called[first][:, [_FIELD["start_ns"], _FIELD["end_ns"]]]
        self._run.found.inference_ns = int((times[:, 1] - times[:, 0]).sum())
        note_calls(self._run, called)

    def _warn(self, result: WorkloadResult) -> None:
        if result.failed:
            self._run.warn(
                f"{result.failed} of {result.requests} requests failed and count as later than every other; "
                f"`mlscope runs log {self._run.id} worker` says why"
            )
        late = {entry.percentile: entry.value_ns for entry in result.slip}.get(99.0)
        if late is not None and result.latency_ns and late > 0.1 * result.latency_ns:
            self._run.warn(
                f"requests were issued late, 1 % by more than {late / 1e6:.2f} ms: the machine is too busy for that"
            )


def _recorded(run: Run, choice: WorkloadChoice) -> Recorded | None:
    asked = run.prepared.request.workload
    if asked is None or asked.trace is None:
        return None
    recorded = read_trace(asked.trace, unit=asked.trace_unit, scale=asked.time_scale, samples=choice.sample_count)
    if recorded.longest_gap_ns >= _GAP_NS:
        seconds = recorded.longest_gap_ns / 1e9
        run.warn(f"the trace has a gap of {seconds:.1f} s after {recorded.gap_where}; it is replayed too")
    return recorded


def _schedule(run: Run, choice: WorkloadChoice, recorded: Recorded | None) -> Schedule:
    seed = run.prepared.plan.execution.seed
    if recorded is not None:
        inputs = recorded.inputs
        if inputs is None:
            inputs = draw_inputs(len(recorded.offsets_ns), choice.sample_count, seed)
        return Schedule(recorded.offsets_ns, inputs)
    assert choice.qps is not None
    return draw_schedule(
        parse_law(choice.arrival),
        choice.qps,
        min_duration_s=choice.min_duration_ms / 1e3,
        min_requests=choice.min_queries,
        samples=choice.sample_count,
        seed=seed,
    )
