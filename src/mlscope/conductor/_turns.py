"""Two plans measured in turns: both models stay loaded, and short blocks of calls alternate."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlscope import stats
from mlscope.analyses import SESSION_TAG, latency_results, process_allowance
from mlscope.conductor._evaluate import begin_run, finish_run, stopped
from mlscope.conductor._interrupts import Interrupts
from mlscope.conductor._outcome import Observer, Outcome
from mlscope.conductor._predict import wanted_input
from mlscope.conductor._prepare import Prepared
from mlscope.conductor._quiet import BlockWatch
from mlscope.conductor._run import Run
from mlscope.conductor._tensors import sample_files
from mlscope.conductor._worker import Worker
from mlscope.errors import MlscopeError, WorkerError
from mlscope.results import System, new_id, seal_samples
from mlscope.stacks import describe_machine
from mlscope.worker.protocol import FLAG_VALID, FLAG_WARMUP, Block, BlockDone, Blocks, Loaded, Ready, Tensor

__all__ = ["TurnPlan", "Turns", "measure_in_turns"]

Array = np.ndarray[Any, Any]
_SAMPLES = 32
_WARM_CALLS = 3
"""Calls at the beginning of each block that do not count: the other model had the caches."""
_FIRST_CALLS = 20
_SHORTEST_S = 0.1
"""Of a block: below, the kernel's count of what others take is too coarse."""
_LEAST_CALLS = 5
_FEWEST_PAIRS = 6


