"""``mlscope benchmark``: one LoadGen test on tensors that were made beforehand."""

from __future__ import annotations

import selectors
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.analyses import accuracy_result, latency_results
from mlscope.conductor._answers import output_position, read_answers
from mlscope.conductor._layers import note_calls
from mlscope.conductor._logs import accuracy_log, accuracy_samples, read_summary, scheduled_latencies
from mlscope.conductor._predict import output_files, wanted_input
from mlscope.conductor._run import Run
from mlscope.conductor._tensors import sample_files
from mlscope.conductor._worker import Worker
from mlscope.errors import WorkerError
from mlscope.results import ACCURACY_PART, LatencyResult, seal_samples
from mlscope.worker.protocol import (
    FLAG_VALID,
    FLAG_WARMUP,
    SAMPLE_FIELDS,
    LoadTest,
    Tensor,
    TestDone,
    TraceLevel,
)

__all__ = ["gather", "latency_of", "measure", "test", "test_command"]

Array = np.ndarray[Any, Any]
_COLUMN = {name: number for number, name in enumerate(SAMPLE_FIELDS)}


def measure(run: Run, inputs: Sequence[Tensor] | None = None) -> None:
    """Run the test; what is found goes to ``run.found`` even when something fails on the way.

    Args:
        run: The run.
        inputs: The inputs of a model without a manifest.

    Raises:
        MlscopeError: The model, the data or the worker failed.
        KeyboardInterrupt: Ctrl-C.
    """
    load = run.prepared.plan.load
    assert load is not None
    run.observer.stage("load the model")
    worker, loaded = run.start_worker(list(inputs) if inputs else [wanted_input(run)])
    run.found.output = output_position(run, loaded)
    files, offset = sample_files(run, loaded, load.sample_count)
    outputs = output_files(run, loaded, load.sample_count) if load.mode == "AccuracyOnly" else []
    (run.path / "loadgen").mkdir()
    done = None
    command = test_command(run, files, offset, outputs)
    try:
        done = test(run, worker, command)
        if done.serving:
            run.found.effective["serving"] = done.serving
        run.release(worker, loaded)
        run.found.loadgen, run.found.loadgen_summary = read_summary(
            Path(command.outdir), load.scenario, load.mode, done
        )
    finally:
        gather(run, command, done)


def test_command(run: Run, files: Sequence[Path], offset: int, outputs: Sequence[Path]) -> LoadTest:
    """What the worker is told of the run's test.

    Args:
        run: The run.
        files: Of all samples, one a model input.
        offset: Where the samples begin in them.
        outputs: Files for the model's outputs, in accuracy mode.
    """
    load = run.prepared.plan.load
    assert load is not None

    def conf(name: str, text: str | None) -> str | None:
        return str(run.path / "conf" / f"{name}.conf") if text is not None else None

    classes = run.prepared.manifest is not None and run.prepared.output.type == "classification"
    return LoadTest(
        scenario=load.scenario,
        mode=load.mode,
        settings=load.settings,
        outdir=str(run.path / "loadgen"),
        model_key=load.model_key,
        inputs=[str(path) for path in files],
        offset=offset,
        sample_count=load.sample_count,
        performance_count=load.performance_count,
        samples=str(run.path / "samples.bin"),
        outputs=[str(path) for path in outputs],
        output=run.found.output,
        label_offset=run.prepared.output.offset,
        answer="label" if classes else "none",
        warmup=max(run.prepared.plan.execution.warmup, 3),
        mlperf_conf=conf("mlperf", load.mlperf_conf),
        user_conf=conf("user", load.user_conf),
        audit_conf=conf("audit", load.audit_conf),
        trace=load.scenario == "Server" and load.mode != "AccuracyOnly",
        max_delay_ns=run.prepared.plan.execution.max_delay_ns,
        queue_capacity=run.prepared.plan.execution.queue_capacity,
    )


def test(run: Run, worker: Worker, command: LoadTest) -> TestDone:
    """Run the test and show the time that goes by; nothing else wakes this process meanwhile."""
    seconds = int(command.settings.get("min_duration_ms", 10_000)) // 1000
    timed = command.mode != "AccuracyOnly"
    run.observer.stage(f"{command.scenario} {command.mode}", seconds if timed else None)
    begin = time.perf_counter_ns()
    worker.send(command)
    with selectors.DefaultSelector() as selector:
        selector.register(worker.channel, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout=1.0):
                run.observer.advance(int((time.perf_counter_ns() - begin) / 1e9))
                continue
            for message in worker.receive():
                if isinstance(message, TestDone):
                    return message
                raise WorkerError(f"the worker answered {type(message).__name__} to LoadTest")


