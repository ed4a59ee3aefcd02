"""Serving: requests wait in a bounded queue for N streams, which take them in batches.

One producer puts requests; each stream is a thread that lives as long as the serving does, with a session (interpreter,
infer request) of the framework that is its own. LoadGen's Server and Offline and the open loop are its callers::

    def answered(batch: Served) -> None:  # on the stream's thread, after every batch
        tell(batch.ids, batch.outputs, batch.start_ns, batch.end_ns)

    serving = Serving(model, samples, max_batch=8, max_delay_ns=2_000_000, capacity=4096, answered=answered,
                      crashed=give_up)
    accepted = serving.put(ids, indices, scheduled_ns, issued_ns)  # fewer than were given: the queue is full
    serving.drain()  # until every accepted request is answered
    serving.close()

A batch is what waits, up to `max_batch`: it leaves as soon as it is full, or when its first request has waited
`max_delay_ns`; with 0 it leaves at once. Only one stream at a time gathers a batch, so that a few requests do not
spread over many small ones; while it waits it holds nothing but its turn. Requests are taken in the order of arrival,
and the n-th that was accepted (from 0) has sequence number n, whatever its id. A batch that fails is answered too, with
`error`.

The queue is a ring of preallocated lists. The producer alone moves its head and whoever has the turn its tail, so
neither needs a lock; they wake each other by tokens, of which one too many does no harm. Between `start_ns` and
`end_ns` stand the copying of samples that do not lie side by side, and the model's call; nothing is written there.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from mlscope.worker._model import Model, Predict
from mlscope.worker._problem import Problem

__all__ = ["Feeder", "Served", "Serving", "run_batch"]

Array = np.ndarray[Any, Any]
_NEVER = sys.maxsize


class Served:
    """A batch that is through. Each stream has one, which it fills anew: what is needed later must be copied.

    Attributes:
        stream: Which stream ran it, from 0.
        number: Of the batch, unique among all streams.
        first: Sequence number of its first request; the others follow.
        ids: What the caller calls its requests.
        indices: Their samples.
        scheduled_ns: When they were due.
        issued_ns: When they were put.
        outputs: Of the model, arrays ``[rows, ...]``; rows beyond the requests are padding. None when it failed.
        start_ns: Before the samples were gathered.
        end_ns: After the model's call.
        error: What the model raised, or None.
    """

    __slots__ = (
        "end_ns",
        "error",
        "first",
        "ids",
        "indices",
        "issued_ns",
        "number",
        "outputs",
        "scheduled_ns",
        "start_ns",
        "stream",
    )

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.number = self.first = self.start_ns = self.end_ns = 0
        self.ids: list[int] = []
        self.indices: list[int] = []
        self.scheduled_ns: list[int] = []
        self.issued_ns: list[int] = []
        self.outputs: list[Array] = []
        self.error: Exception | None = None


class Feeder:
    """Samples as the arrays that a model takes; every stream has its own."""

    def __init__(self, model: Model, samples: Sequence[Array], max_batch: int) -> None:
        self._fixed = model.fixed_batch
        rows = model.fixed_batch or max_batch
        # plain arrays: a slice of a memmap takes ten times as long
        plain = [np.asarray(values).view(np.ndarray) for values in samples]
        self._sources = [(tensor.name, values) for tensor, values in zip(model.inputs, plain)]
        self._buffers = {
            tensor.name: np.zeros((rows, *tensor.shape[1:]), np.dtype(tensor.element_type)) for tensor in model.inputs
        }

    def feeds(self, indices: list[int]) -> dict[str, Array]:
        """Samples that lie side by side are fed where they lie; others are copied, into arrays of the fixed batch."""
        count, first = len(indices), indices[0]
        if self._fixed in (None, count) and (count == 1 or indices == list(range(first, first + count))):
            return {name: values[first : first + count] for name, values in self._sources}
        for name, values in self._sources:
            # "clip" writes straight into `out`, "raise" into a copy of it.
            np.take(values, indices, axis=0, out=self._buffers[name][:count], mode="clip")
        if self._fixed is not None:
            return self._buffers
        return {name: values[:count] for name, values in self._buffers.items()}


def run_batch(batch: Served, feeder: Feeder, predict: Predict) -> None:
    """Run the samples of a batch; its outputs, or its error, and its times are filled in."""
    now = time.perf_counter_ns
    batch.error = None
    batch.start_ns = now()
    try:
        batch.outputs = predict(feeder.feeds(batch.indices))
        batch.end_ns = now()
    except Exception as error:  # noqa: BLE001 - a failed batch is a result: the caller tells of it
        batch.end_ns = now()
        batch.outputs, batch.error = [], error


class Serving:
    """Streams behind a queue; see the module's text.

    Args:
        model: The loaded model; it knows how many streams it was loaded for, and their cores.
        samples: Every sample of each of the model's inputs, arrays ``[samples, ...]``, mapped or not.
        max_batch: Rows of a batch at most.
        max_delay_ns: How long the first request of a batch may wait for others.
        capacity: Requests that may wait.
        answered: Called with every batch, on its stream's thread.
        crashed: Called on its thread when `answered` raised: the stream ends, and nobody waits for it any more.

    Raises:
        Problem: A stream's session cannot be made, its first call fails, or it cannot be pinned.
    """

    def __init__(
        self,
        model: Model,
        samples: Sequence[Array],
        *,
        max_batch: int,
        max_delay_ns: int = 0,
        capacity: int,
        answered: Callable[[Served], None],
        crashed: Callable[[BaseException], None],
    ) -> None:
        self._model, self._answered, self._crashed = model, answered, crashed
        self._samples = samples
        self._max_batch, self._max_delay_ns, self._capacity = max_batch, max_delay_ns, capacity
        self._rings: list[list[int]] = [[0] * capacity for _ in range(4)]
        self._head = self._tail = 0  # how many were ever put and taken
        self._turn = threading.Lock()
        self._wanted = _NEVER  # the head that wakes the stream whose turn it is
        self._full = self._draining = self._closing = self._abandoned = self._broken = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._through: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._batches = 0
        self._answers = [0] * model.streams
        self.cores: list[list[int]] = [[] for _ in range(model.streams)]
        """The cores that each stream's thread may run on, as the system says."""
        self.blocked = 0
        """How often :meth:`put` had to wait."""
        begun: queue.SimpleQueue[Problem | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(number, begun), name=f"stream-{number}", daemon=True)
            for number in range(model.streams)
        ]
        for thread in self._threads:  # one after the other, so that sessions are made in their order
            thread.start()
            problem = begun.get()
            if problem is not None:
                self.close()
                raise problem

    def put(
        self,
        ids: Sequence[int],
        indices: Sequence[int],
        scheduled_ns: Sequence[int],
        issued_ns: Sequence[int],
        *,
        wait: bool = False,
    ) -> int:
        """Put requests into the queue, from one thread at a time; returns how many found room.

        Args:
            ids: What the caller calls them.
            indices: Their samples.
            scheduled_ns: When they were due; -1 where there is no schedule.
            issued_ns: When they came, of which `max_delay_ns` is counted.
            wait: Whether to wait until there is room for all.
        """
        done, count = 0, len(ids)
        columns = (ids, indices, scheduled_ns, issued_ns)
        while done < count:
            taken = min(self._capacity - (self._head - self._tail), count - done)
            if taken:
                self._write(columns, done, taken)
                done += taken
            elif wait and not self._broken:
                self._full = True
                if self.waiting == self._capacity and not self._broken:
                    self.blocked += 1
                    self._room.get()
            else:
                break
        return done

    def _write(self, columns: tuple[Sequence[int], ...], first: int, count: int) -> None:
        place = self._head % self._capacity
        before = min(count, self._capacity - place)
        for ring, values in zip(self._rings, columns):
            ring[place : place + before] = values[first : first + before]
            if before < count:
                ring[: count - before] = values[first + before : first + count]
        self._head += count
        if self._head >= self._wanted:
            self._wanted = _NEVER
            self._wake.put(None)

    def reserve(self, capacity: int) -> None:
        """Make the queue hold this many at least; only while nothing waits in it."""
        if capacity > self._capacity:
            self._rings = [[0] * capacity for _ in range(4)]
            self._capacity = capacity

    @property
    def capacity(self) -> int:
        """Requests that may wait."""
        return self._capacity

    @property
    def waiting(self) -> int:
        """Requests that no stream has taken yet."""
        return self._head - self._tail

    @property
    def accepted(self) -> int:
        """Requests that were ever put."""
        return self._head

    @property
    def batches(self) -> int:
        """Batches that were ever taken."""
        return self._batches

    @property
    def answers(self) -> int:
        """Requests that were answered, or whose batch failed."""
        return sum(self._answers)

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until everything that was put is answered; False when the time is over or a stream has crashed."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        self._draining = True
        while self.answers < self._head and not self._broken:
            try:
                self._through.get(timeout=None if end is None else max(end - time.monotonic(), 0.0))
            except queue.Empty:
                break
        self._draining = False
        return self.answers == self._head

    def close(self, *, abandon: bool = False) -> int:
        """End the streams, when what waits is answered; or, with `abandon`, when their batch under way is.

        Returns:
            Requests that were dropped.
        """
        self._abandoned = abandon
        self._closing = True
        self._wake.put(None)
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join()
        return self._head - self.answers

    def _serve(self, number: int, begun: queue.SimpleQueue[Problem | None]) -> None:
        """A stream's life."""
        try:
            self.cores[number] = self._model.pin(number)
            predict = self._model.stream(number)
            feeder = Feeder(self._model, self._samples, self._max_batch)
            predict(feeder.feeds([0] * self._max_batch))  # the first call of a session takes longer than others
        except Problem as problem:
            begun.put(problem)
            return
        except BaseException as error:  # noqa: BLE001 - whatever a framework raises; the constructor tells it
            traceback.print_exc()
            begun.put(Problem("model", f"the model failed in the warm-up: {type(error).__name__}: {error}"))
            return
        begun.put(None)
        batch = Served(number)
        try:
            while self._take(batch):
                run_batch(batch, feeder, predict)
                self._answered(batch)
                self._answers[number] += len(batch.ids)
                if self._draining and self.answers == self._head:
                    self._through.put(None)
        except BaseException as error:  # noqa: BLE001 - a thread that ends without a word would hang its caller
            self._broken = True
            self._room.put(None)
            self._through.put(None)
            self._crashed(error)

    def _take(self, batch: Served) -> bool:
        """Wait for the turn and for requests; False when the serving ends."""
        with self._turn:
            tail = self._tail
            while self._head == tail:
                if self._closing:
                    return False
                self._sleep_until(tail + 1, None)
            if self._max_delay_ns:
                self._fill(tail)
            if self._abandoned:
                return False
            count = min(self._head - tail, self._max_batch)
            batch.ids, batch.indices, batch.scheduled_ns, batch.issued_ns = (
                self._read(ring, tail % self._capacity, count) for ring in self._rings
            )
            batch.first, batch.number = tail, self._batches
            self._batches += 1
            self._tail = tail + count
        if self._full:
            self._full = False
            self._room.put(None)
        return True

    def _fill(self, tail: int) -> None:
        """Wait until a batch is full or its first request has waited long enough."""
        due = self._rings[3][tail % self._capacity] + self._max_delay_ns
        full = tail + min(self._max_batch, self._capacity)
        while self._head < full and not self._closing:
            rest = due - time.perf_counter_ns()
            if rest <= 0:
                break
            self._sleep_until(full, rest / 1e9)

    def _sleep_until(self, head: int, timeout_s: float | None) -> None:
        """Sleep until the head is there, or for the timeout, or for no reason at all."""
        self._wanted = head
        if self._head < head and not self._closing:
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=timeout_s)
        self._wanted = _NEVER

    def _read(self, ring: list[int], place: int, count: int) -> list[int]:
        values = ring[place : place + count]
        return values if len(values) == count else values + ring[: count - len(values)]
