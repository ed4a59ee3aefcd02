"""The spans below a layer: oneDNN's primitives, and what the framework tells of the threads that a layer ran on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlscope.analyses.profiles import ModelCalls, Primitives, read_primitives, within
from mlscope.results import Layer
from mlscope.worker.protocol import TraceLevel

if TYPE_CHECKING:
    from mlscope.conductor._run import Run

__all__ = ["note_dispatches", "note_primitives"]

Times = np.ndarray[Any, Any]


def note_primitives(
    run: Run,
    folders: Sequence[str],
    rows: Sequence[Layer],
    layer_spans: Times | None,
    calls: Sequence[tuple[ModelCalls, Times]],
) -> None:
    """Note a span for each primitive that oneDNN printed, in its layer, or in its call where it lies in none.

    Args:
        run: The run; its workers have ended.
        folders: What each worker left, below the run folder.
        rows: All layers.
        layer_spans: Their spans, shape [n]; None where there are no layers.
        calls: Of each worker, and the calls' spans.
    """
    if run.level < TraceLevel.LIBRARY_TRACE:
        return
    printed, shown = 0, 0
    for folder, (mine, spans) in zip(folders, calls, strict=True):
        log = read_primitives(run.path / folder)
        if log is None:
            continue
        printed += len(log.found) + log.untimed
        _say(run, log)
        numbers = set(mine.number.tolist())
        chosen = [row for row, layer in enumerate(rows) if layer.call in numbers]
        owners = np.zeros(0, np.int64) if layer_spans is None else layer_spans[chosen]
        known = _note(run, log, ([rows[row] for row in chosen], owners), (mine, spans))
        shown += known + log.untimed
        if log.most_calls and 0 < known < len(mine.number) and len(mine.number) > log.most_calls:
            run.warn(f"primitives of oneDNN are known of the first {known:,} of {len(mine.number):,} calls")
    framework = run.prepared.plan.framework
    if not printed:
        run.warn(f"{framework.name} {framework.version} prints no primitives of oneDNN: {run.level.name} shows none")
    elif not shown:
        run.warn(f"{framework.name} used no primitives of oneDNN in the measured calls: {run.level.name} shows none")


def _say(run: Run, log: Primitives) -> None:
    if log.damaged:
        run.warn(f"the log of oneDNN's primitives cannot be used: {log.damaged}")
    if log.untimed:
        run.warn(f"this oneDNN tells no times of {log.untimed:,} primitives: they are in profile/ alone")


def _note(
    run: Run, log: Primitives, layers_spans: tuple[Sequence[Layer], Times], calls_spans: tuple[ModelCalls, Times]
) -> int:
    """Returns in how many calls there was one."""
    (layers, owners), (calls, spans) = layers_spans, calls_spans
    bounds = list(zip(calls.begin_ns.tolist(), calls.end_ns.tolist(), strict=True))
    names, times, parents, attributes = [], [], [], []
    known = set()
    for each, layer, call in within(log.found, layers, bounds):
        inside = bounds[call] if layer is None else (layers[layer].begin_ns, layers[layer].end_ns)
        known.add(call)
        names.append(each.name)
        times.append((max(each.begin_ns, inside[0]), min(each.end_ns, inside[1])))
        parents.append(spans[call] if layer is None else owners[layer])
        attributes.append(
            {
                "library": "oneDNN",
                "implementation": each.implementation,
                "shapes": each.shapes,
                "problem": each.problem,
                "duration_ns": each.end_ns - each.begin_ns,
            }
        )
    if names:
        run.span_each(
            names,
            TraceLevel.LIBRARY_TRACE,
            np.array(times, np.int64),
            parent=np.array(parents, np.int64),
            attributes=attributes,
        )
    return len(known)


def note_dispatches(
    run: Run, rows: Sequence[Layer], layer_spans: Times | None, dispatches: Sequence[Mapping[str, Any]]
) -> None:
    """Note a span for what each layer's work on threads was, where the profiler tells; its slice is the layer's.

    Args:
        run: The run.
        rows: All layers.
        layer_spans: Their spans, shape [n]; None where there are no layers.
        dispatches: Of each layer; nothing where it is not told.
    """
    if run.level < TraceLevel.SYSTEM_LIBRARY_TRACE:
        return
    told = [row for row, dispatch in enumerate(dispatches) if dispatch]
    if not told or layer_spans is None:
        framework = run.prepared.plan.framework
        device = "CUDA launches and kernels are not read" if run.prepared.plan.execution.device == "gpu" else "no GPU"
        run.warn(f"{framework.name} tells nothing of kernels on threads ({device}): {run.level.name} shows none")
        return
    run.span_each(
        "thread_pool",
        TraceLevel.SYSTEM_LIBRARY_TRACE,
        np.array([(rows[row].begin_ns, rows[row].end_ns) for row in told], np.int64),
        parent=layer_spans[told],
        attributes=[dispatches[row] for row in told],
    )
