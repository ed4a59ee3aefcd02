"""The flow of ``mlscope predict``: pictures to slots, full slots to workers, free slots back.

One thread that sleeps in select(2): the loader processes work ahead of the model as far as there are slots, so
memory does not depend on the number of pictures.

Where the model's threads fill the cores, loading beside them makes them wait for each other: a framework's threads spin
at the end of every operator until the last one is there. Then pictures are loaded by all cores while the model rests,
and the model runs alone while the loaders rest, a ring of slots at a time.
"""

from __future__ import annotations

import dataclasses
import selectors
import time
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from mlscope._channel import Channel
from mlscope.conductor._outcome import Observer
from mlscope.conductor._worker import Worker
from mlscope.errors import DataError, ModelError
from mlscope.loader import Loaded, LoaderPool
from mlscope.worker.protocol import Batch, Done

__all__ = ["Pump", "batches"]

_AHEAD = 2  # batches that a worker has been given: one in work, one waiting in its pipe


def batches(rows: int, part: int, batch: int) -> Iterator[range]:
    """The batches of an evaluation: the list is cut into parts, and each part into batches."""
    for first in range(0, rows, part):
        last = min(first + part, rows)
        for start in range(first, last, batch):
            yield range(start, min(start + batch, last))


@dataclasses.dataclass(slots=True)
class _Slot:
    number: int
    rows: range
    missing: int


class Pump:
    """Runs all batches once.

    Attributes:
        preprocess: Shape [rows, 2]: begin and end of each picture's loading, nanoseconds; 0 where it was not reached.
        errors: Row → why the picture has no answer.
        oddities: Kind of odd picture → how many.
        begin_ns: When the first picture was asked for.
        end_ns: When the last batch was through.
    """

    def __init__(
        self,
        *,
        pool: LoaderPool,
        workers: Sequence[Worker],
        paths: Sequence[str | None],
        part: int,
        batch: int,
        slots: int,
        overlap: bool,
        fail_on_error: bool,
        observer: Observer,
    ) -> None:
        self._pool = pool
        self._workers = workers
        self._paths = paths
        self._todo = batches(len(paths), part, batch)
        self._free = deque(range(slots))
        self._filling: dict[int, _Slot] = {}
        self._full: deque[_Slot] = deque()
        self._idle = deque(list(workers) * _AHEAD)
        self._running: dict[int, _Slot] = {}
        self._overlap = overlap
        self._fail_on_error = fail_on_error
        self._observer = observer
        self._batch = 0
        self._done = 0
        self.preprocess = np.zeros((len(paths), 2), np.int64)
        self.errors: dict[int, str] = {}
        self.oddities: dict[str, int] = {}
        self.begin_ns = self.end_ns = 0

    def warm_up(self, rounds: int, rows: int) -> None:
        """Run a full batch of zeros on every worker; its samples are marked."""
        for _ in range(rounds):
            for worker in self._workers:
                worker.ask(Batch(0, -1, list(range(rows)), warmup=True))

    def run(self) -> None:
        """Run everything.

        Raises:
            MlscopeError: A process died, or something failed and `fail_on_error` is set.
        """
        with selectors.DefaultSelector() as selector:
            for channel in self._pool.channels:
                selector.register(channel, selectors.EVENT_READ)
            for worker in self._workers:
                selector.register(worker.channel, selectors.EVENT_READ, worker)
            self.begin_ns = time.perf_counter_ns()
            self._ask()
            while self._filling or self._full or self._running:
                for key, _ in selector.select():
                    self._hear(key.fileobj, key.data)
            self.end_ns = self.end_ns or time.perf_counter_ns()

    def _hear(self, channel: object, worker: Worker | None) -> None:
        if worker is not None:
            for message in worker.receive():
                if isinstance(message, Done):
                    self._finished(worker, message)
        else:
            assert isinstance(channel, Channel)
            for loaded in self._pool.receive(channel):
                self._loaded(loaded)
        self._give()
        self._ask()

    def _ask(self) -> None:
        """Fill the slots that are free."""
        if not self._overlap and (self._full or self._running):
            return
        while self._free:
            rows = next(self._todo, None)
            if rows is None:
                return
            slot = _Slot(self._free.popleft(), rows, len(rows))
            items = [(place, row, path) for place, row in enumerate(rows) if (path := self._paths[row]) is not None]
            slot.missing = len(items)
            if items:
                self._filling[slot.number] = slot
                self._pool.load(slot.number, items)
            else:
                self._skip(slot)

    def _skip(self, slot: _Slot) -> None:
        """A batch of pictures that could not even be fetched."""
        self._free.append(slot.number)
        self._advance(len(slot.rows))

    def _loaded(self, loaded: Loaded) -> None:
        slot = self._filling[loaded.slot]
        self.preprocess[loaded.row] = loaded.begin_ns, loaded.end_ns
        if loaded.oddity:
            self.oddities[loaded.oddity] = self.oddities.get(loaded.oddity, 0) + 1
        if loaded.error:
            self.errors[loaded.row] = loaded.error
            if self._fail_on_error:
                raise DataError(loaded.error, where=self._paths[loaded.row], hint="leave out --fail-on-error to go on")
        slot.missing -= 1
        if not slot.missing:
            del self._filling[loaded.slot]
            self._full.append(slot)

    def _give(self) -> None:
        if not self._overlap and self._filling:
            return
        while self._full and self._idle:
            slot, worker = self._full.popleft(), self._idle.popleft()
            self._running[slot.number] = slot
            worker.send(Batch(slot.number, self._batch, list(slot.rows)))
            self._batch += 1

    def _finished(self, worker: Worker, done: Done) -> None:
        slot = self._running.pop(done.slot)
        self._idle.append(worker)
        self._free.append(slot.number)
        self.end_ns = max(self.end_ns, done.end_ns)
        if done.error:
            for row in slot.rows:
                self.errors.setdefault(row, f"the model failed: {done.error}")
            if self._fail_on_error:
                raise ModelError(f"the model failed: {done.error}", hint="leave out --fail-on-error to go on")
        self._advance(len(slot.rows))

    def _advance(self, rows: int) -> None:
        self._done += rows
        self._observer.advance(self._done)
