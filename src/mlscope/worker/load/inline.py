"""Serving without threads: what is put is answered before `put` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

import numpy as np

from mlscope.worker._model import Model
from mlscope.worker.load.serving import Feeder, Served, run_batch

__all__ = ["Inline"]


class Inline:
    """The calls of :class:`~mlscope.worker.load.serving.Serving` that an open loop makes, on the caller's thread.

    Args:
        model: The loaded model; it is run as its only stream.
        samples: Every sample of each of the model's inputs, arrays ``[samples, ...]``.
        max_batch: Rows of a batch at most.
        answered: Called with every batch.

    Raises:
        Problem: The thread cannot be pinned, or the stream cannot be made.
    """

    def __init__(
        self,
        model: Model,
        samples: Sequence[np.ndarray[Any, Any]],
        *,
        max_batch: int,
        answered: Callable[[Served], None],
    ) -> None:
        self.cores = [model.pin(0)]
        self.capacity = 0
        """Nothing ever waits."""
        self._predict = model.stream(0)
        self._feeder = Feeder(model, samples, max_batch)
        self._max_batch, self._answered = max_batch, answered
        self._batch = Served(0)
        self._next = 0

    def put(
        self, ids: Sequence[int], indices: Sequence[int], scheduled_ns: Sequence[int], issued_ns: Sequence[int]
    ) -> int:
        """Answer requests, see :meth:`Serving.put`."""
        batch = self._batch
        for first in range(0, len(ids), self._max_batch):
            part = slice(first, first + self._max_batch)
            batch.ids, batch.indices = list(ids[part]), list(indices[part])
            batch.scheduled_ns, batch.issued_ns = list(scheduled_ns[part]), list(issued_ns[part])
            batch.number, batch.first = self._next, batch.first + len(batch.ids)
            self._next += 1
            run_batch(batch, self._feeder, self._predict)
            self._answered(batch)
        return len(ids)

    def drain(self, timeout_s: float) -> bool:
        """Everything is answered."""
        return True

    def close(self, *, abandon: bool) -> None:
        """Nothing is under way."""
