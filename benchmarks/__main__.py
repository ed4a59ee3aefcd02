"""Run the benchmarks and print one table."""

from __future__ import annotations

import argparse
import compileall
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import _pairs, comparing, openloop, serving, stacks, submissions, tracing
from benchmarks._models import write_convolutions
from benchmarks._pairs import Ratio, compare
from mlscope.conductor import evaluate, glance
from mlscope.plan import LoadRequest, Request
from mlscope.stacks import describe_machine

_HERE = Path(__file__).resolve().parent
_SHARED = Path(os.environ.get("MLSCOPE_SHARED", _HERE.parent.parent / "shared")) / "data"


def _bare(*arguments: str) -> float:
    """One number from a peer's process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bare", *arguments], check=True, capture_output=True, cwd=_HERE.parent
    )
    return float(done.stdout.split()[-1])


def _p50(request: Request) -> float:
    """LoadGen's median latency of a run through mlscope, nanoseconds."""
    outcome = evaluate(request)[0]
    if outcome.error is not None or outcome.record.loadgen is None:
        raise SystemExit(f"the run failed: {outcome.error}")
    return float(outcome.record.loadgen.summary["50.00 percentile latency (ns)"])


def single_stream(pairs: int, folder: Path) -> list[Ratio]:
    """SingleStream on a model of some milliseconds, against LoadGen and against no harness at all."""
    model = write_convolutions(folder / "convolutions.onnx")
    threads = len(os.sched_getaffinity(0))
    load = LoadRequest(min_duration_s=2, random_inputs=True, shapes={"x": (1, 64, 56, 56)})
    request = Request(command="benchmark", model_name=str(model), threads=threads, load=load, record=False)
    name = "SingleStream p50, mlscope / {}"
    return [
        compare(
            name.format("LoadGen with a bare session.run"),
            lambda: _p50(request),
            lambda: _bare("callback", str(model), str(threads)),
            pairs=pairs,
            unit="ns",
            limit="<= 1.02",
        ),
        compare(
            name.format("a bare loop without LoadGen"),
            lambda: _p50(request),
            lambda: _bare("loop", str(model), str(threads)),
            pairs=pairs,
            unit="ns",
            limit="<= 1.05",
        ),
    ]


def null_floor(pairs: int, folder: Path) -> list[Ratio]:
    """The harness's own cost: the null predictor against a null SUT written directly on LoadGen."""
    request = Request(command="benchmark", model_name="null", load=LoadRequest(min_duration_s=2), record=False)
    return [
        compare(
            "SingleStream p50, null predictor / null SUT on LoadGen",
            lambda: _p50(request),
            lambda: _bare("null"),
            pairs=pairs,
            unit="ns",
            limit="<= 4",
        )
    ]


def predict(pairs: int, folder: Path) -> list[Ratio]:
    """Pictures a second of ``predict dataset`` against a plain sequential script."""
    if not _SHARED.is_dir():
        print(f"predict: skipped, no sample data at {_SHARED}", file=sys.stderr)
        return []
    model = _SHARED / "models" / "mobilenet_v2_1.0_224_quant.tflite"
    pictures = _SHARED / "imagenet500"
    base = Request(
        command="predict dataset",
        model_name="MobileNet_v2_1.0_224_quant",
        weights=model,
        dataset_name="imagenet",
        dataset_path=pictures,
        record=False,
    )

    def through(request: Request) -> float:
        outcome = evaluate(request)[0]
        if outcome.error is not None or outcome.record.accuracy is None:
            raise SystemExit(f"the run failed: {outcome.error}")
        if outcome.record.accuracy.top1_good != 448:
            print(f"predict: {outcome.record.accuracy.top1_good} right answers", file=sys.stderr)
        print(f"predict: the model waited {100 * (outcome.record.timings.wait_share or 0):.1f} %", file=sys.stderr)
        return outcome.record.latency[0].throughput_samples_per_s

    layouts = {
        "two threads": (base.model_copy(update={"threads": 2, "workers": 1}), ">= 1.10"),
        "two workers of one thread": (base.model_copy(update={"threads": 1, "workers": 2}), ">= 1.15"),
    }
    return [
        compare(
            f"predict dataset, pictures/s, {name} / a sequential script with two threads",
            lambda request=request: through(request),
            lambda: _bare("sequential", str(model), str(pictures), "2"),
            pairs=pairs,
            unit="pictures/s",
            limit=limit,
        )
        for name, (request, limit) in layouts.items()
    ]


