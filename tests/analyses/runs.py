"""Sealed runs with latencies that are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.analyses import SESSION_TAG, accuracy_result, latency_results
from mlscope.analyses.profiles import ModelCalls, summed_up
from mlscope.results import (
    LAYER_SUMMARY_FILE,
    LAYERS_FILE,
    Evaluation,
    Layer,
    RunFolder,
    new_id,
    seal_samples,
    write_layer_summary,
    write_layers,
    write_predictions,
)
from mlscope.worker.protocol import FLAG_VALID
from tests.analyses.records import record

Array = np.ndarray[Any, np.dtype[Any]]

SESSION = f"{SESSION_TAG}1"


def run(
    home: Path,
    times_ns: Array,
    *,
    pairs: Array | None = None,
    predicted: Array | None = None,
    labels: Array | None = None,
    outputs: Array | None = None,
    layers: Sequence[Layer] = (),
    **changes: Any,
) -> Evaluation:
    """A SingleStream run (or, with `pairs`, one side of a session) with these times of its queries.

    Args:
        home: Where the run folder is made.
        times_ns: Shape [n], in order.
        pairs: Shape [n], the pair of each.
        predicted: Shape [samples], the best class of each sample.
        labels: Shape [samples], the true class of each.
        outputs: Shape [samples, classes], the model's answers.
        layers: Of every call; their times count from its begin.
        **changes: Other fields of the record.
    """
    identifier = new_id()
    folder = RunFolder.create(home / "runs", identifier)
    n = len(times_ns)
    ends = np.cumsum(times_ns.astype(np.int64)) + 1000 * np.arange(n)
    begins = ends - times_ns.astype(np.int64)
    number = np.arange(n)
    rows = np.stack([number % 7, number, number, np.full(n, -1), begins, begins, ends, np.full(n, FLAG_VALID)], axis=1)
    raw = folder.path / "raw"
    rows.astype("<i8").tofile(raw)
    seal_samples(raw, {} if pairs is None else {"pair": pairs}, folder.path / "samples.parquet")
    raw.unlink()
    fields: dict[str, Any] = {"id": identifier, "latency": latency_results(rows, ("query",))}
    if pairs is None:
        fields |= {"command": "benchmark", "scenario": "SingleStream", "mode": "PerformanceOnly"}
    else:
        fields |= {"command": "compare", "tags": (SESSION,)}
    if predicted is not None:
        truth = labels if labels is not None else np.full(len(predicted), -1)
        columns = {
            "sample_index": np.arange(len(predicted)),
            "file": np.array([f"{row}.png" for row in range(len(predicted))]),
            "label": truth,
            "top1": predicted,
            "failed": np.zeros(len(predicted), bool),
        }
        write_predictions(folder.path / "predictions.parquet", columns)
        fields["accuracy"] = accuracy_result(predicted, truth) if labels is not None else None
    if outputs is not None:
        np.save(folder.path / "outputs-0.npy", outputs)
        (folder.path / "plan.json").write_text('{"model": {"manifest": {"outputs": [{}]}}}')
    if layers:
        rows_of_layers = [
            dataclasses.replace(
                each, call=int(call), begin_ns=int(begin) + each.begin_ns, end_ns=int(begin) + each.end_ns
            )
            for call, begin in zip(number, begins, strict=True)
            for each in layers
        ]
        write_layers(folder.path / LAYERS_FILE, rows_of_layers)
        calls = ModelCalls(number, begins, ends, np.zeros(n, np.int64))
        write_layer_summary(folder.path / LAYER_SUMMARY_FILE, summed_up(rows_of_layers, None, calls))
        fields["trace_level"] = "FRAMEWORK_TRACE"
    _, path = folder.seal(record(**(fields | changes)))
    return Evaluation.from_folder(path)
