"""One test of the official MLPerf LoadGen.

In SingleStream, MultiStream and Offline the model runs on LoadGen's issuing thread; in Server on one persistent
thread of ours. Feeds and response objects are made before the test. What is written down about a query is written
after LoadGen was told of its completion. A callback never raises: an exception inside StartTest kills the process.
"""

from __future__ import annotations

import array
import gc
import os
import queue
import select
import threading
import time
import traceback
from importlib import metadata
from typing import IO, Any, Callable

import numpy as np

from mlscope.worker._files import OutputFile, SampleFile
from mlscope.worker._model import Model
from mlscope.worker._problem import Problem
from mlscope.worker.load import settings
from mlscope.worker.protocol import FLAG_VALID, FLAG_WARMUP, Failed, LoadTest, TestDone, write_message

__all__ = ["run"]

_RATED_CALLS = 32
_RATED_NS = 1_000_000_000


class _Sut:
    """The system under test: answers LoadGen's queries and writes a row for each sample."""

    tests = 0
    """How many tests this process has begun."""

    def __init__(self, command: LoadTest, model: Model, answers: IO[bytes]) -> None:
        import mlperf_loadgen as loadgen

        self._loadgen = loadgen
        self._command = command
        self._model = model
        self._predict = model.predictor.predict
        self._answers = answers
        self.samples = SampleFile(command.samples)
        self._outputs = [OutputFile(path) for path in command.outputs]
        self._maps = [
            np.memmap(path, np.dtype(tensor.element_type), "r", shape=(command.sample_count, *tensor.shape[1:]))
            for path, tensor in zip(command.inputs, model.inputs)
        ]
        self._feeds: dict[int, dict[str, np.ndarray[Any, Any]]] = {}
        batch = model.batch_size
        self._gathered = {
            tensor.name: np.zeros((model.fixed_batch or batch, *tensor.shape[1:]), np.dtype(tensor.element_type))
            for tensor in model.inputs
        }
        self._labels = array.array("f", [0.0] * batch)
        address = self._labels.buffer_info()[0]
        self._responses = [loadgen.QuerySampleResponse(0, address + 4 * i, 4) for i in range(batch)]
        self._single = self._responses[:1]
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
        """Run full batches of sample 0; returns the time of each, nanoseconds.

        Where a rate will be guessed from them there are more, for a second at most: a model may take a different
        time at each call.

        Raises:
            Problem: The model failed.
        """
        rated = self._command.scenario in ("Server", "Offline")
        times: list[int] = []
        self.load_samples([0])
        begin = time.perf_counter_ns()
        while len(times) < self._command.warmup or (
            rated and len(times) < _RATED_CALLS and time.perf_counter_ns() - begin < _RATED_NS
        ):
            start = time.perf_counter_ns()
            self._gather([0] * self._model.batch_size)
            try:
                self._predict(self._feeds[0] if self._plain else self._gathered)
            except Exception as error:  # frameworks raise whatever they like
                traceback.print_exc()
                raise Problem("model", f"the model failed in the warm-up: {type(error).__name__}: {error}") from error
            end = time.perf_counter_ns()
            times.append(end - start)
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
                self._answer_query(ids, indices, [issued] * len(ids))
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

    def _answer_query(self, ids: list[int], indices: list[int], issued: list[int]) -> None:
        size = self._model.batch_size
        query = self._query
        self._query += 1
        for first in range(0, len(ids), size):
            self._answer_batch(
                query, ids[first : first + size], indices[first : first + size], issued[first : first + size]
            )

    def _answer_batch(self, query: int, ids: list[int], indices: list[int], issued: list[int]) -> None:
        count = len(ids)
        start = time.perf_counter_ns()
        self._gather(indices)
        rows = self._model.fixed_batch or count
        outputs = self._predict({name: values[:rows] for name, values in self._gathered.items()})
        if self._command.answer == "label":
            found = outputs[self._command.output]
            best = found[:count].reshape(count, -1).argmax(axis=1) - self._command.label_offset
            self._labels[:count] = array.array("f", best.astype(np.float32).tobytes())
        for response, response_id in zip(self._responses, ids):
            response.id = response_id
        self._loadgen.QuerySamplesComplete(self._responses[:count])
        end = time.perf_counter_ns()
        batch = self._batch
        self._batch += 1
        for file, values in zip(self._outputs, outputs):
            for position, index in enumerate(indices):
                file.write(index, values[position])
        for index, at in zip(indices, issued):  # last: who finds the row after a kill finds the answer
            self.samples.append(index, query, batch, -1, at, start, end, FLAG_VALID)

    def _gather(self, indices: list[int]) -> None:
        for position, index in enumerate(indices):
            for name, values in self._feeds[index].items():
                self._gathered[name][position] = values[0]

    def give_up(self, error: BaseException) -> None:
        """Report and leave: LoadGen cannot be stopped, and answers that are not the model's are worth nothing."""
        traceback.print_exc()
        kind = "disk" if isinstance(error, OSError) else "model"
        text = f"the model failed during the test: {type(error).__name__}: {error}"
        try:
            write_message(self._answers, Failed(kind, text))
        finally:
            os._exit(70)

    def close(self) -> None:
        """Close the files."""
        self.samples.close()
        for file in self._outputs:
            file.close()


