"""What tracing costs, how much of a call its layers explain, and how large traces and many runs are read.

The figures that are no comparison of two sides (seconds, megabytes, shares) stand in the first columns all the same:
their median, and the interval of repetitions.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks._models import write_convolutions
from benchmarks._pairs import Ratio, compare, quiet
from mlscope.analyses import call_parts, stored_layers
from mlscope.conductor import Outcome, evaluate
from mlscope.manifests import load_framework
from mlscope.plan import LoadRequest, Request
from mlscope.results import (
    LAYER_SUMMARY_FILE,
    Evaluation,
    LayerSummary,
    Record,
    RunFolder,
    Span,
    new_id,
    open_store,
    write_layer_summary,
    write_spans,
)
from mlscope.stacks import find_stack
from mlscope.stats import percentile_with_interval

__all__ = ["explained", "export_million", "framework_trace", "model_trace", "report_layers"]

quick = False
"""Seconds instead of minutes: to try the code, not to believe the figures."""

_PAIRS = 40
_HERE = Path(__file__).resolve().parent.parent
_LAYERS = 60
"""Layers of a model of the size of EfficientNet_Lite0."""
_PLANS = 10
"""Of many evaluations, which are repetitions of so many plans."""


def _pairs(wanted: int) -> int:
    return 3 if quick else max(wanted, _PAIRS)


def _load(**fields: object) -> LoadRequest:
    return LoadRequest(min_duration_s=0.3 if quick else 1.5, **fields)


def _run(request: Request) -> Outcome:
    outcome = evaluate(request)[0]
    if outcome.error is not None or outcome.record.loadgen is None:
        raise SystemExit(f"the run failed: {outcome.error}")
    return outcome


def _p50(request: Request) -> float:
    """LoadGen's median latency, nanoseconds."""
    found = _run(request).record.loadgen
    assert found is not None
    return float(found.summary["50.00 percentile latency (ns)"])


def _convolutions(folder: Path) -> tuple[Request, Path, int]:
    """SingleStream on a model of some milliseconds, its file, and the number of threads."""
    model = write_convolutions(folder / "convolutions.onnx")
    threads = len(os.sched_getaffinity(0))
    load = _load(random_inputs=True, shapes={"x": (1, 64, 56, 56)})
    return Request(command="benchmark", model_name=str(model), threads=threads, load=load, record=False), model, threads


def _at(request: Request, level: str) -> Callable[[], float]:
    traced = request.model_copy(update={"trace_level": level})
    return lambda: _p50(traced)


def model_trace(pairs: int, folder: Path) -> list[Ratio]:
    """MODEL_TRACE against no trace: nanoseconds a query of the null model, and the share of a model of milliseconds."""
    null = Request(command="benchmark", model_name="null", load=_load(), record=False)
    model, _, _ = _convolutions(folder)
    return [
        compare(
            "SingleStream p50 of the null model, MODEL_TRACE - NO_TRACE, ns (upper end of the interval)",
            _at(null, "MODEL_TRACE"),
            _at(null, "NO_TRACE"),
            pairs=_pairs(pairs),
            unit="ns",
            limit="<= 1000",
            difference=True,
        ),
        compare(
            "SingleStream p50 of a model of milliseconds, MODEL_TRACE / NO_TRACE (upper end of the interval)",
            _at(model, "MODEL_TRACE"),
            _at(model, "NO_TRACE"),
            pairs=_pairs(pairs),
            unit="ns",
            limit="<= 1.01",
        ),
    ]


