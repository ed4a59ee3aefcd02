"""An open loop: an issuer's requests, answered by a worker; nothing is lost and nothing is silently late."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mlscope.worker.protocol import (
    ARRIVALS_HEADER,
    FLAG_DROPPED,
    FLAG_FAILED,
    FLAG_UNFINISHED,
    FLAG_WARMUP,
    Failed,
    Message,
    OpenLoop,
    OpenLoopDone,
    Ready,
    Tensor,
)
from tests.worker.models import picky
from tests.worker.process import Array, WorkerProcess, column, rows

X = [Tensor("x", "uint8", (2,))]
MS = 1_000_000
HEAD = len(ARRIVALS_HEADER)


def open_loop(
    worker: WorkerProcess,
    offsets_ms: Sequence[float],
    *,
    inputs: Sequence[int] | None = None,
    samples: Array | None = None,
    interval_ms: float = 0,
    limit_ms: float = 0,
    answer: type[Message] = OpenLoopDone,
    **fields: Any,
) -> tuple[Array, Array]:
    """Issue requests; the raw rows without the warm-up by request, and the arrivals file's words."""
    folder, count = worker.folder, len(offsets_ms)
    words = np.zeros(HEAD + 3 * count, "<i8")
    words[HEAD : HEAD + count] = np.array(offsets_ms) * MS
    words[HEAD + count : HEAD + 2 * count] = 0 if inputs is None else inputs
    words.tofile(folder / "arrivals")
    data = np.zeros((40, 2), np.uint8) if samples is None else samples
    data.tofile(folder / "input-0")
    (folder / "wake").unlink(missing_ok=True)
    os.mkfifo(folder / "wake")
    command = OpenLoop(
        arrivals=str(folder / "arrivals"),
        requests=count,
        wake=str(folder / "wake"),
        inputs=[str(folder / "input-0")],
        sample_count=len(data),
        samples=str(folder / "samples.bin"),
        interval_ns=round(interval_ms * MS),
        limit_ns=round(limit_ms * MS),
        **fields,
    )
    if interval_ms:
        worker.ask(command, Ready)
        worker.expect(answer)
    else:
        _issued(worker, command, answer)
    table = rows(folder / "samples.bin")
    table = table[(column(table, "flags") & FLAG_WARMUP) == 0]
    return table[np.argsort(column(table, "query"), kind="stable")], np.fromfile(folder / "arrivals", "<i8")


def _issued(worker: WorkerProcess, command: OpenLoop, answer: type[Message]) -> None:
    """By the issuer, a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "mlscope.worker.load.issuer", command.arrivals, command.wake], stdin=subprocess.PIPE
    ) as issuer:
        worker.ask(command, Ready)
        issuer.communicate(b"begin\n", timeout=60)
        worker.expect(answer)
    assert issuer.returncode == (0 if answer is OpenLoopDone else issuer.returncode)


def test_every_request_has_a_row_with_its_times(worker: WorkerProcess) -> None:
    worker.load("null", X)
    offsets = np.cumsum(np.full(300, 0.5))
    table, words = open_loop(worker, offsets.tolist(), inputs=[n % 40 for n in range(300)])
    assert column(table, "query").tolist() == list(range(300))
    assert column(table, "sample_index").tolist() == [n % 40 for n in range(300)]
    assert (column(table, "scheduled_ns") == words[0] + offsets * MS).all()
    assert (column(table, "issued_ns") == words[HEAD + 600 :]).all()
    for before, after in (("scheduled_ns", "issued_ns"), ("issued_ns", "start_ns"), ("start_ns", "end_ns")):
        assert (column(table, before) <= column(table, after)).all()
    assert words[1:4].tolist() == [300, 300, 1]


def test_latency_counts_from_the_schedule_while_the_model_is_busy(worker: WorkerProcess) -> None:
    worker.load("sleep", X, options={"law": "constant:20ms"})
    table, _ = open_loop(worker, [0.0] * 10)
    latency = (column(table, "end_ns") - column(table, "scheduled_ns")) / MS
    assert (latency >= 20 * np.arange(1, 11)).all()
    assert (column(table, "issued_ns") - column(table, "scheduled_ns")).max() < 100 * MS


def test_what_finds_the_queue_full_is_dropped_and_counted(worker: WorkerProcess) -> None:
    worker.load("sleep", X, options={"law": "constant:50ms"})
    table, words = open_loop(worker, [0.0, *[5.0] * 19], capacity=4)
    dropped = (column(table, "flags") & FLAG_DROPPED) != 0
    assert len(table) == 20
    assert dropped.sum() in (15, 16)  # the first may still have been in the queue
    assert ((column(table, "flags")[dropped] & FLAG_FAILED) != 0).all()
    assert words[2] == 20 - dropped.sum()


def test_what_is_unanswered_at_the_end_is_unfinished(worker: WorkerProcess) -> None:
    worker.load("sleep", X, options={"law": "constant:200ms"})
    table, _ = open_loop(worker, [0.0] * 20, drain_ns=500 * MS)
    unfinished = (column(table, "flags") & FLAG_UNFINISHED) != 0
    assert len(table) == 20
    assert 16 <= unfinished.sum() <= 19
    again, _ = open_loop(worker, [0.0])  # the worker is there for the next one
    assert len(again) == 1


def test_a_partial_batch_leaves_when_its_time_is_up(worker: WorkerProcess) -> None:
    """The original's batcher waited for ever for a batch to be full."""
    worker.load("null", X, batch=8)
    table, _ = open_loop(worker, [0.0] * 11, max_batch=8, max_delay_ns=30 * MS)
    _, sizes = np.unique(column(table, "batch"), return_counts=True)
    assert sizes.tolist() == [8, 3]
    wait = column(table, "start_ns") - column(table, "issued_ns")
    assert wait[8:].max() >= 29 * MS


