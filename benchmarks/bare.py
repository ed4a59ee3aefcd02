"""The peers, each run in a process of its own: ``python -m benchmarks.bare NAME …`` prints one number.

They are written as a user without mlscope would write them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SECONDS = 2.0


def _session(path: str, threads: int, profile: str = ""):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _inputs(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal((1, 64, 56, 56), np.float32) for _ in range(count)]


def loop(path: str, threads: str) -> float:
    """Median latency of a bare loop around session.run, nanoseconds."""
    session, inputs = _session(path, int(threads)), _inputs(32)
    for _ in range(5):
        session.run(["y"], {"x": inputs[0]})
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        value = inputs[len(times) % 32]
        begin = time.perf_counter_ns()
        session.run(["y"], {"x": value})
        times.append(time.perf_counter_ns() - begin)
    return float(np.median(times))


def _loadgen(issue, expected_ns: int) -> float:
    import mlperf_loadgen as loadgen

    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.SingleStream
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = int(SECONDS * 1000)
    settings.single_stream_expected_latency_ns = expected_ns
    with tempfile.TemporaryDirectory() as folder:
        logs = loadgen.LogSettings()
        logs.enable_trace = False
        logs.log_output = loadgen.LogOutputSettings()
        logs.log_output.outdir = folder
        sut = loadgen.ConstructSUT(issue, lambda: None)
        library = loadgen.ConstructQSL(32, 32, lambda samples: None, lambda samples: None)
        loadgen.StartTestWithLogSettings(sut, library, settings, logs)
        return summary_p50(Path(folder))


def summary_p50(folder: Path) -> float:
    """LoadGen's own median latency, nanoseconds."""
    for line in (folder / "mlperf_log_summary.txt").read_text().splitlines():
        if line.startswith("50.00 percentile latency (ns)"):
            return float(line.split(":")[1])
    raise SystemExit("LoadGen wrote no median")


def callback(path: str, threads: str, profile: str = "") -> float:
    """LoadGen with a bare session.run in its callback; with a third argument ONNX Runtime's profiler is on."""
    with tempfile.TemporaryDirectory() as folder:
        return _callback(path, threads, f"{folder}/profile" if profile else "")


def _callback(path: str, threads: str, profile: str) -> float:
    import mlperf_loadgen as loadgen

    session, inputs = _session(path, int(threads), profile), _inputs(32)
    for _ in range(5):
        session.run(["y"], {"x": inputs[0]})
    answer = np.zeros(1, np.float32)
    address = answer.__array_interface__["data"][0]

    def issue(queries) -> None:
        for query in queries:
            session.run(["y"], {"x": inputs[query.index]})
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(query.id, address, 4)])

    return _loadgen(issue, 1_000_000)


def null() -> float:
    """LoadGen with a SUT that answers at once."""
    import mlperf_loadgen as loadgen

    answer = np.zeros(1, np.float32)
    address = answer.__array_interface__["data"][0]

    def issue(queries) -> None:
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(queries[0].id, address, 4)])

    return _loadgen(issue, 2_000)


def sequential(model: str, folder: str, threads: str) -> float:
    """Pictures a second of a plain script: decode, resize, crop, invoke, one after the other."""
    import cv2
    from ai_edge_litert.interpreter import Interpreter

    root = Path(folder)
    listing = [line.rsplit(" ", 1) for line in (root / "val_map.txt").read_text().splitlines()]
    interpreter = Interpreter(model, num_threads=int(threads))
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    sink = interpreter.get_output_details()[0]["index"]
    interpreter.set_tensor(source, np.zeros((1, 224, 224, 3), np.uint8))
    interpreter.invoke()
    good, begin = 0, time.perf_counter()
    for name, label in listing:
        picture = cv2.cvtColor(cv2.imread(str(root / name)), cv2.COLOR_BGR2RGB)
        height, width = picture.shape[:2]
        size = (width * 256 // height, 256) if height < width else (256, height * 256 // width)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        top, left = (picture.shape[0] - 224) // 2, (picture.shape[1] - 224) // 2
        interpreter.set_tensor(source, picture[None, top : top + 224, left : left + 224])
        interpreter.invoke()
        good += int(interpreter.get_tensor(sink)[0].argmax()) - 1 == int(label)
    seconds = time.perf_counter() - begin
    print(good, file=sys.stderr)
    return len(listing) / seconds


if __name__ == "__main__":
    print(globals()[sys.argv[1]](*sys.argv[2:]))
