"""From the model's raw outputs to classes, predictions and accuracy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.analyses import accuracy_result
from mlscope.conductor._outcome import Prediction
from mlscope.conductor._run import Run
from mlscope.errors import DataError, ModelError
from mlscope.results import write_predictions
from mlscope.worker.protocol import Loaded, TraceLevel

__all__ = ["output_position", "read_answers"]

Array = np.ndarray[Any, Any]
_CHUNK = 1024
_TOP = 5


def output_position(run: Run, loaded: Loaded) -> int:
    """Which of the model's outputs the manifest reads; frameworks may call the only output what they like.

    Raises:
        ModelError: The model has no such output.
    """
    spec = run.prepared.output
    names = [tensor.name for tensor in loaded.outputs]
    if spec.name in names:
        return names.index(spec.name)
    if spec.index >= len(names) or (spec.name is not None and len(names) > 1):
        wanted = spec.name if spec.name is not None else f"number {spec.index}"
        raise ModelError(f"the model has no output {wanted}; it has {', '.join(names)}", hint="mend `outputs`")
    return spec.index


def read_answers(run: Run, outputs: Sequence[Path], answered: Array, errors: Mapping[int, str]) -> None:
    """Find the best classes of every sample, write predictions.parquet, compute the accuracy.

    Args:
        run: The run; ``found.accuracy`` and ``found.predictions`` are set.
        outputs: The .npy files of the outputs.
        answered: Shape [rows], bool: which samples have an answer.
        errors: Row → why a sample has none.
    """
    begin = time.perf_counter_ns()
    classes, scores = _best(run, outputs, answered)
    end = time.perf_counter_ns()
    run.found.postprocess_ns = end - begin
    run.span("postprocess_step", TraceLevel.APPLICATION_TRACE, begin, end)
    dataset = run.prepared.dataset
    labels = np.array(dataset.labels[: len(answered)]) if dataset and dataset.labels else None
    failed = np.zeros(len(answered), bool)
    failed[list(errors)] = True
    reached = answered | failed
    rows = np.flatnonzero(reached)
    columns: dict[str, Array] = {
        "sample_index": rows,
        "file": np.array([dataset.files[row] for row in rows] if dataset else [str(row) for row in rows], dtype=str),
        "label": labels[rows] if labels is not None else np.full(len(rows), -1),
    }
    for place in range(classes.shape[1]):
        columns[f"top{place + 1}"] = classes[rows, place]
        columns[f"score{place + 1}"] = scores[rows, place]
    columns["failed"] = failed[rows]
    columns["error"] = np.array([errors.get(int(row), "") for row in rows], dtype=str)
    write_predictions(run.path / "predictions.parquet", columns)
    if run.prepared.plan.model.random_weights is not None:
        run.warn("the weights are random: speed was measured, there is no accuracy")
    elif labels is not None:
        run.found.accuracy = accuracy_result(classes[rows], labels[rows], failed[rows])
    if run.prepared.plan.command == "predict urls":
        run.found.predictions = _named(run, rows, classes, scores, errors)


def _best(run: Run, outputs: Sequence[Path], answered: Array) -> tuple[Array, Array]:
    """The best classes and their probabilities, shape [rows, at most 5]; -1 and 0 without an answer."""
    spec = run.prepared.output
    hooked = run.prepared.request.allow_hooks and run.prepared.manifest is not None
    source = _hooked(run, outputs, len(answered)) if hooked else None
    values = np.load(source or outputs[run.found.output], mmap_mode="r", allow_pickle=False)
    width = int(np.prod(values.shape[1:], dtype=np.int64))
    if source is None and spec.classes is not None and width != spec.classes:
        raise DataError(f"the model gives {width} classes, its manifest says {spec.classes}", hint="mend `classes`")
    top = min(_TOP, width)
    classes = np.full((len(answered), top), -1, np.int64)
    scores = np.zeros((len(answered), top), np.float64)
    for first in range(0, len(answered), _CHUNK):
        part = slice(first, min(first + _CHUNK, len(answered)))
        block = values[part].reshape(-1, width).astype(np.float64)
        order = np.argsort(-block, axis=1, kind="stable")[:, :top]
        probability = _probabilities(run, block, spec.transform if source is None else "none")
        classes[part] = order - spec.offset
        scores[part] = np.take_along_axis(probability, order, axis=1)
    classes[~answered] = -1
    scores[~answered] = 0
    return classes, scores


def _probabilities(run: Run, block: Array, transform: str) -> Array:
    scales = run.found.effective.get("output_quantization")
    if scales and scales[run.found.output][0]:
        scale, zero = scales[run.found.output]
        block = (block - zero) * scale
    if transform == "softmax":
        powers = np.exp(block - block.max(axis=1, keepdims=True))
        block = powers / powers.sum(axis=1, keepdims=True)
    return block


def _hooked(run: Run, outputs: Sequence[Path], count: int) -> Path | None:
    """Scores by the manifest's postprocess hooks, run in the loader; None where it has none."""
    manifest = run.prepared.manifest
    assert manifest is not None
    hooks = manifest.hooks
    if not (hooks.before_postprocess or hooks.postprocess or hooks.after_postprocess):
        return None
    assert run.pool is not None
    to = run.path / "scores.npy"
    run.pool.postprocess(outputs, count, to, run.found.output)
    return to


def _named(run: Run, rows: Array, classes: Array, scores: Array, errors: Mapping[int, str]) -> tuple[Prediction, ...]:
    dataset, names, offset = run.prepared.dataset, run.prepared.labels, run.prepared.output.offset
    total = run.prepared.output.classes
    shift = offset if total is None or len(names) >= total else 0
    assert dataset is not None
    found = []
    for row in rows.tolist():
        top = []
        for label, score in zip(classes[row].tolist(), scores[row].tolist(), strict=True):
            place = label + shift
            known = "background" if label < 0 else f"class {label}"
            top.append((label, names[place] if label >= 0 and place < len(names) else known, score))
        error = errors.get(row)
        found.append(Prediction(dataset.files[row], error, () if error else tuple(top)))
    return tuple(found)