def start_up(pairs: int, folder: Path) -> list[Ratio]:
    """``mlscope --help`` against an interpreter that does nothing."""

    def seconds(*arguments: str) -> Callable[[], float]:
        def run() -> float:
            begin = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            return time.perf_counter() - begin

        return run

    return [
        compare(
            "mlscope --help / python -c pass",
            seconds("-m", "mlscope", "--help"),
            seconds("-c", "pass"),
            pairs=2 * pairs,
            unit="s",
            limit="<= 20",
        )
    ]


def memory(pairs: int, folder: Path) -> list[Ratio]:
    """Peak memory of the worker for many pictures against few; one pair says all."""
    from mlscope.manifests import load_dataset

    found = load_dataset("digits")
    root = found.path.parent / str(found.manifest.path)
    lines = (root / found.manifest.list).read_text().splitlines()

    def peak(times: int) -> Callable[[], float]:
        place = folder / f"digits-{times}"
        place.mkdir(exist_ok=True)
        for line in lines:
            name = line.rsplit(" ", 1)[0]
            if not (place / name).exists():
                (place / name).symlink_to(root / name)
        (place / "val_map.txt").write_text("\n".join(lines * times) + "\n")
        request = Request(command="predict dataset", dataset_path=place, record=False)

        def run() -> float:
            return float(evaluate(request)[0].record.timings.peak_memory_bytes or 0) / 1e6

        return run

    return [
        compare(
            "peak memory of the worker, 5,000 pictures / 500 pictures",
            peak(10),
            peak(1),
            pairs=max(3, pairs // 4),
            unit="MB",
            limit="about 1",
        )
    ]


_ALL: dict[str, Callable[[int, Path], list[Ratio]]] = {
    "single_stream": single_stream,
    "null_floor": null_floor,
    "predict": predict,
    "start_up": start_up,
    "memory": memory,
    "alarms": comparing.alarms,
    "slowdowns": comparing.slowdowns,
    "stack_start": stacks.stack_start,
    "stack_build": stacks.stack_build,
    "stack_worker": stacks.stack_worker,
    "framework_loops": stacks.framework_loops,
    "offline_streams": serving.offline_streams,
    "openvino_offline": serving.openvino_offline,
    "server_limit": serving.server_limit,
    "open_loop": openloop.open_loop,
    "model_trace": tracing.model_trace,
    "framework_trace": tracing.framework_trace,
    "explained": tracing.explained,
    "export_million": tracing.export_million,
    "report_layers": tracing.report_layers,
    "submission_trees": submissions.submission_trees,
}


def _machine() -> str:
    """The machine and how quiet it is now."""
    machine = describe_machine()
    passport = glance(machine)
    quiet = "; ".join(passport.disturbances) or "quiet"
    return f"{machine['cpu_name']}, {machine['cpu_count']} CPUs, score {passport.score} of 100: {quiet}"


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(_ALL)} (all)")
    parser.add_argument("--pairs", type=int, default=11, help="pairs of each comparison (11)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--quick", action="store_true", help="serving, tracing: try the code, in seconds")
    options = parser.parse_args()
    serving.quick = tracing.quick = _pairs.hurry = options.quick
    for name in options.names:
        if name not in _ALL:
            parser.error(f"{name!r} is none of {', '.join(_ALL)}")
    os.environ.setdefault("MLSCOPE_NO_FLOOR", "1")  # the peers measure none
    compileall.compile_dir(str(_HERE.parent / "src"), quiet=1)  # as an installed package is
    print(f"{_machine()}\n")
    print("| what | median ratio | 95 % interval | wanted | medians A / B | pairs | repeated blocks |")
    print("|---|---|---|---|---|---|---|")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names or _ALL:
            for ratio in _ALL[name](options.pairs, Path(folder)):
                print(ratio.line(), flush=True)
                results.append(dataclasses.asdict(ratio))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
