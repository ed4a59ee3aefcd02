"""What environments of their own cost: to build, to use, and in each framework's measured loop."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from benchmarks._models import write_convolutions
from benchmarks._pairs import Ratio, compare
from mlscope.conductor import evaluate
from mlscope.manifests import load_framework
from mlscope.plan import LoadRequest, Request
from mlscope.stacks import Stack, find_stack

__all__ = ["framework_loops", "stack_build", "stack_start", "stack_worker"]

_SCRIPT = Path(__file__).with_name("in_stack.py")
_SECONDS = 2
_FRAMEWORKS = ("onnxruntime", "openvino", "pytorch", "tensorflow", "litert", "jax", "mxnet")
_MADE_BY = {"litert": "tensorflow"}


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _p50(request: Request) -> float:
    outcome = evaluate(request)[0]
    if outcome.error is not None or outcome.record.loadgen is None:
        raise SystemExit(f"the run failed: {outcome.error}")
    return float(outcome.record.loadgen.summary["50.00 percentile latency (ns)"])


def stack_start(pairs: int, folder: Path) -> list[Ratio]:
    """A whole evaluation on a cached environment against the same on the host's own interpreter."""
    base = Request(command="predict dataset", num_file_parts=20, record=False)
    version = metadata.version("onnxruntime")
    cached = base.model_copy(update={"framework": f"onnxruntime=={version}"})
    return [
        compare(
            "seconds of an evaluation: cached environment - host",
            lambda: _seconds(lambda: evaluate(cached)),
            lambda: _seconds(lambda: evaluate(base)),
            pairs=pairs,
            unit="s",
            limit="<= 0.3 s more",
            difference=True,
        )
    ]


def stack_build(pairs: int, folder: Path) -> list[Ratio]:
    """Building the MXNet environment, wheels in uv's cache, against uv by hand."""
    framework = load_framework("mxnet").manifest
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    python = find_stack(framework, "==1.9.1").python  # resolved and downloaded now
    packages = ["mxnet==1.9.1", "numpy==1.23.5", "mlcommons-loadgen"]

    def by_hand() -> float:
        place = Path(tempfile.mkdtemp(dir=folder))
        base = [uv, "--quiet"]

        def build() -> None:
            subprocess.run([*base, "venv", "--python", str(python), str(place / "env")], check=True)
            subprocess.run([*base, "pip", "install", "--python", str(place / "env/bin/python"), *packages], check=True)

        seconds = _seconds(build)
        shutil.rmtree(place)
        return seconds

    return [
        compare(
            "building the MXNet environment, warm cache / uv venv + uv pip install by hand",
            lambda: _seconds(lambda: find_stack(framework, "==1.9.1", fresh=True)),
            by_hand,
            pairs=max(3, pairs // 2),
            unit="s",
            limit="<= 3",
        )
    ]


def stack_worker(pairs: int, folder: Path) -> list[Ratio]:
    """The measured loop itself: the null predictor in an environment of its own against the host's."""
    load = LoadRequest(min_duration_s=_SECONDS)
    host = Request(command="benchmark", model_name="null", load=load, record=False)
    own = host.model_copy(update={"stack": "uv"})
    return [
        compare(
            "SingleStream p50 of the null predictor: environment of its own / host",
            lambda: _p50(own),
            lambda: _p50(host),
            pairs=max(9, pairs),
            unit="ns",
            limit="<= 1.05",
        )
    ]


def framework_loops(pairs: int, folder: Path) -> list[Ratio]:
    """SingleStream of each framework against its own bare loop in the same interpreter."""
    threads = len(os.sched_getaffinity(0))
    return [ratio for name in _FRAMEWORKS for ratio in _framework_loop(name, threads, max(10, pairs), folder)]


def _framework_loop(name: str, threads: int, pairs: int, folder: Path) -> list[Ratio]:
    stack = find_stack(load_framework(name).manifest, "==1.9.1" if name == "mxnet" else "*", kind="uv")
    file = _model(name, folder)
    shapes = {"x": (1, 64, 56, 56)} if file.suffix == ".onnx" else {}
    request = Request(
        command="benchmark",
        model_name=str(file),
        framework=f"{name}=={stack.framework_version}",
        stack="uv",
        threads=threads,
        options={"random_weights": 0} if name == "mxnet" else {},
        load=LoadRequest(min_duration_s=_SECONDS, random_inputs=True, shapes=shapes),
        record=False,
    )
    peers = {"a bare loop": lambda: float(_in_stack(stack, "loop", name, str(file), str(threads), str(_SECONDS)))}
    if name == "openvino":
        peers["benchmark_app -hint latency"] = lambda: _benchmark_app(stack, file)
    return [
        compare(
            f"SingleStream p50, {name} {stack.framework_version}: mlscope / {peer}",
            lambda: _p50(request),
            run,
            pairs=pairs,
            unit="ns",
            limit="<= 1.05",
        )
        for peer, run in peers.items()
    ]


def _benchmark_app(stack: Stack, file: Path) -> float:
    """Median latency that OpenVINO's own tool tells, nanoseconds; it takes all cores."""
    command = [
        Path(stack.python).with_name("benchmark_app"),
        "-m",
        file,
        "-d",
        "CPU",
        "-hint",
        "latency",
        "-api",
        "sync",
    ]
    command += ["-t", str(_SECONDS), "-infer_precision", "f32", "-shape", "[1,64,56,56]"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=file.parent)
    found = re.search(r"Median:\s*([0-9.]+)\s*ms", done.stdout)
    if found is None:
        raise SystemExit(f"benchmark_app told no latency:\n{done.stdout[-2000:]}")
    return 1e6 * float(found[1])


def _model(name: str, folder: Path) -> Path:
    """The network in the framework's own format."""
    if name in ("onnxruntime", "openvino"):
        return write_convolutions(folder / "convolutions.onnx")
    maker = _MADE_BY.get(name, name)
    place = folder / name
    place.mkdir()
    stack = find_stack(load_framework(maker).manifest, "==1.9.1" if maker == "mxnet" else "*", kind="uv")
    return Path(_in_stack(stack, "make", name, str(place)))


def _in_stack(stack: Stack, *arguments: str) -> str:
    """What a script in the stack's interpreter prints last."""
    done = subprocess.run(
        [stack.python, _SCRIPT, *arguments], check=True, capture_output=True, text=True, cwd=_SCRIPT.parent
    )
    return str(json.loads(done.stdout.splitlines()[-1]))
