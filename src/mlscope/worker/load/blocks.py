"""Short blocks of calls on inputs that are ready, for comparing two models in turns: ``mlscope compare --pairs``."""

from __future__ import annotations

import gc
import time
import traceback
from typing import IO, Any

import numpy as np

from mlscope.worker._files import SampleFile
from mlscope.worker._model import Model
from mlscope.worker._problem import Problem
from mlscope.worker.protocol import (
    FLAG_VALID,
    FLAG_WARMUP,
    Block,
    BlockDone,
    Blocks,
    Ready,
    read_message,
    write_message,
)

__all__ = ["run"]

_MOST_FEEDS = 64


def run(command: Blocks, model: Model, commands: IO[bytes], answers: IO[bytes]) -> None:
    """Run blocks until another message (a Ready) ends them, or until the core is gone.

    Raises:
        Problem: The model failed.
    """
    feeds = _feeds(command, model)
    samples = SampleFile(command.samples)
    write_message(answers, Ready())
    calls = 0
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        while True:
            block = read_message(commands)
            if not isinstance(block, Block):
                break
            write_message(answers, _run_block(block, feeds, model, samples, calls))
            calls += block.warmup + block.calls
    finally:
        gc.enable()
        gc.unfreeze()
        samples.close()


def _feeds(command: Blocks, model: Model) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Full batches of neighbouring samples, beginning again where there are no more; copied into memory."""
    rows = model.fixed_batch or model.batch_size
    maps = [
        np.memmap(path, np.dtype(tensor.element_type), "r", command.offset, (command.sample_count, *tensor.shape[1:]))
        for path, tensor in zip(command.inputs, model.inputs)
    ]
    found = []
    for first in range(min(_MOST_FEEDS, command.sample_count)):
        places = (first * model.batch_size + np.arange(rows)) % command.sample_count
        found.append({tensor.name: np.array(values[places]) for tensor, values in zip(model.inputs, maps)})
    return found


def _run_block(
    block: Block, feeds: list[dict[str, np.ndarray[Any, Any]]], model: Model, samples: SampleFile, before: int
) -> BlockDone:
    """One block; a row is written for each call (of a whole batch) after the last of them."""
    predict, clock, count = model.predictor.predict, time.perf_counter_ns, len(feeds)
    total = block.warmup + block.calls
    starts, ends = [0] * total, [0] * total
    try:
        for call in range(total):
            feed = feeds[call % count]
            starts[call] = clock()
            predict(feed)
            ends[call] = clock()
    except Exception as error:  # frameworks raise whatever they like
        traceback.print_exc()
        raise Problem("model", f"the model failed: {type(error).__name__}: {error}") from error
    finally:
        for call in range(total):
            if ends[call]:
                flags = FLAG_VALID | (FLAG_WARMUP if call < block.warmup else 0)
                number, first = before + call, call % count * model.batch_size
                for row in range(first, first + model.batch_size):
                    samples.append(row, number, number, -1, starts[call], starts[call], ends[call], flags)
    times = [end - start for start, end in zip(starts[block.warmup :], ends[block.warmup :])]
    return BlockDone(block.number, starts[block.warmup], ends[-1], int(np.median(times)))
