"""Streams behind a queue: every request is answered once, in batches as they are wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlscope.worker._model import Model
from mlscope.worker._problem import Problem
from mlscope.worker.load.serving import Served, Serving
from mlscope.worker.predictors import Description, Predict
from mlscope.worker.protocol import Failed, Load, Probe, Probed, Tensor
from tests.worker import models
from tests.worker.process import WorkerProcess

Array = np.ndarray[Any, Any]
MS = 1_000_000
SAMPLES = np.arange(40, dtype=np.float32).reshape(20, 2)


class Echo:
    """Answers with what it is fed, after a moment; keeps what it was fed."""

    def __init__(self, seconds: float = 0.0, fixed: int | None = None) -> None:
        self.seconds, self.fixed, self.fed = seconds, fixed, list[Array]()

    def load(self, command: Load) -> Description:
        inputs = [Tensor("x", "float32", (command.batch_size, 2))]
        return Description("1", inputs, [Tensor("y", "float32", (-1, 2))], self.fixed, {})

    def predict(self, feeds: dict[str, Array]) -> list[Array]:
        self.fed.append(feeds["x"])
        if self.seconds:
            time.sleep(self.seconds)
        if (feeds["x"] < 0).any():
            raise ValueError("a negative sample")
        return [feeds["x"].copy()]

    def stream(self, number: int) -> Predict:
        return self.predict

    def close(self) -> None:
        pass


def loaded(predictor: Echo, monkeypatch: pytest.MonkeyPatch, *, streams: int = 1, batch: int = 1) -> Model:
    monkeypatch.setattr("mlscope.worker._model._create", lambda name: predictor)
    model = Model()
    model.load(Load("echo", {}, [Tensor("x", "float32", (2,))], batch, 1, streams=streams))
    predictor.fed.clear()
    return model


class Kept:
    """What was answered, copied."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.batches: list[list[int]] = []
        self.outputs: dict[int, Array] = {}
        self.sequence: dict[int, int] = {}
        self.streams: set[int] = set()
        self.times: list[tuple[int, int]] = []
        self.errors: list[Exception] = []
        self._lock = threading.Lock()

    def __call__(self, batch: Served) -> None:
        with self._lock:
            self.batches.append(list(batch.ids))
            self.ids += batch.ids
            self.streams.add(batch.stream)
            self.times.append((batch.start_ns, batch.end_ns))
            for place, name in enumerate(batch.ids):
                self.sequence[name] = batch.first + place
                if batch.outputs:
                    self.outputs[name] = batch.outputs[0][place].copy()
            if batch.error is not None:
                self.errors.append(batch.error)


def never(error: BaseException) -> None:
    raise AssertionError("a stream crashed") from error


def put(serving: Serving, indices: Sequence[int], first: int = 0, **fields: Any) -> int:
    count, now = len(indices), time.perf_counter_ns()
    return serving.put(range(first, first + count), indices, [-1] * count, [now] * count, **fields)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Serving, Kept]]:
    def begin(predictor: Echo, *, streams: int = 1, batch: int = 1, **fields: Any) -> tuple[Serving, Kept]:
        model, kept = loaded(predictor, monkeypatch, streams=streams, batch=batch), Kept()
        fields = {"capacity": 64, "answered": kept, "crashed": never, **fields}
        serving = Serving(model, [fields.pop("samples", SAMPLES)], max_batch=batch, **fields)
        predictor.fed.clear()
        return serving, kept

    return begin


@given(
    puts=st.lists(st.lists(st.integers(0, 19), max_size=30), max_size=12),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 40)),
    delay_us=st.sampled_from([0, 0, 300]),
    fixed=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_every_sample_is_answered_once_with_its_own_answer(
    puts: list[list[int]], sizes: tuple[int, int, int], delay_us: int, fixed: bool
) -> None:
    streams, batch, capacity = sizes
    with pytest.MonkeyPatch.context() as patch:
        model, kept = loaded(Echo(fixed=batch if fixed else None), patch, streams=streams, batch=batch), Kept()
        serving = Serving(
            model,
            [SAMPLES],
            max_batch=batch,
            max_delay_ns=1000 * delay_us,
            capacity=capacity,
            answered=kept,
            crashed=never,
        )
        every = [index for indices in puts for index in indices]
        first = 0
        for indices in puts:
            assert put(serving, indices, first, wait=True) == len(indices)
            first += len(indices)
        assert serving.drain(timeout_s=30)
        assert serving.close() == 0
    assert sorted(kept.ids) == list(range(len(every)))
    assert kept.sequence == {name: name for name in range(len(every))}
    assert all(len(ids) <= batch for ids in kept.batches)
    for name, index in enumerate(every):
        np.testing.assert_array_equal(kept.outputs[name], SAMPLES[index])
    assert all(start <= end for start, end in kept.times)


def test_a_full_queue_takes_what_fits(serve: Callable[..., tuple[Serving, Kept]]) -> None:
    serving, kept = serve(Echo(0.05), capacity=4)
    assert put(serving, [0]) == 1
    time.sleep(0.02)  # the stream has taken it
    assert put(serving, list(range(10)), 100) == 4
    assert serving.waiting == 4
    assert put(serving, [0], 200) == 0
    assert serving.drain(timeout_s=10)
    assert kept.ids == [0, 100, 101, 102, 103]
    assert serving.blocked == 0
    serving.close()


