"""Requests that come at their times, whatever the model does meanwhile: an open loop.

Another process issues them. The main thread sleeps until it is woken and puts what was issued into the serving's queue;
a request for which there is no room is dropped, and said to be. Streams answer. Rows are written after each batch.

Requests at ticks (MultiStream of MLPerf v0.5) are issued here: at a tick at which the one before is not answered, none
is. One stream is the thread that waits for the ticks, so that nothing has to be woken on the way to the model.
"""

from __future__ import annotations

import gc
import mmap
import os
import select
import threading
import time
import traceback
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from mlscope.worker._files import SampleFile
from mlscope.worker._model import Model
from mlscope.worker._problem import Problem
from mlscope.worker.load.clock import LEAD_NS, wait_until
from mlscope.worker.load.inline import Inline
from mlscope.worker.load.serving import Served, Serving
from mlscope.worker.protocol import (
    ARRIVALS_HEADER,
    FLAG_DROPPED,
    FLAG_FAILED,
    FLAG_UNFINISHED,
    FLAG_VALID,
    FLAG_WARMUP,
    STREAM_SHIFT,
    OpenLoop,
    OpenLoopDone,
    Ready,
    write_message,
)

__all__ = ["run"]

_BEGIN, _ISSUED, _ANSWERED, _ENDED, _ANSWERED_NS = range(len(ARRIVALS_HEADER))
_READ = 1 << 16
_POLL_S = 0.05
_SPIN_NS = 1_000_000