class _ServerSut(_Sut):
    """Queries wait in a queue for one persistent thread, which takes up to a batch of them at once."""

    def __init__(self, command: LoadTest, model: Model, answers: IO[bytes]) -> None:
        super().__init__(command, model, answers)
        self._waiting: queue.SimpleQueue[tuple[int, int, int] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="server", daemon=True)
        self._thread.start()

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """Put the query into the queue."""
        issued = time.perf_counter_ns()
        for response_id, index in zip(ids, indices):
            self._waiting.put((response_id, index, issued))

    def _serve(self) -> None:
        try:
            first = self._waiting.get()
            while first is not None:
                taken = [first]
                while len(taken) < self._model.batch_size and not self._waiting.empty():
                    more = self._waiting.get()
                    if more is None:
                        self._waiting.put(None)
                        break
                    taken.append(more)
                self._answer_taken(taken)
                first = self._waiting.get()
        except BaseException as error:  # noqa: BLE001 - the end of this thread would hang LoadGen
            self.give_up(error)

    def _answer_taken(self, taken: list[tuple[int, int, int]]) -> None:
        if self._plain:
            response_id, index, issued = taken[0]
            self._answer_one(response_id, index, issued)
            return
        start_query = self._query
        self._query += len(taken)
        ids, indices, issued_at = (list(column) for column in zip(*taken))
        self._answer_server_batch(start_query, ids, indices, issued_at)

    def _answer_server_batch(self, query: int, ids: list[int], indices: list[int], issued: list[int]) -> None:
        before = self.samples.rows
        self._answer_batch(query, ids, indices, issued)
        self.samples.number_queries(before, query)

    def close(self) -> None:
        """Stop the thread, then close the files."""
        self._waiting.put(None)
        self._thread.join()
        super().close()


def _die_with_the_core(commands: IO[bytes]) -> Callable[[], None]:
    """Leave as soon as the core's end of the pipe is closed: a test cannot be stopped otherwise.

    The thread sleeps in poll(2) all the while and holds no lock. Returns what ends the watch.
    """
    wake_reader, wake_writer = os.pipe()
    poll = select.poll()
    poll.register(commands.fileno(), 0)  # a hang-up is always reported
    poll.register(wake_reader, select.POLLIN)

    def watch() -> None:
        if any(handle == commands.fileno() for handle, _ in poll.poll()):
            os._exit(71)

    thread = threading.Thread(target=watch, name="watch", daemon=True)
    thread.start()

    def stop() -> None:
        os.write(wake_writer, b".")
        thread.join()
        os.close(wake_reader)
        os.close(wake_writer)

    return stop


def run(command: LoadTest, model: Model, commands: IO[bytes], answers: IO[bytes]) -> TestDone:
    """Run one test.

    Raises:
        Problem: LoadGen is not installed here, a setting is none of its TestSettings, or it is not the process's
            first test (LoadGen keeps threads and counts conf files beyond a test's end).
    """
    if _Sut.tests:
        raise Problem("internal", "this process has run a LoadGen test already; the next one needs a new process")
    try:
        import mlperf_loadgen as loadgen
    except ImportError as error:
        raise Problem("framework", f"the official LoadGen is not installed in this stack: {error}") from error
    kind: Callable[[LoadTest, Model, IO[bytes]], _Sut] = _ServerSut if command.scenario == "Server" else _Sut
    sut = kind(command, model, answers)
    try:
        wanted = settings.build(loadgen, command, sut.warm_up(), model.batch_size)
        test = loadgen.ConstructFastSUT(sut.issue, lambda: None)
        library = loadgen.ConstructQSL(
            command.sample_count, command.performance_count, sut.load_samples, sut.unload_samples
        )
        stop_watching = _die_with_the_core(commands)
        gc.collect()
        gc.freeze()
        gc.disable()
        _Sut.tests += 1
        start = time.perf_counter_ns()
        loadgen.StartTestWithLogSettings(
            test,
            library,
            wanted,
            settings.logs(loadgen, command),
            command.audit_conf or os.path.join(command.outdir, "audit.config"),
        )
        end = time.perf_counter_ns()
        stop_watching()
        gc.enable()
        gc.unfreeze()
    finally:
        sut.close()
    loadgen.DestroyQSL(library)
    loadgen.DestroyFastSUT(test)
    if not os.path.exists(os.path.join(command.outdir, "mlperf_log_summary.txt")):
        raise Problem("disk", f"LoadGen could not write its logs into {command.outdir}; nothing was run")
    return TestDone(
        start_ns=start,
        end_ns=end,
        rows=sut.samples.rows,
        effective=settings.effective(wanted, command),
        loadgen_version=metadata.version("mlcommons-loadgen"),
    )