def framework_trace(pairs: int, folder: Path) -> list[Ratio]:
    """FRAMEWORK_TRACE against ONNX Runtime's own profiler, switched on by hand; and what either costs."""
    request, model, threads = _convolutions(folder)

    def bare(*more: str) -> float:
        command = [sys.executable, "-m", "benchmarks.bare", "callback", str(model), str(threads), *more]
        return float(subprocess.run(command, check=True, capture_output=True, cwd=_HERE).stdout.split()[-1])

    count = max(3, _pairs(pairs) // 2)
    return [
        compare(
            "SingleStream p50, FRAMEWORK_TRACE / LoadGen with a bare session.run and enable_profiling",
            _at(request, "FRAMEWORK_TRACE"),
            lambda: bare("profile"),
            pairs=count,
            unit="ns",
            limit="<= 1.03",
        ),
        compare(
            "SingleStream p50, FRAMEWORK_TRACE / NO_TRACE",
            _at(request, "FRAMEWORK_TRACE"),
            _at(request, "NO_TRACE"),
            pairs=count,
            unit="ns",
            limit="reported",
        ),
    ]


def explained(pairs: int, folder: Path) -> list[Ratio]:
    """Sum of the layers' times over the model's call, of runs that are traced to their layers."""
    request, _, _ = _convolutions(folder)
    request = request.model_copy(update={"trace_level": "FRAMEWORK_TRACE", "record": True, "experiment": "benchmarks"})
    version = find_stack(load_framework("openvino").manifest, "*").framework_version
    openvino = request.model_copy(update={"framework": f"openvino=={version}"})
    return [
        _explained("onnxruntime: sum of the layers / traced predict span", request, ">= 0.90"),
        _explained("openvino: sum of the layers' means / mean predict span", openvino, "0.85 to 1.15"),
    ]


def _explained(name: str, request: Request, limit: str) -> Ratio:
    shares, calls, repeated = [], [], 0

    def run() -> float:
        folder = _run(request).folder
        assert folder is not None
        evaluation = Evaluation.from_folder(folder)
        parts = call_parts(evaluation)
        assert parts is not None
        calls.append(parts.call_ns)
        return sum(layer.share or 0.0 for layer in stored_layers(evaluation) if layer.parent is None)

    for _ in range(1 if quick else 7):
        share, again = quiet(run)
        shares.append(share)
        repeated += again
    call = float(np.median(calls))
    medians = float(np.median(shares)) * call, call
    return _figure(name, shares, medians, unit="ns", limit=limit, repeated=repeated)


def _figure(
    name: str, values: list[float], medians: tuple[float, float], *, unit: str, limit: str, repeated: int = 0
) -> Ratio:
    _, low, high = percentile_with_interval(np.sort(np.array(values)), 50)
    return Ratio(name, float(np.median(values)), low, high, len(values), repeated, *medians, unit, limit)


def export_million(pairs: int, folder: Path) -> list[Ratio]:
    """`trace export` of 1,000,000 spans to Perfetto: seconds and megabytes of the whole command."""
    count = 20_000 if quick else 1_000_000
    home = folder / "export"
    record = _made(home, [lambda place: write_spans(place / "spans.parquet", _spans(count))])[0]
    command = ("trace", "export", record.id, "--overwrite", "-o", str(home / "trace.pftrace"))
    return _command_figures(f"trace export of {count:,} spans to Perfetto", command, home, "<= 15 s", "<= 400 MB")


def report_layers(pairs: int, folder: Path) -> list[Ratio]:
    """`info evaluation layers` over 1,000 evaluations with 60 layers each, 100 of each of ten plans, as JSON."""
    count = 30 if quick else 1_000
    home = folder / "report"
    layers = list(_summaries())
    _made(home, [lambda place: write_layer_summary(place / LAYER_SUMMARY_FILE, layers)] * count)
    command = ("info", "evaluation", "layers", "--format", "json")
    return _command_figures(f"info evaluation layers over {count:,} evaluations", command, home, "<= 2 s", "reported")


def _made(home: Path, contents: list[Callable[[Path], None]]) -> list[Record]:
    """Sealed and indexed runs in a home of their own, each with one file that is made."""
    before = os.environ.get("MLSCOPE_HOME")
    os.environ["MLSCOPE_HOME"] = str(home)
    try:
        pattern = evaluate(Request(command="predict dataset", num_file_parts=2, trace_level="NO_TRACE"))[0].record
        store = open_store(create=True)
        records = []
        for number, write in enumerate(contents):
            place = RunFolder.create(home / "runs", new_id())
            write(place.path)
            changes = {"id": place.path.name.removeprefix(".partial-"), "trace_level": "FRAMEWORK_TRACE", "files": ()}
            plan = {"plan_id": f"{number % _PLANS:016x}", "repetition": number // _PLANS + 1}
            sealed, path = place.seal(pattern.model_copy(update={**changes, **plan}))
            store.put(sealed, path, blobs=[])
            records.append(sealed)
        return records
    finally:
        if before is None:
            del os.environ["MLSCOPE_HOME"]
        else:
            os.environ["MLSCOPE_HOME"] = before


def _spans(count: int) -> Iterator[Span]:
    """A run of requests one after the other, each with a call of 60 layers: attributes as real ones have them."""
    yield Span(f"{1:016x}", None, "benchmark", 1, 0, 10_000_000 * count, {})
    number, batch = 2, 0
    while number + _LAYERS + 1 <= count:
        begin = 10_000_000 * batch
        yield Span(f"{number:016x}", f"{1:016x}", "request", 1, begin, begin + 9_000_000, {"query": batch})
        call = f"{number + 1:016x}"
        times = begin + 10_000, begin + 8_990_000
        yield Span(call, f"{number:016x}", "c_predict", 2, *times, {"batch_index": batch})
        for layer in range(_LAYERS):
            start = begin + 20_000 + 148_000 * layer
            attributes = {
                "layer_sequence_index": layer,
                "op_name": "Conv",
                "shape": "float[1,64,56,56]",
                "input_shape": "float[1,64,56,56] float[64,64,3,3]",
                "allocated_bytes": 802_816,
                "thread_id": 4711,
                "nodes": [f"blocks_{layer}/conv2d/Conv2D", f"blocks_{layer}/Relu6"],
            }
            name = f"blocks_{layer}/conv2d/Conv2D"
            yield Span(f"{number + 2 + layer:016x}", call, name, 3, start, start + 146_000, attributes)
        number, batch = number + 2 + _LAYERS, batch + 1


def _summaries() -> Iterator[LayerSummary]:
    for index in range(_LAYERS):
        name = f"blocks_{index}/conv2d/Conv2D"
        nodes = (name, f"blocks_{index}/Relu6")
        shapes = "float[1,64,56,56] float[64,64,3,3]", "float[1,64,56,56]"
        times = 146_000.0, 146_500.0, 140_000, 190_000
        yield LayerSummary(index, name, "Conv", 0, None, *shapes, nodes, 400, *times, 0.016, 802_816, False)


def _command_figures(name: str, arguments: tuple[str, ...], home: Path, seconds: str, megabytes: str) -> list[Ratio]:
    """Wall time and peak memory of a command in a process of its own."""
    found = [_measured(arguments, home) for _ in range(1 if quick else 7)]
    times, peaks = ([pair[place] for pair in found] for place in (0, 1))
    medians = float(np.median(times)), float(np.median(peaks))
    return [
        _figure(f"{name}: seconds", times, medians, unit="s / MB", limit=seconds),
        _figure(f"{name}: peak memory, MB", peaks, medians, unit="s / MB", limit=megabytes),
    ]


def _measured(arguments: tuple[str, ...], home: Path) -> tuple[float, float]:
    environment = {**os.environ, "MLSCOPE_HOME": str(home)}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlscope", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    told = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"mlscope {' '.join(arguments)} ended with {process.returncode}: {told}")
    return time.perf_counter() - begin, usage.ru_maxrss * 1024 / 1e6