def test_a_request_that_fails_is_a_failed_one(worker: WorkerProcess, tmp_path: Any) -> None:
    worker.load("onnxruntime", [Tensor("x", "int64", (1,))], graph=picky(tmp_path / "picky.onnx"))
    samples = np.array([[0], [9], [1]], np.int64)
    table, words = open_loop(worker, [0.0, 1.0, 2.0], inputs=[0, 1, 2], samples=samples)
    assert ((column(table, "flags") & FLAG_FAILED) != 0).tolist() == [False, True, False]
    assert words[2] == 3


def test_a_failure_ends_it_where_none_is_allowed(worker: WorkerProcess, tmp_path: Any) -> None:
    worker.load("onnxruntime", [Tensor("x", "int64", (1,))], graph=picky(tmp_path / "picky.onnx"))
    samples = np.array([[0], [9]], np.int64)
    open_loop(worker, [0.0, 50.0, 100.0], inputs=[0, 1, 0], samples=samples, fail_on_error=True, answer=Failed)


@pytest.mark.parametrize("streams", [1, 2])
def test_queries_of_many_samples_at_ticks(worker: WorkerProcess, streams: int) -> None:
    worker.load("sleep", X, batch=4, streams=streams, options={"law": "constant:0ms", "per_sample": "3ms"})
    table, words = open_loop(
        worker, [0.0] * 5, inputs=[0, 3, 6, 9, 12], interval_ms=50, samples_per_query=8, max_batch=4
    )
    assert column(table, "query").tolist() == np.repeat(range(5), 8).tolist()
    answered = np.sort(column(table, "sample_index").reshape(5, 8))
    assert answered.tolist() == [list(range(first, first + 8)) for first in (0, 3, 6, 9, 12)]
    assert (words[HEAD : HEAD + 5] % (50 * MS) == 0).all()
    assert len(np.unique(column(table, "batch"))) == 10


def test_a_slow_query_skips_the_next_tick(worker: WorkerProcess) -> None:
    worker.load("sleep", X, options={"law": "constant:60ms"})
    _, words = open_loop(worker, [0.0] * 5, interval_ms=50)
    ticks = words[HEAD : HEAD + 5] // (50 * MS)
    assert (np.diff(ticks) >= 2).all()


def test_ticks_end_at_their_limit(worker: WorkerProcess) -> None:
    worker.load("sleep", X, options={"law": "constant:60ms"})
    table, words = open_loop(worker, [0.0] * 50, interval_ms=50, limit_ms=400)
    assert len(table) == words[1] <= 5
    assert words[3] == 1


@pytest.mark.parametrize("stall", ["1s", "1s@", "long@3"])
def test_a_stall_that_makes_no_sense(worker: WorkerProcess, stall: str) -> None:
    assert worker.refuse("sleep", X, options={"stall": stall}).kind == "option"


def test_a_stall_comes_once(worker: WorkerProcess) -> None:
    worker.load("sleep", X, options={"law": "constant:1ms", "stall": "300ms@10"})
    table, _ = open_loop(worker, [5.0 * n for n in range(20)])
    times = (column(table, "end_ns") - column(table, "start_ns")) / MS
    assert (times > 290).sum() == 1