def _rows(command: LoadTest) -> Array | None:
    """The rows that the worker has written, mapped, with LoadGen's schedule in them; None without a file."""
    raw = Path(command.samples)
    if not raw.is_file():
        return None
    data = np.memmap(raw, "<i8", "r+") if raw.stat().st_size >= 64 else np.zeros(0, np.int64)
    rows: Array = data[: len(data) // 8 * 8].reshape(-1, 8)
    rows = rows[: int(np.count_nonzero(rows[:, _COLUMN["flags"]] & FLAG_VALID))]
    if command.scenario == "Server":
        _note_schedule(rows, scheduled_latencies(Path(command.outdir)))
    return rows


def latency_of(command: LoadTest) -> tuple[LatencyResult, ...]:
    """The latencies of a performance test, warm-up left out."""
    rows = _rows(command)
    if rows is None:
        return ()
    timed = rows[(rows[:, _COLUMN["flags"]] & FLAG_WARMUP) == 0]
    return latency_results(timed, _kinds(command.scenario)) if len(timed) else ()


def gather(run: Run, command: LoadTest, done: TestDone | None) -> None:
    """Turn raw rows into what the record holds."""
    run.stop_measuring()
    rows, raw, folder = _rows(command), Path(command.samples), Path(command.outdir)
    if rows is None:
        return
    measured = np.flatnonzero((rows[:, _COLUMN["flags"]] & FLAG_WARMUP) == 0)
    untimed = _untimed(command.mode, folder, measured, done)
    extra = {ACCURACY_PART: np.isin(np.arange(len(rows)), untimed)} if command.mode == "SubmissionRun" else {}
    seal_samples(raw, extra, run.path / "samples.parquet")
    raw.unlink()  # the rows stay mapped
    timed = rows[np.setdiff1d(measured, untimed, assume_unique=True)]
    measured = rows[measured]
    if len(timed):
        run.found.latency = latency_results(timed, _kinds(command.scenario))
        _, first = np.unique(timed[:, _COLUMN["batch"]], return_index=True)
        run.found.inference_ns = int((timed[first, _COLUMN["end_ns"]] - timed[first, _COLUMN["start_ns"]]).sum())
    root = None
    if done is not None:
        root = run.span("loadgen_test", TraceLevel.APPLICATION_TRACE, done.start_ns, done.end_ns)
    note_calls(run, rows, parent=root)
    outputs = [Path(path) for path in command.outputs]
    if outputs and len(measured):
        answered = np.zeros(command.sample_count, bool)
        answered[measured[:, _COLUMN["sample_index"]]] = True
        read_answers(run, outputs, answered, {})
    if done is not None and command.mode in ("AccuracyOnly", "SubmissionRun"):
        _check_accuracy(run, folder)


def _untimed(mode: str, folder: Path, measured: Array, done: TestDone | None) -> Array:
    """Which of the measured rows tell nothing about speed: those of accuracy mode."""
    if mode == "PerformanceOnly":
        return measured[:0]
    return measured[: accuracy_samples(folder)] if mode == "SubmissionRun" and done else measured


def _kinds(scenario: str) -> Sequence[Any]:
    """A query of one sample has one latency; of many samples, the query's comes first."""
    if scenario in ("SingleStream", "Server"):
        return ("query",)
    return ("query", "sample") if scenario == "MultiStream" else ("sample", "batch")


def _note_schedule(rows: Array, latencies: dict[int, int]) -> None:
    """When each query was due: LoadGen counts a latency from there, and its trace tells the latency."""
    query = rows[:, _COLUMN["query"]]
    for number in range(len(rows)):
        latency = latencies.get(int(query[number]))
        if latency is not None:
            rows[number, _COLUMN["scheduled_ns"]] = rows[number, _COLUMN["end_ns"]] - latency


def _check_accuracy(run: Run, folder: Path) -> None:
    """The answers in LoadGen's log are the ones that count; ours must agree with them."""
    dataset = run.prepared.dataset
    answers = accuracy_log(folder)
    random = run.prepared.plan.model.random_weights is not None
    if dataset is None or dataset.labels is None or not answers or random:
        return
    index = np.array(sorted(answers))
    predicted = np.array([answers[i] for i in index.tolist()]).round().astype(np.int64)
    logged = accuracy_result(predicted, np.array(dataset.labels)[index])
    own = run.found.accuracy
    if own is None:
        run.found.accuracy = logged
    elif logged is not None and (logged.top1_good, logged.evaluated) != (own.top1_good, own.evaluated):
        run.warn(
            f"LoadGen's accuracy log has {logged.top1_good} right answers of {logged.evaluated}, "
            f"the stored outputs {own.top1_good} of {own.evaluated}"
        )
