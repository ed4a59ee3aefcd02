"""How near to the machine's limit Server and Offline come: against bare loops, benchmark_app and a queue's theory."""

from __future__ import annotations

import collections
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks._models import write_convolutions
from benchmarks._pairs import Ratio, compare
from mlscope.conductor import Outcome, SilentObserver, evaluate
from mlscope.conductor._prepare import prepare
from mlscope.manifests import load_framework
from mlscope.plan import LoadRequest, Request
from mlscope.results import read_samples
from mlscope.stacks import find_stack
from mlscope.stats import largest_rate

__all__ = ["offline_streams", "openvino_offline", "server_limit"]

quick = False
"""A small model and seconds instead of minutes: to try the code, not to believe the figures."""

_MODEL = "EfficientNet_Lite0"
_BATCHES = (1, 2, 4, 8, 16, 32)
_BOUND_MS = 15.0
_SEEDS = (0, 1, 2)
_STEP = 0.97
_HOME = Path(__file__).resolve().parent.parent


def _bare(*arguments: object) -> float:
    """One number from a peer's process."""
    command = [sys.executable, "-m", "benchmarks.bare_serving", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, cwd=_HOME)
    return float(done.stdout.split()[-1])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _request(folder: Path, load: LoadRequest, **fields: object) -> tuple[Request, Path]:
    """A load test of the model on random inputs, and the model's ONNX file."""
    request = Request(command="benchmark", model_name=_MODEL, load=load, experiment="benchmarks", **fields)
    if not quick:
        return request, prepare(request.model_copy(update={"streams": None}), SilentObserver()).weights["graph"]
    file = write_convolutions(folder / "convolutions.onnx", layers=3)
    load = load.model_copy(update={"shapes": {"x": (1, 64, 56, 56)}})
    return request.model_copy(update={"model_name": str(file), "load": load}), file


def _run(request: Request) -> Outcome:
    outcome = evaluate(request)[0]
    if outcome.error is not None or outcome.record.loadgen is None:
        raise SystemExit(f"the run failed: {outcome.error}")
    return outcome


def _throughput(request: Request) -> float:
    """Samples a second that LoadGen counts."""
    found = _run(request).record.loadgen
    assert found is not None
    return float(found.metric_value or 0)


def _best_loop(file: Path, seconds: float) -> tuple[int, int, int]:
    """Streams, threads and batch of the fastest bare loop: all are tried, the best four for longer, three times."""
    cores = len(os.sched_getaffinity(0))
    numbers = sorted({*(1 << power for power in range(cores.bit_length()) if 1 << power <= cores), cores})
    every = list(itertools.product(numbers, numbers, _BATCHES[:3] if quick else _BATCHES))
    first = {layout: _bare("loop", file, *layout, seconds) for layout in every}
    for layout, rate in sorted(first.items(), key=lambda item: -item[1]):
        _say(f"  bare loop, {layout[0]} streams x {layout[1]} threads, batch {layout[2]}: {rate:.1f} samples/s")
    best = sorted(first, key=lambda layout: -first[layout])[:4]
    again = {layout: np.median([_bare("loop", file, *layout, 3 * seconds) for _ in range(3)]) for layout in best}
    return max(again, key=lambda layout: float(again[layout]))


def offline_streams(pairs: int, folder: Path) -> list[Ratio]:
    """Offline with ``--streams auto`` against the best bare loop, and against a straightforward SUT."""
    seconds = 2.0 if quick else 10.0
    load = LoadRequest(scenario="Offline", min_duration_s=seconds, random_inputs=True)
    request, file = _request(folder, load, streams="auto", recalibrate=True)
    layout = _best_loop(file, 0.5 if quick else 3.0)
    rate = _throughput(request)  # calibrates
    request = request.model_copy(update={"recalibrate": False})
    loop = f"{layout[0]} x {layout[1]} threads, batch {layout[2]}"
    return [
        compare(
            f"Offline samples/s, --streams auto / the best bare loop ({loop})",
            lambda: _throughput(request),
            lambda: _bare("loop", file, *layout, seconds),
            pairs=pairs,
            unit="samples/s",
            limit=">= 0.97",
        ),
        compare(
            "Offline samples/s, --streams auto / one session, a queue, two threads, batches of 8",
            lambda: _throughput(request),
            lambda: _bare("offline", file, rate, seconds),
            pairs=pairs,
            unit="samples/s",
            limit=">= 1.3",
        ),
    ]


