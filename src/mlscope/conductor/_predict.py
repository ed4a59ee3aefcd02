"""``mlscope predict``: every sample once, accuracy and the time of each part."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.analyses import latency_result
from mlscope.analyses.profiles import ModelCalls
from mlscope.conductor._answers import output_position, read_answers
from mlscope.conductor._layers import note_layers
from mlscope.conductor._pump import Pump
from mlscope.conductor._run import Run, mean_ns
from mlscope.conductor._start import declared_input
from mlscope.conductor._worker import Worker
from mlscope.errors import ModelError
from mlscope.loader import Dataset, LoaderPool, LoaderSetup
from mlscope.plan import ExecutionChoice
from mlscope.results import seal_samples
from mlscope.worker.protocol import (
    FLAG_FAILED,
    FLAG_VALID,
    FLAG_WARMUP,
    SAMPLE_FIELDS,
    Loaded,
    Ready,
    Stream,
    Tensor,
    TraceLevel,
)

__all__ = ["loader_setup", "measure", "output_files", "wanted_input"]

Array = np.ndarray[Any, Any]
_PHASE = 32  # pictures of one phase of loading


def wanted_input(run: Run) -> Tensor:
    """The input that the manifest declares, without the batch."""
    return declared_input(run.prepared)


def loader_setup(run: Run, ring: Path | None, slot_bytes: int, slots: int) -> LoaderSetup:
    """What the loader processes are told."""
    manifest = run.prepared.manifest
    assert manifest is not None
    hooks = manifest.hooks.model_dump() if run.prepared.request.allow_hooks else {}
    keys = {"name", "version", "inputs", "outputs", "attributes"}
    decoder, pictures = run.prepared.decoder, run.prepared.pictures
    assert decoder is not None
    return LoaderSetup(
        input=manifest.inputs[0].model_dump(mode="json"),
        hooks=hooks,
        context=manifest.model_dump(mode="json", include=keys),
        ring=ring,
        slot_bytes=slot_bytes,
        slots=slots,
        prepared=pictures.folder if pictures else None,
        python=decoder.python,
        environment=decoder.environment,
    )


def output_files(run: Run, loaded: Loaded, rows: int) -> list[Path]:
    """Empty .npy files, one a model output, that the workers write into."""
    paths = []
    for number, tensor in enumerate(loaded.outputs):
        path = run.path / f"outputs-{number}.npy"
        if not tensor.shape or tensor.shape[0] != loaded.inputs[0].shape[0]:
            raise ModelError(f"output {tensor.name!r} has shape {list(tensor.shape)}, which has no batch dimension")
        np.lib.format.open_memmap(path, "w+", np.dtype(tensor.element_type), (rows, *tensor.shape[1:]))
        paths.append(path)
    return paths


def _slots(execution: ExecutionChoice) -> int:
    """Enough for everybody to have one in work and one waiting; alternating phases are some pictures long."""
    busy = 2 * (execution.workers + execution.loader_processes)
    return busy if execution.overlap else max(busy, -(-_PHASE // execution.batch_size))


def measure(run: Run, inputs: Sequence[Tensor] | None = None) -> None:
    """Run all samples; what is found goes to ``run.found`` even when something fails on the way.

    Args:
        run: The run.
        inputs: None: pictures need a manifest, which declares them.

    Raises:
        MlscopeError: A process died, or something failed and ``fail_on_error`` is set.
        KeyboardInterrupt: Ctrl-C.
    """
    plan = run.prepared.plan
    dataset = run.prepared.dataset
    assert dataset is not None
    run.observer.stage("load the model")
    started = [run.start_worker([wanted_input(run)]) for _ in range(plan.execution.workers)]
    loaded = started[0][1]
    run.found.output = output_position(run, loaded)
    slots = _slots(plan.execution)
    row_bytes = (
        int(np.prod(loaded.inputs[0].shape[1:], dtype=np.int64)) * np.dtype(loaded.inputs[0].element_type).itemsize
    )
    slot_bytes = row_bytes * plan.execution.batch_size
    ring = run.scratch_file("ring", slot_bytes * slots)
    paths, missing = _paths(run, dataset)
    outputs = output_files(run, loaded, run.prepared.rows)
    run.pool = LoaderPool(
        loader_setup(run, ring, slot_bytes, slots), plan.execution.loader_processes, run.path / "logs" / "loader.log"
    )
    for number, (worker, _) in enumerate(started):
        raw = run.path / f"samples-{number}.bin"
        worker.ask(Stream(str(ring), slot_bytes, slots, [0], str(raw), [str(path) for path in outputs]))
    pump = Pump(
        pool=run.pool,
        workers=[worker for worker, _ in started],
        paths=paths,
        part=plan.execution.partition_list_size,
        batch=plan.execution.batch_size,
        slots=slots,
        overlap=plan.execution.overlap,
        fail_on_error=plan.execution.fail_on_error,
        observer=run.observer,
    )
    pump.errors.update(missing)
    try:
        _flow(run, pump, started)
    finally:
        _gather(run, pump, outputs)


def _flow(run: Run, pump: Pump, started: Sequence[tuple[Worker, Loaded]]) -> None:
    execution = run.prepared.plan.execution
    run.observer.stage("warm up")
    begin = time.perf_counter_ns()
    pump.warm_up(execution.warmup, min(execution.batch_size, run.prepared.rows))
    run.span("warm_up", TraceLevel.APPLICATION_TRACE, begin, time.perf_counter_ns(), rounds=execution.warmup)
    run.observer.stage("predict", run.prepared.rows)
    pump.run()
    for worker, loaded in started:
        worker.ask(Ready())
        run.release(worker, loaded)


def _paths(run: Run, dataset: Dataset) -> tuple[list[str | None], dict[int, str]]:
    """The files to load; addresses are downloaded first. Rows that cannot be had map to the reason."""
    from mlscope.conductor._download import download_picture

    paths: list[str | None] = []
    missing: dict[int, str] = {}
    for row in range(run.prepared.rows):
        name = dataset.files[row]
        if not name.startswith(("http://", "https://")):
            paths.append(dataset.path(row))
            continue
        begin = time.perf_counter_ns()
        path = run.scratch / f"download-{row}"
        error = download_picture(name, path, offline=run.prepared.request.offline)
        run.span("download", TraceLevel.APPLICATION_TRACE, begin, time.perf_counter_ns(), url=name)
        paths.append(None if error else str(path))
        if error:
            missing[row] = error
    return paths, missing


def _gather(run: Run, pump: Pump, outputs: Sequence[Path]) -> None:
    """Turn raw files into what the record holds."""
    run.stop_measuring()
    raws = sorted(run.path.glob("samples-*.bin"))
    rows, workers = _raw_rows(raws)
    field = {name: rows[:, number] for number, name in enumerate(SAMPLE_FIELDS)}
    measured = (field["flags"] & FLAG_WARMUP) == 0
    _seal(run, rows, field["sample_index"], pump)
    for raw in raws:
        raw.unlink()
    answered = np.zeros(run.prepared.rows, bool)
    answered[field["sample_index"][measured & ((field["flags"] & FLAG_FAILED) == 0)]] = True
    for row in pump.errors:
        answered[row] = False
    loading = pump.preprocess[pump.preprocess[:, 1] > 0]
    run.found.preprocess_mean_ns = mean_ns(loading[:, 1] - loading[:, 0])
    _latency(run, pump, {name: values[measured] for name, values in field.items()})
    _spans(run, pump, field, workers)
    if pump.oddities:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(pump.oddities.items()))
        run.warn(f"pictures that are no 8-bit RGB were converted: {counts}")
    if pump.errors:
        row, text = next(iter(sorted(pump.errors.items())))
        dataset = run.prepared.dataset
        name = dataset.files[row] if dataset else str(row)
        counted = " and count as wrong" if dataset and dataset.labels else ""
        run.warn(f"{len(pump.errors)} of {run.prepared.rows} samples failed{counted}; the first: {name}: {text}")
    if answered.any() or pump.errors:
        read_answers(run, outputs, answered, pump.errors)


def _raw_rows(raws: Sequence[Path]) -> tuple[Array, Array]:
    """The rows of all workers, shape [rows, 8], and which worker wrote each."""
    parts = []
    for path in raws:
        data = np.fromfile(path, "<i8")
        parts.append(data[: len(data) // 8 * 8].reshape(-1, 8))
    rows = np.concatenate(parts) if parts else np.zeros((0, 8), np.int64)
    workers = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    valid = (rows[:, -1] & FLAG_VALID) != 0
    return rows[valid], workers[valid]


def _seal(run: Run, rows: Array, index: Array, pump: Pump) -> None:
    raw = run.path / "joined.bin"
    rows.astype("<i8").tofile(raw)
    extra = {
        "preprocess_start_ns": pump.preprocess[index, 0] if len(index) else np.zeros(0, np.int64),
        "preprocess_end_ns": pump.preprocess[index, 1] if len(index) else np.zeros(0, np.int64),
    }
    seal_samples(raw, extra, run.path / "samples.parquet")
    raw.unlink()


def _latency(run: Run, pump: Pump, field: dict[str, Array]) -> None:
    good = (field["flags"] & FLAG_FAILED) == 0
    if not good.any():
        return
    _, first = np.unique(field["batch"][good], return_index=True)
    start, end = field["start_ns"][good][first], field["end_ns"][good][first]
    run.found.inference_ns = int((end - start).sum())
    wall = int(end.max()) - pump.begin_ns
    run.found.wait_share = max(0.0, 1 - run.found.inference_ns / (wall * run.prepared.plan.execution.workers))
    result = latency_result(
        end - start,
        of="batch",
        clock="issued",
        failed=len(np.unique(field["batch"][~good])),
        completions_ns=field["end_ns"][good],
        begin_ns=pump.begin_ns,
    )
    run.found.latency = (result,) if result else ()


def _spans(run: Run, pump: Pump, field: dict[str, Array], workers: Array) -> None:
    loaded = np.flatnonzero(pump.preprocess[:, 1])
    run.span_each("preprocess_step", TraceLevel.APPLICATION_TRACE, pump.preprocess[loaded], sample_index=loaded)
    batches, first = np.unique(field["batch"], return_index=True)
    first, batches = first[batches >= 0], batches[batches >= 0]
    start, end = field["start_ns"][first], field["end_ns"][first]
    steps = np.stack([field["issued_ns"][first], end], axis=1)
    requests = run.span_each("predict_step", TraceLevel.APPLICATION_TRACE, steps, batch_index=batches)
    times = np.stack([start, end], axis=1)
    called = run.span_each("c_predict", TraceLevel.MODEL_TRACE, times, parent=requests, batch_index=batches)
    order = np.argsort(start)
    calls = ModelCalls(batches[order], start[order], end[order], np.zeros(len(order), np.int64))
    note_layers(run, calls, workers[first][order], None if called is None else called[order])
