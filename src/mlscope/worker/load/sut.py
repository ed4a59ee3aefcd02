"""Systems under test: what answers LoadGen's queries, and writes a row for each sample.

In SingleStream and MultiStream the model runs on LoadGen's issuing thread (:class:`DirectSut`), in Server and Offline
on the streams of a :class:`~mlscope.worker.load.serving.Serving` (:class:`ServedSut`), threads that live as long as the
test: LoadGen crashes when answers come from threads that end. Feeds and response objects are made before the test. What
is written down about a query is written after LoadGen was told of its completion. A callback never raises: an exception
inside StartTest kills the process.
"""

from __future__ import annotations

import array
import bisect
import os
import time
import traceback
from typing import IO, Any

import numpy as np

from mlscope.worker._files import OutputFile, SampleFile
from mlscope.worker._model import Model
from mlscope.worker._problem import Problem
from mlscope.worker.load.serving import Served, Serving
from mlscope.worker.protocol import FLAG_VALID, FLAG_WARMUP, STREAM_SHIFT, Failed, LoadTest, write_message

__all__ = ["DirectSut", "ServedSut", "Sut"]

_RATED_CALLS = 32
_RATED_NS = 1_000_000_000
_SHORT_NS = 1_000_000
_QUEUE_S = 4.0
_LEAST_QUEUE = 1024


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


class _Answers:
    """The bytes and the response objects of a batch, made once; one thread's."""

    def __init__(self, loadgen: Any, command: LoadTest, count: int) -> None:
        self._complete = loadgen.QuerySamplesComplete
        self._output, self._offset, self._labelled = command.output, command.label_offset, command.answer == "label"
        self.labels = array.array("f", [0.0] * count)
        address = self.labels.buffer_info()[0]
        self.responses = [loadgen.QuerySampleResponse(0, address + 4 * i, 4) for i in range(count)]

    def complete(self, ids: list[int], outputs: list[np.ndarray[Any, Any]]) -> None:
        """Tell LoadGen the answers of a batch."""
        count = len(ids)
        if self._labelled:
            best = outputs[self._output][:count].reshape(count, -1).argmax(axis=1) - self._offset
            self.labels[:count] = array.array("f", best.astype(np.float32).tobytes())
        for response, response_id in zip(self.responses, ids):
            response.id = response_id
        self._complete(self.responses[:count])


class Sut:
    """What both kinds have: the samples, the files, and how a failure is told."""

    def __init__(self, loadgen: Any, command: LoadTest, model: Model, answers: IO[bytes]) -> None:
        self._loadgen = loadgen
        self._command = command
        self._model = model
        self._answers = answers
        self.samples = SampleFile(command.samples)
        self._outputs = [OutputFile(path) for path in command.outputs]
        self._maps = [
            np.memmap(
                path, np.dtype(tensor.element_type), "r", command.offset, (command.sample_count, *tensor.shape[1:])
            )
            for path, tensor in zip(command.inputs, model.inputs)
        ]

    def give_up(self, error: BaseException) -> None:
        """Report and leave: LoadGen cannot be stopped, and answers that are not the model's are worth nothing."""
        traceback.print_exception(type(error), error, error.__traceback__)
        kind = "disk" if isinstance(error, OSError) else "model"
        text = f"the model failed during the test: {_told(error)}"
        try:
            write_message(self._answers, Failed(kind, text))
        finally:
            os._exit(70)

    def load_samples(self, indices: list[int]) -> None:
        """QSL callback: bring samples into memory."""
        raise NotImplementedError

    def unload_samples(self, indices: list[int]) -> None:
        """QSL callback: forget them."""

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """SUT callback: answer a query, now or later."""
        raise NotImplementedError

    def _wants_more(self, calls: int, begin_ns: int, longest_ns: int) -> bool:
        """Whether the warm-up goes on: as long as it was asked for, and then for some calls to guess a rate from."""
        return calls < self._command.warmup or (calls < _RATED_CALLS and time.perf_counter_ns() - begin_ns < longest_ns)

    def warm_up(self) -> list[int]:
        """Run full batches of sample 0; returns the time of each, nanoseconds.

        Raises:
            Problem: The model failed.
        """
        raise NotImplementedError

    def begin(self, settings: Any) -> None:
        """Make ready for a test with these TestSettings."""

    def serving(self) -> dict[str, Any]:
        """What the record tells of streams and queue."""
        return {}

    def close(self) -> None:
        """Close the files."""
        self.samples.close()
        for file in self._outputs:
            file.close()

    def _write_outputs(self, indices: list[int], outputs: list[np.ndarray[Any, Any]]) -> None:
        for file, values in zip(self._outputs, outputs):
            for position, index in enumerate(indices):
                file.write(index, values[position])


