"""What this machine can do at most, measured: float32 operations a second by matrix products, bytes a second by copies.

Both by numpy, whose matrix product is a tuned BLAS; copies of a buffer larger than the caches,
of which each byte is read and written once (the copy kernel of STREAM, https://www.cs.virginia.edu/stream/ref.html).
Each is measured in a process of its own, since BLAS takes its number of threads from the environment at its start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlscope._files import write_atomic
from mlscope._home import cache_dir
from mlscope._schema import canonical_digest
from mlscope.errors import StackError

__all__ = ["known_ceilings", "machine_ceilings", "show"]

_SIDE = 1_024
_COPY_BYTES = 64 << 20
_SECONDS = 0.4
"""Of each of the four measurements."""
_LIMIT_S = 60
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def machine_ceilings(machine: dict[str, Any]) -> dict[str, Any]:
    """Peak operations and memory bandwidth with one thread and with all; measured once a machine and kept.

    Args:
        machine: Its description, which tells whether it is the same machine.

    Returns:
        gflops_one_thread, gflops_all_threads, gigabytes_per_s_one_thread, gigabytes_per_s_all_threads (bytes read and
        written), threads, and numpy's version.

    Raises:
        StackError: It cannot be measured.
        ResourceError: The cache cannot be written.
    """
    kept = known_ceilings(machine)
    if kept is not None:
        return kept
    path, threads = _place(machine)
    one, many = _in_process(1), _in_process(threads)
    found = {
        "gflops_one_thread": one["gflops"],
        "gflops_all_threads": max(one["gflops"], many["gflops"]),
        "gigabytes_per_s_one_thread": one["gigabytes_per_s"],
        "gigabytes_per_s_all_threads": max(one["gigabytes_per_s"], many["gigabytes_per_s"]),
        "threads": threads,
        "numpy": one["numpy"],
    }
    write_atomic(path, json.dumps(found, indent=2) + "\n")
    return found


def known_ceilings(machine: Mapping[str, Any]) -> dict[str, Any] | None:
    """What :func:`machine_ceilings` measured of this machine before; None where it did not."""
    path, _ = _place(machine)
    try:
        kept: dict[str, Any] = json.loads(path.read_bytes())
    except OSError:
        return None
    return kept


def _place(machine: Mapping[str, Any]) -> tuple[Path, int]:
    """Where they are kept, and the number of threads that they are of."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    key = canonical_digest([machine.get("hostname"), machine.get("cpu_name"), threads])
    return cache_dir() / "ceilings" / f"{key[:16]}.json", threads


def _in_process(threads: int) -> dict[str, Any]:
    environment = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
    command = [sys.executable, "-c", f"import {__name__} as ceilings; ceilings.show({threads})"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=True)
        measured: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        raise StackError("the machine's ceilings cannot be measured", where=type(error).__name__) from error
    return measured


def _measure(threads: int) -> dict[str, Any]:
    """Best of some repetitions: a ceiling is what was reached when nothing disturbed."""
    import numpy as np

    random = np.random.default_rng(0)
    left, right = (random.random((_SIDE, _SIDE), np.float32) for _ in range(2))
    product = np.empty_like(left)
    flops = 2 * _SIDE**3 / _best(lambda: np.matmul(left, right, out=product))
    source = np.ones(_COPY_BYTES, np.uint8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        copied = 2 * _COPY_BYTES / _best(lambda: list(pool.map(lambda part: np.copyto(*part), parts)))
    return {"gflops": round(flops / 1e9, 2), "gigabytes_per_s": round(copied / 1e9, 2), "numpy": np.__version__}


def show(threads: int) -> None:
    """Measure with so many threads and print it as JSON."""
    sys.stdout.write(json.dumps(_measure(threads)))


def _best(work: Callable[[], object]) -> float:
    """Shortest time of one call, seconds; the first is not counted."""
    work()
    end, best = time.perf_counter() + _SECONDS, float("inf")
    while time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    return best
