"""Batches that the core has prepared: ``mlscope predict``."""

from __future__ import annotations

import mmap
import time
import traceback
from typing import IO, Any

import numpy as np

from mlscope.worker._files import OutputFile, SampleFile
from mlscope.worker._model import Model
from mlscope.worker.protocol import (
    FLAG_FAILED,
    FLAG_VALID,
    FLAG_WARMUP,
    Batch,
    Done,
    Ready,
    Stream,
    read_message,
    write_message,
)

__all__ = ["run"]


class _Ring:
    """Views of the slots' inputs, made once."""

    def __init__(self, command: Stream, model: Model) -> None:
        with open(command.ring, "rb") as file:
            self._map = mmap.mmap(file.fileno(), command.slot_bytes * command.slots, access=mmap.ACCESS_READ)
        self.slots: list[dict[str, np.ndarray[Any, Any]]] = []
        for slot in range(command.slots):
            views = {}
            for tensor, offset in zip(model.inputs, command.offsets):
                shape = (model.batch_size, *tensor.shape[1:])
                start = slot * command.slot_bytes + offset
                count = int(np.prod(shape, dtype=np.int64))
                flat = np.frombuffer(self._map, np.dtype(tensor.element_type), count, start)
                views[tensor.name] = flat.reshape(shape)
            self.slots.append(views)
        self.padded: dict[str, np.ndarray[Any, Any]] = {}
        """A batch that is larger than a slot, where the model's is fixed: zeros but for the rows that are copied."""
        if (model.fixed_batch or 0) > model.batch_size:
            self.padded = {
                tensor.name: np.zeros((model.fixed_batch, *tensor.shape[1:]), np.dtype(tensor.element_type))
                for tensor in model.inputs
            }

    def feeds(self, slot: int, rows: int) -> dict[str, np.ndarray[Any, Any]]:
        """The first `rows` rows of a slot, padded to the model's fixed batch."""
        views = self.slots[slot]
        for name, values in self.padded.items():
            values[: len(views[name])] = views[name]
        return self.padded or {name: values[:rows] for name, values in views.items()}


def run(command: Stream, model: Model, commands: IO[bytes], answers: IO[bytes]) -> None:
    """Run batches until another message (a Ready) ends the stream, or until the core is gone."""
    ring = _Ring(command, model)
    samples = SampleFile(command.samples)
    outputs = [OutputFile(path) for path in command.outputs]
    write_message(answers, Ready())
    try:
        while True:
            batch = read_message(commands)
            if not isinstance(batch, Batch):
                break
            write_message(answers, _run_batch(batch, ring, model, samples, outputs))
    finally:
        samples.close()
        for file in outputs:
            file.close()


def _run_batch(
    batch: Batch,
    ring: _Ring,
    model: Model,
    samples: SampleFile,
    outputs: list[OutputFile],
) -> Done:
    issued = time.perf_counter_ns()
    count = len(batch.rows)
    rows = model.fixed_batch or count
    feeds = ring.slots[batch.slot] if rows == model.batch_size else ring.feeds(batch.slot, rows)
    predict, error = model.predictor.predict, None
    answers: list[np.ndarray[Any, Any]] = []
    start = time.perf_counter_ns()
    try:
        answers = predict(feeds)
    except Exception as problem:  # noqa: BLE001 - a failed batch is a result: it is reported and counted
        traceback.print_exc()
        error = f"{type(problem).__name__}: {problem}"
    end = time.perf_counter_ns()
    flags = FLAG_VALID | (FLAG_WARMUP if batch.warmup else 0) | (FLAG_FAILED if error else 0)
    if not batch.warmup:
        for file, values in zip(outputs, answers):
            for position, row in enumerate(batch.rows):
                file.write(row, values[position])
    for row in batch.rows:  # last: who finds the row after a kill finds the answer
        samples.append(row, batch.batch, batch.batch, -1, issued, start, end, flags)
    return Done(batch.slot, batch.batch, start, end, error)