class DirectSut(Sut):
    """Answers each query on the thread that brings it."""

    def __init__(self, loadgen: Any, command: LoadTest, model: Model, answers: IO[bytes]) -> None:
        super().__init__(loadgen, command, model, answers)
        self._predict = model.predictor.predict
        self._feeds: dict[int, dict[str, np.ndarray[Any, Any]]] = {}
        batch = model.batch_size
        self._gathered = {
            tensor.name: np.zeros((model.fixed_batch or batch, *tensor.shape[1:]), np.dtype(tensor.element_type))
            for tensor in model.inputs
        }
        self._told = _Answers(loadgen, command, batch)
        self._labels, self._single = self._told.labels, self._told.responses[:1]
        self._plain = batch == 1 and model.fixed_batch in (None, 1) and not self._outputs
        self._query = 0
        self._batch = 0

    def load_samples(self, indices: list[int]) -> None:
        """QSL callback: bring samples into memory and prepare the feeds of single queries."""
        try:
            for index in indices:
                self._feeds[index] = {
                    tensor.name: np.array(values[index : index + 1])
                    for tensor, values in zip(self._model.inputs, self._maps)
                }
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into LoadGen
            self.give_up(error)

    def unload_samples(self, indices: list[int]) -> None:
        """QSL callback: forget them."""
        for index in indices:
            self._feeds.pop(index, None)

    def warm_up(self) -> list[int]:
        """As for :class:`Sut`.

        Calls of microseconds are repeated beyond what is asked for, for a millisecond at most and without rows: the
        first few are far from the shortest, by which LoadGen's number of queries is set.
        """
        times: list[int] = []
        asked = self._command.warmup
        self.load_samples([0])
        begin = time.perf_counter_ns()
        while self._wants_more(len(times), begin, _SHORT_NS if asked else 0):
            start = time.perf_counter_ns()
            self._gather([0] * self._model.batch_size)
            try:
                self._predict(self._feeds[0] if self._plain else self._gathered)
            except Exception as error:  # frameworks raise whatever they like
                traceback.print_exc()
                raise Problem("model", f"the model failed in the warm-up: {_told(error)}") from error
            end = time.perf_counter_ns()
            times.append(end - start)
            if len(times) <= asked:
                self.samples.append(0, -1, -1, -1, start, start, end, FLAG_VALID | FLAG_WARMUP)
        self.unload_samples([0])
        return times

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Answer one query on the calling thread."""
        issued = time.perf_counter_ns()
        try:
            if self._plain and len(ids) == 1:
                self._answer_one(ids[0], indices[0], issued)
            else:
                self._answer_query(ids, indices, issued)
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into LoadGen
            self.give_up(error)

    def _answer_one(self, response_id: int, index: int, issued: int) -> None:
        start = time.perf_counter_ns()
        outputs = self._predict(self._feeds[index])
        if self._command.answer == "label":
            self._labels[0] = float(outputs[self._command.output].argmax() - self._command.label_offset)
        self._single[0].id = response_id
        self._loadgen.QuerySamplesComplete(self._single)
        end = time.perf_counter_ns()
        query = self._query
        self._query = query + 1
        self.samples.append(index, query, query, -1, issued, start, end, FLAG_VALID)

    def _answer_query(self, ids: list[int], indices: list[int], issued: int) -> None:
        size = self._model.batch_size
        query = self._query
        self._query += 1
        for first in range(0, len(ids), size):
            self._answer_batch(query, ids[first : first + size], indices[first : first + size], issued)

    def _answer_batch(self, query: int, ids: list[int], indices: list[int], issued: int) -> None:
        start = time.perf_counter_ns()
        self._gather(indices)
        rows = self._model.fixed_batch or len(ids)
        outputs = self._predict({name: values[:rows] for name, values in self._gathered.items()})
        self._told.complete(ids, outputs)
        end = time.perf_counter_ns()
        batch = self._batch
        self._batch += 1
        self._write_outputs(indices, outputs)
        for index in indices:  # last: who finds the row after a kill finds the answer
            self.samples.append(index, query, batch, -1, issued, start, end, FLAG_VALID)

    def _gather(self, indices: list[int]) -> None:
        for position, index in enumerate(indices):
            for name, values in self._feeds[index].items():
                self._gathered[name][position] = values[0]


class ServedSut(Sut):
    """Queries wait for the model's streams."""

    def __init__(self, loadgen: Any, command: LoadTest, model: Model, answers: IO[bytes]) -> None:
        super().__init__(loadgen, command, model, answers)
        self._told = [_Answers(loadgen, command, model.batch_size) for _ in range(model.streams)]
        self._offline = command.scenario == "Offline"
        self._warming = True
        self._warm_up_error: Exception | None = None
        self._times: list[int] = []
        self._warm_requests = self._warm_batches = 0
        self._queries: list[int] = []
        """Offline: sequence number of the first sample of each query."""
        self._serving = Serving(
            model,
            self._maps,
            max_batch=model.batch_size,
            max_delay_ns=command.max_delay_ns,
            capacity=command.queue_capacity or _LEAST_QUEUE,
            answered=self._answered,
            crashed=self.give_up,
        )

    def load_samples(self, indices: list[int]) -> None:
        """QSL callback: touch every page of the samples; they are fed from the mapped file."""
        try:
            for index in indices:
                for values in self._maps:
                    np.array(values[index])
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into LoadGen
            self.give_up(error)

    def warm_up(self) -> list[int]:
        """As for :class:`Sut`.

        A rate will be guessed from the times, so there are more than are asked for, for a second at most: a model may
        take a different time at each call. All streams run meanwhile, as they will.
        """
        count = self._model.batch_size * self._model.streams
        begin = time.perf_counter_ns()
        while self._wants_more(len(self._times), begin, _RATED_NS):
            self._serving.put([0] * count, [0] * count, [-1] * count, [time.perf_counter_ns()] * count, wait=True)
            self._serving.drain()
            if self._warm_up_error is not None:
                raise Problem("model", f"the model failed in the warm-up: {_told(self._warm_up_error)}")
        self._warming = False
        self._warm_requests, self._warm_batches = self._serving.accepted, self._serving.batches
        return self._times

    def begin(self, settings: Any) -> None:
        """Make room in the queue for some seconds' arrivals.

        Where the test is of speed only, LoadGen ends it when more than this wait; otherwise its issuing thread waits.
        """
        if self._offline:
            return
        if self._command.queue_capacity is None:
            self._serving.reserve(int(_QUEUE_S * settings.server_target_qps))
        if self._command.mode == "PerformanceOnly" and not settings.server_max_async_queries:
            settings.server_max_async_queries = self._serving.capacity

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Put the query into the queue; an Offline one fits into it."""
        issued = time.perf_counter_ns()
        try:
            count = len(ids)
            if self._offline:
                self._queries.append(self._serving.accepted)
                self._serving.reserve(count)
            self._serving.put(ids, indices, [-1] * count, [issued] * count, wait=True)
        except BaseException as error:  # noqa: BLE001 - nothing may be raised into LoadGen
            self.give_up(error)

    def _answered(self, batch: Served) -> None:
        if self._warming:
            self._note_warm_up(batch)
            return
        if batch.error is not None:
            raise batch.error
        self._told[batch.stream].complete(batch.ids, batch.outputs)
        end = time.perf_counter_ns()
        self._write_outputs(batch.indices, batch.outputs)
        first, step = batch.first - self._warm_requests, 1
        if self._offline:
            first, step = bisect.bisect_right(self._queries, batch.first) - 1, 0
        number, flags = batch.number - self._warm_batches, FLAG_VALID | batch.stream << STREAM_SHIFT
        append = self.samples.append
        with self.samples.lock:
            for place, index in enumerate(batch.indices):
                append(index, first + step * place, number, -1, batch.issued_ns[place], batch.start_ns, end, flags)

    def _note_warm_up(self, batch: Served) -> None:
        if batch.error is not None:
            self._warm_up_error = batch.error
        flags = FLAG_VALID | FLAG_WARMUP | batch.stream << STREAM_SHIFT
        with self.samples.lock:
            self._times.append(batch.end_ns - batch.start_ns)
            self.samples.append(0, -1, -1, -1, batch.issued_ns[0], batch.start_ns, batch.end_ns, flags)

    def serving(self) -> dict[str, Any]:
        """As for :class:`Sut`."""
        return {
            "streams": self._model.streams,
            "cores": self._serving.cores,
            "max_batch": self._model.batch_size,
            "max_delay_ns": self._command.max_delay_ns,
            "queue_capacity": None if self._offline else self._serving.capacity,
            "queue_was_full": 0 if self._offline else self._serving.blocked,
        }

    def close(self) -> None:
        """End the streams, then close the files."""
        self._serving.close()
        super().close()