@dataclasses.dataclass(frozen=True, slots=True)
class TurnPlan:
    """How two plans are measured in turns."""

    pairs: int = 20
    """Undisturbed pairs before the first look; twice and four times as many where that decides nothing."""
    calls: int = 50
    """Of the model, in a block; more where they take less than a tenth of a second."""
    seconds: float = 180.0
    """Longest time of measuring."""
    margin: float = 0.02
    """Difference that does not matter, a fraction."""

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of pairs after which it may end."""
        return self.pairs, 2 * self.pairs, 4 * self.pairs


@dataclasses.dataclass(frozen=True, slots=True)
class Turns:
    """What came of it."""

    outcomes: tuple[Outcome, Outcome]
    pairs: int
    repeated: int
    """Pairs that were disturbed and measured again."""
    looks: int
    """How often the data were, or would have been, looked at."""
    disturbed: bool
    """Whether the machine stayed disturbed until the time was over."""


class _Lane:
    """One of the two sides while it is measured."""

    def __init__(self, run: Run, worker: Worker, loaded: Loaded) -> None:
        self.run = run
        self.worker = worker
        self.loaded = loaded
        self.pairs: list[int] = []
        """Pair of each row that the worker has written."""
        self.medians: dict[int, int] = {}

    def measure(self, number: int, calls: int) -> BlockDone:
        """Run one block; it belongs to no pair yet."""
        done = self.worker.ask(Block(number, calls, _WARM_CALLS))
        if not isinstance(done, BlockDone):
            raise WorkerError(f"the worker answered {type(done).__name__} to Block")
        self.pairs += [-1] * ((calls + _WARM_CALLS) * self.run.prepared.plan.execution.batch_size)
        return done

    def accept(self, pair: int, calls: int, done: BlockDone) -> None:
        """The last block belongs to this pair."""
        rows = calls * self.run.prepared.plan.execution.batch_size
        self.pairs[len(self.pairs) - rows :] = [pair] * rows
        if pair >= 0:
            self.medians[pair] = done.median_ns


def measure_in_turns(
    plans: Sequence[tuple[Prepared, list[Tensor] | None]], turns: TurnPlan, observer: Observer
) -> Turns:
    """Measure two plans in turns, in one session; each side is a record of its own.

    The order within a pair alternates. A pair during which other processes took part of the machine is measured
    again, until the time is over. After 20 pairs (or as many as are asked for) it ends when the medians' ratio is
    decided, else after twice or four times as many.

    Args:
        plans: The two sides, each with the inputs of a model without a manifest.
        turns: How.
        observer: Hears how it goes.

    Returns:
        Both outcomes. What failed or was interrupted is an outcome too.

    Raises:
        MlscopeError: A model cannot be loaded.
    """
    system, session = System(**describe_machine()), f"{SESSION_TAG}{new_id()}"
    with Interrupts() as interrupts:
        runs = []
        for prepared, _ in plans:
            tags = (*prepared.request.tags, session)
            request = prepared.request.model_copy(update={"tags": tags, "record": True})
            runs.append(Run(dataclasses.replace(prepared, request=request), 1, system, observer, interrupts))
            begin_run(runs[-1])
        lanes: list[_Lane] = []
        error: MlscopeError | None = None
        repeated, in_time = 0, False
        try:
            for run, (_, inputs) in zip(runs, plans, strict=True):
                lanes.append(_begin(run, inputs))
            repeated, in_time = _alternate(lanes, turns, observer)
            for lane in lanes:
                lane.worker.ask(Ready())
                lane.run.release(lane.worker, lane.loaded)
        except (KeyboardInterrupt, MlscopeError, OSError) as problem:
            error = stopped(problem, runs[0])
        finally:
            for run in runs:
                run.stop_measuring()
            for lane in lanes:
                _gather(lane)
            for run in runs:
                run.stop()
        outcomes = tuple(finish_run(run, error) for run in runs)
    pairs = len(lanes[0].medians) if lanes else 0
    disturbed = not in_time and pairs < max(_FEWEST_PAIRS, turns.pairs // 2) and repeated > pairs
    return Turns((outcomes[0], outcomes[1]), pairs, repeated, len(turns.looks), disturbed)


def _begin(run: Run, inputs: list[Tensor] | None) -> _Lane:
    """Load the model and make its inputs ready."""
    run.observer.stage("load the model")
    worker, loaded = run.start_worker(list(inputs) if inputs else [wanted_input(run)])
    count = min(_SAMPLES, run.prepared.rows or _SAMPLES)
    files, offset = sample_files(run, loaded, count)
    if run.pool is not None:
        run.pool.close()
        run.pool = None
    worker.ask(Blocks([str(path) for path in files], count, str(run.path / "samples.bin"), offset))
    return _Lane(run, worker, loaded)


def _alternate(lanes: list[_Lane], turns: TurnPlan, observer: Observer) -> tuple[int, bool]:
    """Measure pairs; returns how many were disturbed, and whether it ended before the time was over."""
    first = [lane.measure(-1, _FIRST_CALLS) for lane in lanes]
    slowest = max(done.median_ns for done in first) / 1e9
    affordable = math.floor(turns.seconds / (2 * turns.pairs * slowest))
    calls = max(_LEAST_CALLS, min(max(turns.calls, math.ceil(_SHORTEST_S / slowest)), affordable))
    for lane in lanes:
        lane.measure(-1, calls)
    watch = BlockWatch([lane.worker.pid for lane in lanes])
    observer.stage("measure in turns", turns.looks[-1])
    end, repeated, pair = time.perf_counter() + turns.seconds, 0, 0
    while time.perf_counter() < end:
        order = lanes if pair % 2 == 0 else lanes[::-1]
        watch.begin()
        done = []
        for lane in order:
            watch.settle([other.worker.pid for other in lanes if other is not lane])
            done.append(lane.measure(pair, calls))
        disturbed = watch.disturbed()
        repeated += disturbed
        for lane, block in zip(order, done, strict=True):
            lane.accept(-1 - repeated if disturbed else pair, calls, block)
        if disturbed:
            continue
        pair += 1
        observer.advance(pair)
        if pair in turns.looks and (pair == turns.looks[-1] or _decided(lanes, turns)):
            return repeated, True
    return repeated, False


def _decided(lanes: list[_Lane], turns: TurnPlan) -> bool:
    level = 0.05 / len(turns.looks)
    values = [np.array(list(lane.medians.values()), np.float64) for lane in lanes]
    ratio = stats.ratio_of_pairs(values[0], values[1], 1 - level, process_allowance(turns.margin))
    return stats.judge(ratio, turns.margin, level=level).verdict != "not enough data"


def _gather(lane: _Lane) -> None:
    """Turn raw rows into samples and latencies."""
    run, raw = lane.run, lane.run.path / "samples.bin"
    if not raw.is_file():
        return
    data = np.fromfile(raw, "<i8")
    rows = data[: len(data) // 8 * 8].reshape(-1, 8)
    rows = rows[(rows[:, -1] & FLAG_VALID) != 0]
    pairs = np.full(len(rows), -1, np.int64)
    known = min(len(rows), len(lane.pairs))
    pairs[:known] = lane.pairs[:known]
    seal_samples(raw, {"pair": pairs}, run.path / "samples.parquet")
    raw.unlink()
    keep = ((rows[:, -1] & FLAG_WARMUP) == 0) & (pairs >= 0 if (pairs >= 0).any() else pairs < -1)
    counted = rows[keep]
    if not len(counted):
        return
    run.found.latency = latency_results(
        _closed_up(counted, pairs[keep]), ("query" if run.prepared.plan.execution.batch_size == 1 else "batch",)
    )
    _, calls = np.unique(counted[:, 2], return_index=True)
    run.found.inference_ns = int((counted[calls, 6] - counted[calls, 5]).sum())


def _closed_up(rows: Array, pairs: Array) -> Array:
    """The rows as if the other side's blocks had taken no time, so that the rate is that of this side alone."""
    found = rows.copy()
    begins = np.concatenate(([0], np.flatnonzero(np.diff(pairs)) + 1))
    shift = np.zeros(len(rows), np.int64)
    for begin in begins[1:].tolist():
        shift[begin:] += rows[begin, 5] - rows[begin - 1, 6]
    found[:, 4:7] -= shift[:, None]
    return found
