"""Blocks of calls: what is written down about each, and what happens when the model fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlscope.worker.protocol import (
    FLAG_VALID,
    FLAG_WARMUP,
    Block,
    BlockDone,
    Blocks,
    Failed,
    Ready,
    Tensor,
)
from tests.worker import models
from tests.worker.process import Array, WorkerProcess, column, rows

ROW = [Tensor("x", "float32", (2,))]


def begin(worker: WorkerProcess, folder: Path, values: Array) -> Path:
    """Tell the worker of the samples; returns the file that its rows go to."""
    inputs, samples = folder / "input", folder / "samples.bin"
    values.tofile(inputs)
    worker.ask(Blocks([str(inputs)], len(values), str(samples)), Ready)
    return samples


def test_each_call_has_its_rows_and_the_first_ones_are_warm_up(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.load("sleep", ROW, batch=2, options={"law": "constant:2ms", "spin": True})
    samples = begin(worker, tmp_path, np.zeros((3, 2), np.float32))
    first = worker.ask(Block(0, 4, 1), BlockDone)
    second = worker.ask(Block(1, 2), BlockDone)
    worker.ask(Ready(), Ready)
    table = rows(samples)
    assert column(table, "batch").tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert column(table, "flags").tolist() == [FLAG_VALID | FLAG_WARMUP] * 2 + [FLAG_VALID] * 12
    times = column(table, "end_ns") - column(table, "start_ns")
    assert times.min() >= 2e6
    assert (first.start_ns, first.end_ns) == (column(table, "start_ns")[2], column(table, "end_ns")[8])
    assert first.median_ns == int(np.median(times[2:10:2]))
    assert (second.number, second.end_ns) == (1, column(table, "end_ns")[-1])


def test_a_model_that_raises_ends_the_blocks_and_what_was_measured_is_kept(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    """The model refuses numbers from 4 on: the third sample."""
    worker.load("onnxruntime", [Tensor("x", "int64", (1,))], graph=models.picky(tmp_path / "p.onnx"))
    samples = begin(worker, tmp_path, np.array([[1], [2], [7]]))
    failed = worker.ask(Block(0, 10), Failed)
    assert failed.kind == "model"
    assert len(rows(samples)) == 2
