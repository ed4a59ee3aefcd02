"""Batches through the ring: what is written down about each, also when the model fails or somebody kills the worker."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from mlscope.worker.protocol import (
    FLAG_FAILED,
    FLAG_VALID,
    FLAG_WARMUP,
    SAMPLE_ROW,
    Batch,
    Failed,
    Ready,
    Tensor,
)
from tests.worker import models
from tests.worker.process import Slots, WorkerProcess, column

ROW = [Tensor("x", "float32", (2,))]


@pytest.fixture
def picky(worker: WorkerProcess, tmp_path: Path) -> Slots:
    """A model that raises for numbers from 4 on."""
    loaded = worker.load("onnxruntime", [Tensor("x", "int64", (1,))], batch=2, graph=models.picky(tmp_path / "p.onnx"))
    return Slots.open(worker, loaded, batch=2, slots=2, samples=6)


def test_every_sample_has_a_row_with_its_times(worker: WorkerProcess) -> None:
    loaded = worker.load("sleep", ROW, batch=3, options={"law": "constant:3ms"})
    slots = Slots.open(worker, loaded, batch=3, slots=2, samples=5)
    begin = time.perf_counter_ns()
    slots.run(0, -1, [0, 1, 2], warmup=True)
    first = slots.run(0, 0, [4, 2, 0])
    second = slots.run(1, 1, [1, 3])
    end = time.perf_counter_ns()
    worker.ask(Ready(), Ready)
    table = slots.rows()
    assert column(table, "sample_index").tolist() == [0, 1, 2, 4, 2, 0, 1, 3]
    assert column(table, "batch").tolist() == [-1, -1, -1, 0, 0, 0, 1, 1]
    assert column(table, "query").tolist() == column(table, "batch").tolist()
    assert column(table, "scheduled_ns").tolist() == [-1] * 8
    assert column(table, "flags").tolist() == [FLAG_VALID | FLAG_WARMUP] * 3 + [FLAG_VALID] * 5
    times = table[:, 4:7]
    assert (np.diff(times, axis=1) >= 0).all(), "issued, started, ended"
    assert times[3:].min() >= begin, "one clock for all processes"
    assert times.max() <= end
    assert [first.start_ns, first.end_ns, second.start_ns, second.end_ns] == [*times[3, 1:], *times[6, 1:]]
    assert first.end_ns - first.start_ns >= 3e6


def test_a_model_that_raises_is_a_result_and_the_stream_goes_on(picky: Slots) -> None:
    picky.fill(0, np.array([[1], [7]]))
    picky.fill(1, np.array([[3], [2]]))
    failed = picky.run(0, 0, [0, 1])
    assert failed.error is not None
    assert "out of" in failed.error
    assert picky.run(1, 1, [2, 3]).error is None
    picky.worker.ask(Ready(), Ready)
    table = picky.rows()
    assert column(table, "flags").tolist() == [FLAG_VALID | FLAG_FAILED] * 2 + [FLAG_VALID] * 2
    (found,) = picky.outputs()
    assert found[:2].any() == np.False_
    assert found[2:4].argmax(axis=1).tolist() == [3, 2]


def test_warm_up_leaves_no_outputs(picky: Slots) -> None:
    picky.fill(0, np.array([[1], [1]]))
    picky.run(0, -1, [0, 1], warmup=True)
    picky.worker.ask(Ready(), Ready)
    assert not picky.outputs()[0].any()


def test_outputs_go_to_the_rows_of_their_samples(picky: Slots) -> None:
    picky.fill(0, np.array([[3], [1]]))
    picky.run(0, 0, [5, 2])
    picky.fill(0, np.array([[2]]))
    picky.run(0, 1, [0])
    picky.worker.ask(Ready(), Ready)
    (found,) = picky.outputs()
    assert found[[5, 2, 0]].argmax(axis=1).tolist() == [3, 1, 2]
    assert not found[[1, 3, 4]].any()


def test_several_streams_follow_each_other(worker: WorkerProcess) -> None:
    loaded = worker.load("null", ROW)
    for _ in range(2):
        slots = Slots.open(worker, loaded, batch=1, slots=1, samples=3)
        slots.run(0, 0, [0])
        worker.ask(Ready(), Ready)
        assert len(slots.rows()) == 1


def test_a_kill_loses_no_row_that_was_answered(worker: WorkerProcess) -> None:
    slots = Slots.open(worker, worker.load("null", ROW), batch=1, slots=1, samples=100)
    for number in range(100):
        slots.run(0, number, [number])
    os.kill(worker.hello.pid, signal.SIGKILL)
    worker.channel.process.wait()
    table = slots.rows()
    valid = column(table, "flags") & FLAG_VALID
    assert len(table) > 100, "the file is as long as it was allocated"
    assert np.flatnonzero(valid).tolist() == list(range(100))
    assert column(table, "sample_index")[:100].tolist() == list(range(100))
    (found,) = slots.outputs()
    assert found[:, 0].tolist() == [1.0] * 100


def test_rows_grow_beyond_the_first_blocks(worker: WorkerProcess) -> None:
    batch, batches = 4096, 12
    loaded = worker.load("null", [Tensor("x", "uint8", (1,))], batch=batch, options={"classes": 1})
    slots = Slots.open(worker, loaded, batch=batch, slots=1, samples=batch * batches)
    for number in range(batches):
        slots.run(0, number, range(number * batch, (number + 1) * batch))
    worker.ask(Ready(), Ready)
    table = slots.rows()
    assert column(table, "sample_index").tolist() == list(range(batch * batches))
    assert (column(table, "flags") == FLAG_VALID).all()
    assert Path(slots.stream.samples).stat().st_size == batch * batches * SAMPLE_ROW.size


def test_an_output_that_changes_its_size_never_reaches_the_rows_of_others(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    """The answer's width follows the input's values here, so the file is too narrow for some."""
    from onnx import TensorProto, helper

    path = models.save(
        tmp_path / "wide.onnx",
        [
            helper.make_node("Squeeze", ["x", "axes"], ["n"]),
            helper.make_node("Range", ["zero", "n", "one"], ["numbers"]),
            helper.make_node("Unsqueeze", ["numbers", "zeros"], ["y"]),
        ],
        [helper.make_tensor_value_info("x", TensorProto.INT64, [1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1, "W"])],
        [
            helper.make_tensor("axes", TensorProto.INT64, [2], [0, 1]),
            helper.make_tensor("zero", TensorProto.INT64, [], [0]),
            helper.make_tensor("zeros", TensorProto.INT64, [1], [0]),
            helper.make_tensor("one", TensorProto.INT64, [], [1]),
        ],
    )
    loaded = worker.load("onnxruntime", [Tensor("x", "int64", (1,))], graph=path)
    slots = Slots.open(worker, loaded, batch=1, slots=1, samples=3)
    slots.fill(0, np.array([[3]]))
    worker.send(Batch(0, 0, [0]))
    failed = worker.expect(Failed)
    assert "an output of 24 bytes a sample, 0 when the model was loaded" in failed.message
    assert len(slots.rows()) == 0, "no row without its output"