def test_a_batch_that_is_full_leaves_at_once_and_another_when_its_time_is_over(
    serve: Callable[..., tuple[Serving, Kept]],
) -> None:
    serving, kept = serve(Echo(), batch=4, max_delay_ns=300 * MS)
    begin = time.perf_counter_ns()
    put(serving, [0, 1, 2, 3, 4, 5])
    assert serving.drain(timeout_s=10)
    assert [len(ids) for ids in kept.batches] == [4, 2]
    assert kept.times[0][0] - begin < 250 * MS
    assert 300 * MS <= kept.times[1][0] - begin < 2000 * MS
    begin = time.perf_counter_ns()
    put(serving, [0, 1], 10)
    time.sleep(0.05)
    put(serving, [2, 3], 12)
    assert serving.drain(timeout_s=10)
    assert kept.batches[2] == [10, 11, 12, 13]
    assert kept.times[2][0] - begin < 250 * MS
    serving.close()


def test_without_a_delay_what_waits_goes(serve: Callable[..., tuple[Serving, Kept]]) -> None:
    serving, kept = serve(Echo(0.1), batch=8)
    put(serving, [0])
    time.sleep(0.03)
    put(serving, [1, 2, 3], 1)
    assert serving.drain(timeout_s=10)
    assert kept.batches == [[0], [1, 2, 3]]
    serving.close()


def test_samples_side_by_side_are_fed_where_they_lie(serve: Callable[..., tuple[Serving, Kept]]) -> None:
    echo = Echo()
    serving, _ = serve(echo, batch=4)
    for indices in ([3], [5, 6, 7, 8], [8, 7], [2, 2]):
        put(serving, indices)
        serving.drain()
    assert [np.shares_memory(values, SAMPLES) for values in echo.fed] == [True, True, False, False]
    serving.close()


def test_a_batch_that_fails_is_answered_too(serve: Callable[..., tuple[Serving, Kept]]) -> None:
    echo = Echo()
    serving, kept = serve(echo, streams=2, samples=np.where(SAMPLES == 4, -1, SAMPLES))  # sample 2
    put(serving, [0, 1, 2])
    assert serving.drain(timeout_s=10)
    assert sorted(kept.ids) == [0, 1, 2]
    assert [str(error) for error in kept.errors] == ["a negative sample"]
    serving.close()


def test_nobody_waits_for_a_stream_that_crashed(serve: Callable[..., tuple[Serving, Kept]]) -> None:
    crashes: list[BaseException] = []

    def answered(batch: Served) -> None:
        raise RuntimeError("the disk is full")

    serving, _ = serve(Echo(), answered=answered, crashed=crashes.append, capacity=2)
    put(serving, [0, 1, 2, 3, 4, 5, 6, 7], wait=True)
    assert not serving.drain(timeout_s=10)
    assert serving.close() > 0
    assert [str(error) for error in crashes] == ["the disk is full"]


def test_what_waits_can_be_abandoned(serve: Callable[..., tuple[Serving, Kept]]) -> None:
    serving, kept = serve(Echo(0.1), streams=2)
    put(serving, list(range(10)))
    assert not serving.drain(timeout_s=0.02)
    dropped = serving.close(abandon=True)
    assert dropped >= 6
    assert len(kept.ids) == 10 - dropped


@pytest.mark.alone
def test_streams_work_at_the_same_time(serve: Callable[..., tuple[Serving, Kept]]) -> None:
    serving, kept = serve(Echo(0.02), streams=4)
    begin = time.perf_counter()
    put(serving, [0] * 40)
    serving.drain()
    assert 0.2 <= time.perf_counter() - begin <= 0.4
    assert kept.streams == {0, 1, 2, 3}
    serving.close()


def test_a_model_that_fails_at_once_is_told_when_the_serving_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(Echo(), monkeypatch)
    with pytest.raises(Problem, match="the model failed in the warm-up: ValueError: a negative sample"):
        Serving(model, [SAMPLES - 1], max_batch=1, capacity=4, answered=Kept(), crashed=never)


def test_a_framework_with_one_stream_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlscope.worker._model._create", lambda name: object())
    with pytest.raises(Problem, match="echo runs one stream in a process, not 2; use --streams 1"):
        Model().load(Load("echo", {}, [], 1, 1, streams=2))


@pytest.mark.alone
def test_a_probe_tells_the_throughput_of_all_streams_and_the_time_of_each_batch(worker: WorkerProcess) -> None:
    options = {"law": "constant:10ms", "per_sample": "1ms"}
    worker.load("sleep", [Tensor("x", "float32", (2,))], batch=5, streams=2, options=options)
    for rows in (5, 1):
        seen = worker.ask(Probe(0.3, rows), Probed)
        expected = 2 * rows * 1000 / (10 + rows)
        assert 0.75 * expected <= seen.samples_per_s <= 1.001 * expected
        assert min(seen.batch_ns) >= (10 + rows) * MS
        assert len(seen.batch_ns) >= 20


@pytest.mark.alone
def test_a_probe_keeps_the_streams_as_busy_as_it_was_told(worker: WorkerProcess) -> None:
    options = {"law": "constant:5ms"}
    worker.load("sleep", [Tensor("x", "float32", (2,))], batch=1, streams=2, options=options)
    seen = worker.ask(Probe(2.0, 1, busy=0.5), Probed)
    assert min(seen.batch_ns) >= 5 * MS
    assert 0.4 <= sum(seen.batch_ns) / (2 * 2.0e9) <= 0.6


def test_a_probe_of_a_model_that_fails_says_so(worker: WorkerProcess) -> None:
    worker.load("onnxruntime", [Tensor("x", "int64", (1,))], graph=models.picky(worker.folder / "picky.onnx", rows=1))
    failed = worker.ask(Probe(0.1, 1), Failed)
    assert failed.kind == "model"
    assert failed.message.startswith("the model failed")