def openvino_offline(pairs: int, folder: Path) -> list[Ratio]:
    """Offline of OpenVINO against its own benchmark_app, both in fp32."""
    seconds = 2 if quick else 10
    stack = find_stack(load_framework("openvino").manifest, "*")
    load = LoadRequest(scenario="Offline", min_duration_s=seconds, random_inputs=True)
    _, file = _request(folder, load)
    framework = f"openvino=={stack.framework_version}"
    request, _ = _request(folder, load, streams="auto", recalibrate=True)
    if not quick:  # the ONNX file, which OpenVINO reads as it is
        load = load.model_copy(update={"shapes": _shapes(file)})
        request = request.model_copy(update={"model_name": str(file), "load": load})
    request = request.model_copy(update={"framework": framework})
    _throughput(request)
    request = request.model_copy(update={"recalibrate": False})
    (shape,) = request.load.shapes.values()
    command = [str(Path(stack.python).with_name("benchmark_app")), "-m", str(file), "-d", "CPU", "-hint", "throughput"]
    command += ["-t", str(seconds), "-infer_precision", "f32", "-shape", str(list(shape)).replace(" ", "")]

    def app() -> float:
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
        found = re.search(r"Throughput:\s*([0-9.]+)\s*FPS", done.stdout)
        if found is None:
            raise SystemExit(f"benchmark_app told no throughput:\n{done.stdout[-2000:]}")
        return float(found[1])

    return [
        compare(
            "Offline samples/s of OpenVINO, --streams auto / benchmark_app -hint throughput (f32)",
            lambda: _throughput(request),
            app,
            pairs=pairs,
            unit="samples/s",
            limit=">= 0.97",
        )
    ]


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Input name → shape with a batch of 1."""
    import onnxruntime

    taken = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).get_inputs()
    return {each.name: (1, *each.shape[1:]) for each in taken}


def server_limit(pairs: int, folder: Path) -> list[Ratio]:
    """The largest rate whose p99 keeps 15 ms, against the limit of a queue with the service times of the same run."""
    seconds = 3.0 if quick else 60.0
    short = 2.0 if quick else 15.0
    base = LoadRequest(scenario="Server", target_latency_ms=_BOUND_MS, random_inputs=True)
    request, file = _request(folder, base, streams="auto", recalibrate=True)
    begin = _run(_at(request, None, short, 0))  # calibrates
    layout = _layout(begin)
    request = request.model_copy(update={**layout, "recalibrate": False})
    # A model that mostly waits for queries has cold caches: what it can do is seen when it is busy half the time.
    begin = _run(_at(request, layout["streams"] * 0.5e9 / float(np.median(_services(begin))), short, 0))
    capacity = layout["streams"] * 1e9 / _services(begin).mean()
    _say(f"  Server: {layout['streams']} streams x {layout['threads']} threads, {capacity:.1f}/s when never idle")
    runs: dict[tuple[float, float], list[Outcome]] = collections.defaultdict(list)

    def own(rate: float, length: float, seed: int) -> float:
        outcome = _run(_at(request, rate, length, seed))
        runs[rate, length].append(outcome)
        return _p99_ms(outcome)

    def theory(services: np.ndarray) -> float:
        return largest_rate(services, int(layout["streams"]), percentile=99, bound_ns=_BOUND_MS * 1e6, requests=200_000)

    ours = _largest(own, seconds, short, 0.9 * theory(_services(begin)) or capacity / 8, capacity)
    if not ours:
        raise SystemExit(f"no rate keeps p99 <= {_BOUND_MS:g} ms")
    services = np.concatenate([_services(outcome) for outcome in runs[ours, seconds]])
    limit = theory(services)
    _say(
        f"  M/G/{layout['streams']}: {len(services)} service times, mean {services.mean() / 1e6:.3f} ms, "
        f"p99 {np.percentile(services, 99) / 1e6:.3f} ms: p99 of the stay is {_BOUND_MS:g} ms at {limit:.1f}/s; "
        f"the servers can do {int(layout['streams']) * 1e9 / services.mean():.1f} at all"
    )

    def straightforward(rate: float, length: float, seed: int) -> float:
        return _bare("server", file, rate, length, seed) / 1e6

    theirs = _largest(straightforward, seconds, short, ours, capacity)
    valid, queries = _largest_valid(request, ours, seconds)
    name = f"Server queries/s with p99 <= {_BOUND_MS:g} ms"
    return [
        _single(f"{name} / the M/G/{layout['streams']} limit of its service times", ours, limit, ">= 0.85"),
        _single(f"{name} / the straightforward SUT's", ours, theirs, "> 1"),
        _single(f"Server, VALID by early stopping with {queries} queries / {name}", valid, ours, "reported"),
    ]


def _single(name: str, a: float, b: float, limit: str) -> Ratio:
    ratio = a / b if b else float("inf")
    return Ratio(name, ratio, None, None, len(_SEEDS), 0, a, b, "queries/s", limit)


def _at(request: Request, rate: float | None, seconds: float, seed: int) -> Request:
    assert request.load is not None
    settings = {"min_query_count": 100}  # the time decides
    load = request.load.model_copy(update={"target_qps": rate, "min_duration_s": seconds, "settings": settings})
    return request.model_copy(update={"load": load, "seed": seed})


def _p99_ms(outcome: Outcome) -> float:
    assert outcome.record.loadgen is not None
    return float(outcome.record.loadgen.summary["99.00 percentile latency (ns)"]) / 1e6


def _layout(outcome: Outcome) -> dict[str, int]:
    effective = outcome.record.effective
    return {"streams": int(effective["streams"]), "threads": int(effective["threads"])}


def _services(outcome: Outcome) -> np.ndarray:
    """Times of the calls of a run, nanoseconds."""
    assert outcome.folder is not None
    table = read_samples(outcome.folder / "samples.parquet")
    times = np.array(table["end_ns"]) - np.array(table["start_ns"])
    return times[~np.array(table["warmup"])].astype(float)


def _largest(
    p99_ms: Callable[[float, float, int], float], seconds: float, short: float, begin: float, capacity: float
) -> float:
    """The largest rate whose p99, as the median of the seeds' full runs, keeps the bound; 0 where none does.

    Short runs tell where to begin; then the rate goes up or down, and the gap between one that holds and one that
    does not is halved until it is 3 %.
    """
    least = capacity / 64
    rate = _bracket(lambda rate: p99_ms(rate, short, 0), begin, least, capacity)
    holds, fails = 0.0, float("inf")
    while rate >= least and fails * _STEP > holds:
        found = [p99_ms(rate, seconds, seed) for seed in _SEEDS]
        _say(f"  {rate:.1f} queries/s: p99 {', '.join(f'{each:.2f}' for each in found)} ms")
        seen = float(np.median(found))
        if seen <= _BOUND_MS:
            holds = rate
        else:
            fails = rate
        if not holds:
            rate *= min(_STEP, max(_BOUND_MS / seen, 0.8))
        elif fails == float("inf"):
            rate /= min(_STEP, max(seen / _BOUND_MS, 0.9))
        else:
            rate = (holds * fails) ** 0.5
    return holds


def _bracket(p99_ms: Callable[[float], float], begin: float, least: float, capacity: float) -> float:
    """A rate that keeps the bound, at most 6 % below one that does not; 0 where none does."""

    def keeps(rate: float) -> bool:
        seen = p99_ms(rate)
        _say(f"  {rate:.1f} queries/s: p99 {seen:.2f} ms")
        return seen <= _BOUND_MS

    low, high = begin, begin
    while not keeps(low):
        low, high = 0.8 * low, low
        if low < least:
            return 0.0
    while high == low or (high < capacity and keeps(high)):
        low, high = high, 1.25 * high
    while high / low > 1 / _STEP**2:
        rate = (low + high) / 2
        low, high = (rate, high) if keeps(rate) else (low, rate)
    return low


def _largest_valid(request: Request, begin: float, seconds: float) -> tuple[float, int]:
    """The largest rate (in steps of 3 % down from `begin`) that LoadGen calls VALID, and its queries; 0 for none."""
    for step in range(2 if quick else 10):
        rate = begin * _STEP**step
        found = _run(_at(request, rate, seconds, 0)).record
        assert found.loadgen is not None
        if found.loadgen.validity == "VALID":
            return rate, found.latency[0].count
    return 0.0, 0
