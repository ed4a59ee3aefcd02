"""The spans of a run's requests, of the model's calls, and of the layers that its workers' profilers saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlscope._files import explain_os_errors, write_atomic
from mlscope.analyses import WORK_FILE, graph_work_json
from mlscope.analyses.profiles import ModelCalls, Profile, layers_of, read_profile, summed_up
from mlscope.conductor._primitives import note_dispatches, note_primitives
from mlscope.errors import ModelError
from mlscope.results import LAYER_SUMMARY_FILE, LAYERS_FILE, Layer, write_layer_summary, write_layers
from mlscope.worker.protocol import (
    FLAG_DROPPED,
    FLAG_UNFINISHED,
    FLAG_WARMUP,
    SAMPLE_FIELDS,
    STREAM_SHIFT,
    TraceLevel,
)

if TYPE_CHECKING:
    from mlscope.conductor._run import Run

__all__ = ["note_calls", "note_layers", "profile_folder"]

Times = np.ndarray[Any, Any]
_MOST_SPANS = 100_000
_FIELD = {name: number for number, name in enumerate(SAMPLE_FIELDS)}
_NO_CALL = FLAG_WARMUP | FLAG_DROPPED | FLAG_UNFINISHED


def profile_folder(worker: int) -> str:
    """Where in the run folder a worker leaves its profile."""
    return f"profile/worker-{worker}"


def note_calls(run: Run, rows: Times, *, parent: int | None = None) -> None:
    """Note spans of the requests of a load test, of the calls that answered them, and of the layers of those.

    A call that answers several requests stands below the first.

    Args:
        run: The run; its worker has ended.
        rows: Raw samples, shape [n, 8].
        parent: The test's span.
    """
    rows = np.array(rows[(rows[:, _FIELD["flags"]] & _NO_CALL) == 0])
    if run.level < TraceLevel.MODEL_TRACE or not len(rows):
        return
    batches, first = np.unique(rows[:, _FIELD["batch"]], return_index=True)
    if len(first) > _MOST_SPANS:
        run.warn(f"the trace holds the first {_MOST_SPANS:,} of {len(first):,} calls; samples.parquet holds all")
        batches, first = batches[:_MOST_SPANS], first[:_MOST_SPANS]
    called = rows[first]
    queries, issued, place = np.unique(called[:, _FIELD["query"]], return_index=True, return_inverse=True)
    ends = np.zeros(len(queries), np.int64)
    np.maximum.at(ends, place, called[:, _FIELD["end_ns"]])
    times = np.stack([called[issued, _FIELD["issued_ns"]], ends], axis=1)
    requests = run.span_each("request", TraceLevel.APPLICATION_TRACE, times, parent=parent, query=queries)
    times = called[:, [_FIELD["start_ns"], _FIELD["end_ns"]]]
    parents = None if requests is None else requests[place]
    spans = run.span_each("c_predict", TraceLevel.MODEL_TRACE, times, parent=parents, batch_index=batches)
    order = np.argsort(times[:, 0])
    stream = called[:, _FIELD["flags"]] >> STREAM_SHIFT
    calls = ModelCalls(batches[order], times[order, 0], times[order, 1], stream[order])
    note_layers(run, calls, np.zeros(len(order), np.int64), None if spans is None else spans[order])


def note_layers(run: Run, calls: ModelCalls, workers: Times, spans: Times | None) -> None:
    """Write the run's layers down, and a span for each, below that of its call.

    Args:
        run: The run; its workers have ended.
        calls: The measured calls.
        workers: Which worker ran each.
        spans: The calls' spans.
    """
    if run.level < TraceLevel.FRAMEWORK_TRACE or spans is None or not len(spans):
        return
    rows: list[Layer] = []
    dispatches: list[Mapping[str, Any]] = []
    whole, model = None, run.prepared.weights.get("graph")
    folders = [profile_folder(worker) for worker in range(run.prepared.plan.execution.workers)]
    parts = [(calls.only(workers == worker), spans[workers == worker]) for worker in range(len(folders))]
    for folder, (mine, _) in zip(folders, parts, strict=True):
        profile = read_profile(run.path / folder, model) if run.tells_layers else Profile("", [])
        found = layers_of(profile, mine)
        rows += found.rows
        dispatches += found.dispatches
        for warning in found.warnings:
            run.warn(warning)
        if any(each.mean_of for each in profile.runs):
            whole = float((calls.end_ns - calls.begin_ns).mean())
        if profile.folded:
            run.found.effective["folded_nodes"] = list(profile.folded)
    numbers = None
    if rows:
        write_layers(run.path / LAYERS_FILE, rows)
        write_layer_summary(run.path / LAYER_SUMMARY_FILE, summed_up(rows, whole, calls))
        _note_work(run)
        numbers = _note_spans(run, rows, dict(zip(calls.number.tolist(), spans.tolist(), strict=True)))
    note_primitives(run, folders, rows, numbers, parts)
    note_dispatches(run, rows, numbers, dispatches)


_ODD_GRAPH = (ModelError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What counting the operations of a graph may end with that its framework runs all the same."""


def _note_work(run: Run) -> None:
    """Write down what the nodes of an ONNX model compute and move."""
    model, plan = run.prepared.weights.get("graph"), run.prepared.plan
    name = next((each.name for each in plan.model.weights if each.role == "graph"), "")
    if model is None or not name.lower().endswith(".onnx"):
        return
    try:
        text = graph_work_json(model, plan.execution.batch_size)
    except _ODD_GRAPH as error:
        run.warn(f"what the layers compute is not known: {error or type(error).__name__}")
        return
    with explain_os_errors(run.path):
        write_atomic(run.path / WORK_FILE, text)


def _note_spans(run: Run, rows: list[Layer], call_spans: dict[int, int]) -> Times | None:
    first = run.next_span
    place: dict[tuple[int, int], int] = {}
    parents = np.zeros(len(rows), np.int64)
    for number, row in enumerate(rows):  # whatever holds others comes before them
        place[row.call, row.index] = first + number
        parents[number] = call_spans[row.call] if row.parent is None else place[row.call, row.parent]
    return run.span_each(
        [row.name for row in rows],
        TraceLevel.FRAMEWORK_TRACE,
        np.array([(row.begin_ns, row.end_ns) for row in rows], np.int64),
        parent=parents,
        attributes=[_attributes(row) for row in rows],
    )


def _attributes(row: Layer) -> dict[str, Any]:
    values = {
        "layer_sequence_index": row.index,
        "op_name": row.type,
        "shape": row.output_shapes,
        "input_shape": row.input_shapes,
        "allocated_bytes": row.allocated_bytes,
        "thread_id": row.thread,
        "nodes": list(row.nodes),
        "synthetic": row.synthetic or None,
        "duration_ns": row.duration_ns if row.synthetic else None,
    }
    return {name: value for name, value in values.items() if value not in (None, "", [])}
