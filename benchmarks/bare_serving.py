"""The peers of serving, each in a process of its own: ``python -m benchmarks.bare_serving NAME …`` prints one number.

They are written as a user without mlscope would write them.
"""

from __future__ import annotations

import queue
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

COUNT = 64


def _session(path: str, threads: int | None):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _samples(session) -> tuple[str, np.ndarray]:
    taken = session.get_inputs()[0]
    shape = [size for size in taken.shape[1:] if isinstance(size, int)]
    return taken.name, np.random.default_rng(0).standard_normal((COUNT, *shape), np.float32)


def loop(path: str, streams: str, threads: str, batch: str, seconds: str) -> float:
    """Samples a second of plain threads around session.run, each with a session of its own."""
    rows, rates = int(batch), [0.0] * int(streams)
    ready = threading.Barrier(int(streams))

    def run(number: int) -> None:
        session = _session(path, int(threads))
        name, samples = _samples(session)
        feeds = [{name: samples[first : first + rows]} for first in range(0, COUNT - rows + 1, rows)]
        for _ in range(3):
            session.run(None, feeds[0])
        ready.wait()
        begin, calls = time.perf_counter(), 0
        end = begin + float(seconds)
        while time.perf_counter() < end or calls < 3:
            session.run(None, feeds[calls % len(feeds)])
            calls += 1
        rates[number] = rows * calls / (time.perf_counter() - begin)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(int(streams))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(rates)


def _straightforward(path: str, batch: int, configure) -> Path:
    """LoadGen over one session with default options behind a queue of two worker threads."""
    import mlperf_loadgen as loadgen

    session = _session(path, None)
    name, samples = _samples(session)
    waiting: queue.Queue = queue.Queue()

    def work() -> None:
        while True:
            queries = waiting.get()
            if queries is None:
                return
            outputs = session.run(None, {name: samples[[query.index for query in queries]]})[0]
            labels = np.ascontiguousarray(outputs.reshape(len(queries), -1).argmax(axis=1), np.float32)
            responses = [
                loadgen.QuerySampleResponse(query.id, labels[place : place + 1].ctypes.data, 4)
                for place, query in enumerate(queries)
            ]
            loadgen.QuerySamplesComplete(responses)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for rows in (1, batch):
        session.run(None, {name: samples[:rows]})

    def issue(queries) -> None:
        for first in range(0, len(queries), batch):
            waiting.put(queries[first : first + batch])

    settings = loadgen.TestSettings()
    settings.mode = loadgen.TestMode.PerformanceOnly
    configure(loadgen, settings)
    folder = Path(tempfile.mkdtemp())
    logs = loadgen.LogSettings()
    logs.enable_trace = False
    logs.log_output = loadgen.LogOutputSettings()
    logs.log_output.outdir = str(folder)
    sut = loadgen.ConstructSUT(issue, lambda: None)
    library = loadgen.ConstructQSL(COUNT, COUNT, lambda samples: None, lambda samples: None)
    loadgen.StartTestWithLogSettings(sut, library, settings, logs)
    for _ in workers:
        waiting.put(None)
    for worker in workers:
        worker.join()
    return folder


def _read(folder: Path, name: str) -> float:
    for line in (folder / "mlperf_log_summary.txt").read_text().splitlines():
        if line.startswith(name):
            return float(line.rpartition(":")[2])
    raise SystemExit(f"LoadGen wrote no {name}")


def offline(path: str, rate: str, seconds: str) -> float:
    """Samples a second of the straightforward SUT in Offline, batches of 8."""

    def configure(loadgen, settings) -> None:
        settings.scenario = loadgen.TestScenario.Offline
        settings.min_duration_ms = int(1000 * float(seconds))
        settings.offline_expected_qps = float(rate)

    return _read(_straightforward(path, 8, configure), "Samples per second")


def server(path: str, rate: str, seconds: str, seed: str) -> float:
    """99th percentile of the latency of the straightforward SUT in Server, nanoseconds."""

    def configure(loadgen, settings) -> None:
        settings.scenario = loadgen.TestScenario.Server
        settings.min_duration_ms = int(1000 * float(seconds))
        settings.server_target_qps = float(rate)
        settings.server_target_latency_ns = 15_000_000
        settings.qsl_rng_seed = settings.sample_index_rng_seed = settings.schedule_rng_seed = int(seed)

    return _read(_straightforward(path, 8, configure), "99.00 percentile latency (ns)")


if __name__ == "__main__":
    print(globals()[sys.argv[1]](*sys.argv[2:]))