class _Loop:
    """The requests of one run, and what became of them."""

    def __init__(self, command: OpenLoop, model: Model, commands: IO[bytes]) -> None:
        self._command = command
        self._commands = commands
        with open(command.arrivals, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._words = memoryview(self._map).cast("q")
        head, count = len(ARRIVALS_HEADER), command.requests
        self._offsets, self._inputs, self._issued = (
            self._words[head + column * count : head + (column + 1) * count] for column in range(3)
        )
        self.samples = SampleFile(command.samples)
        self._lock = threading.Lock()
        self._left: dict[int, int] = {}
        """Request → samples of it that are not answered yet."""
        self._taken = 0
        self._over = False
        self.problem: BaseException | None = None
        maps = [
            np.memmap(
                path, np.dtype(tensor.element_type), "r", command.offset, (command.sample_count, *tensor.shape[1:])
            )
            for path, tensor in zip(command.inputs, model.inputs)
        ]
        self._warm_up(model, maps)
        self._serving: Serving | Inline
        if command.interval_ns and model.streams == 1:
            self._serving = Inline(model, maps, max_batch=command.max_batch, answered=self._answered)
        else:
            self._serving = Serving(
                model,
                maps,
                max_batch=command.max_batch,
                max_delay_ns=command.max_delay_ns,
                capacity=max(command.capacity, command.samples_per_query),
                answered=self._answered,
                crashed=self._crashed,
            )

    def _warm_up(self, model: Model, maps: Sequence[np.ndarray[Any, Any]]) -> None:
        """Run full batches of the first sample.

        Raises:
            Problem: The model failed.
        """
        rows = model.fixed_batch or self._command.max_batch
        feeds = {tensor.name: np.repeat(values[:1], rows, axis=0) for tensor, values in zip(model.inputs, maps)}
        for _ in range(self._command.warmup):
            start = time.perf_counter_ns()
            try:
                model.predictor.predict(feeds)
            except Exception as error:  # frameworks raise whatever they like
                traceback.print_exc()
                raise Problem("model", f"the model failed in the warm-up: {type(error).__name__}: {error}") from error
            end = time.perf_counter_ns()
            self.samples.append(0, -1, -1, -1, start, start, end, FLAG_VALID | FLAG_WARMUP)

    def _answered(self, batch: Served) -> None:
        """Write down a batch; on a stream's thread."""
        flags = FLAG_VALID | batch.stream << STREAM_SHIFT
        if batch.error is not None:
            flags |= FLAG_FAILED
            traceback.print_exception(type(batch.error), batch.error, batch.error.__traceback__)
            if self._command.fail_on_error:
                self.problem = batch.error
        with self._lock:
            if self._over:  # it came too late, and was written down as unfinished
                return
            for number, index, scheduled, issued in zip(batch.ids, batch.indices, batch.scheduled_ns, batch.issued_ns):
                self.samples.append(index, number, batch.number, scheduled, issued, batch.start_ns, batch.end_ns, flags)
                left = self._left[number] - 1
                if left:
                    self._left[number] = left
                else:
                    del self._left[number]
                    self._words[_ANSWERED_NS] = batch.end_ns
                    self._words[_ANSWERED] += 1

    def _crashed(self, error: BaseException) -> None:
        self.problem = error

    def run(self, wake: int) -> None:
        """Take requests until the issuer has come to its end or is gone, or the model may not fail and has."""
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self._commands.fileno(), 0)  # a hang-up is always reported
        while self.problem is None:
            for handle, _ in poll.poll(1000):
                if handle != wake:
                    os._exit(71)  # the core has gone
                if not os.read(wake, _READ):
                    self._take()
                    return
                self._take()

    def tick(self) -> None:
        """Issue a request at each tick at which none is under way, until all are issued or the limit has come."""
        interval, limit = self._command.interval_ns, self._command.limit_ns
        alive = select.poll()
        alive.register(self._commands.fileno(), 0)
        begin = self._words[_BEGIN] = time.perf_counter_ns() + LEAD_NS
        tick = 0
        for number in range(self._command.requests):
            if self.problem is not None or (limit and tick * interval > limit):
                break
            self._issued[number] = wait_until(begin + tick * interval, _SPIN_NS)
            self._offsets[number] = tick * interval
            self._words[_ISSUED] = number + 1
            self._take()
            while self.problem is None and not self._serving.drain(_POLL_S):
                if limit and time.perf_counter_ns() > begin + limit:
                    break
            if alive.poll(0):
                os._exit(71)  # the core has gone
            tick = max(tick + 1, -(-(self._words[_ANSWERED_NS] - begin) // interval))
        self._words[_ENDED] = 1

    def _take(self) -> None:
        """Put what was issued since the last time into the queue."""
        first, last = self._taken, self._words[_ISSUED]
        self._taken = last
        size = self._command.samples_per_query
        begin = self._words[_BEGIN]
        scheduled = [begin + offset for offset in self._offsets[first:last]]
        inputs, issued = self._inputs[first:last].tolist(), self._issued[first:last].tolist()
        numbers = range(first, last)
        with self._lock:
            self._left.update(dict.fromkeys(numbers, size))
        if size == 1:
            accepted = self._serving.put(numbers, inputs, scheduled, issued)
        else:
            accepted = 0
            for number, index, due, at in zip(numbers, inputs, scheduled, issued):
                several = range(index, index + size)
                if self._serving.put([number] * size, several, [due] * size, [at] * size) < size:
                    break
                accepted += 1
        with self._lock:
            for place in range(accepted, last - first):
                self._lose(first + place, inputs[place], scheduled[place], issued[place], FLAG_DROPPED)

    def _lose(self, number: int, index: int, scheduled: int, issued: int, flag: int) -> None:
        """Write down the samples of a request that will have no answer; the lock is held."""
        now = time.perf_counter_ns()
        for sample in range(index, index + self._left.pop(number, 0)):
            self.samples.append(sample, number, -1, scheduled, issued, now, now, FLAG_VALID | FLAG_FAILED | flag)

    def finish(self) -> None:
        """Wait for the answers that are under way, for `drain_ns` at most, and write down what has none.

        Raises:
            Problem: The model failed, where it may not; or the serving did.
        """
        end = time.perf_counter_ns() + self._command.drain_ns
        while self.problem is None and time.perf_counter_ns() < end and not self._serving.drain(_POLL_S):
            pass
        with self._lock:
            self._over = True
            for number in sorted(self._left) if self.problem is None else ():
                due = self._words[_BEGIN] + self._offsets[number]
                self._lose(number, self._inputs[number], due, self._issued[number], FLAG_UNFINISHED)
        if self.problem is not None:
            traceback.print_exception(type(self.problem), self.problem, self.problem.__traceback__)
            what = f"the model failed during the run: {type(self.problem).__name__}: {self.problem}"
            raise Problem("model", what) from self.problem

    def serving(self) -> dict[str, Any]:
        """What took effect."""
        return {"cores": self._serving.cores, "queue_capacity": self._serving.capacity}

    def close(self) -> None:
        """End the streams, as soon as the model returns from the batch under way, and close the files."""
        self._over = True
        self._serving.close(abandon=True)
        self.samples.close()
        for view in (self._offsets, self._inputs, self._issued, self._words):
            view.release()
        self._map.close()


def run(command: OpenLoop, model: Model, commands: IO[bytes], answers: IO[bytes]) -> OpenLoopDone:
    """Answer what is issued; Ready is said when the issuer may begin.

    Raises:
        Problem: The model failed in the warm-up, or where it may not fail at all.
    """
    loop = _Loop(command, model, commands)
    wake = None if command.interval_ns else os.open(command.wake, os.O_RDONLY | os.O_NONBLOCK)
    try:
        gc.collect()
        gc.freeze()
        gc.disable()
        write_message(answers, Ready())
        start = time.perf_counter_ns()
        if wake is None:
            loop.tick()
        else:
            loop.run(wake)
        loop.finish()
        end = time.perf_counter_ns()
    finally:
        gc.enable()
        gc.unfreeze()
        if wake is not None:
            os.close(wake)
        loop.close()
    return OpenLoopDone(start, end, loop.samples.rows, loop.serving())
