"""The core's end of an open loop: a schedule's file, the issuer process, the worker that answers."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import selectors
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mlscope._files import digest
from mlscope.conductor._run import Run
from mlscope.conductor._serving import host_threads
from mlscope.conductor._worker import Worker
from mlscope.errors import WorkerError
from mlscope.plan import Schedule
from mlscope.worker.protocol import (
    ARRIVALS_HEADER,
    FLAG_VALID,
    FLAG_WARMUP,
    SAMPLE_FIELDS,
    OpenLoop,
    OpenLoopDone,
    Ready,
    TraceLevel,
)

__all__ = ["Issued", "gathered", "issue"]

Array = np.ndarray[Any, np.dtype[np.int64]]
_SPIN_NS = 1_000_000
_LOOK_S = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Issued:
    """One open loop, over or broken off."""

    rows: Array
    """Shape [n, 8], columns as in :data:`mlscope.worker.protocol.SAMPLE_FIELDS`, warm-up left out."""
    schedule_sha256: str


class _Issuer:
    """The process; it waits until it is told to begin."""

    def __init__(self, run: Run, arrivals: Path, wake: Path) -> None:
        execution = run.prepared.plan.execution
        spin = _SPIN_NS if host_threads() > execution.threads * execution.streams else 0
        command = [sys.executable, "-m", "mlscope.worker.load.issuer", str(arrivals), str(wake), "--spin-ns", str(spin)]
        with (run.path / "logs" / "issuer.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def begin(self) -> None:
        """Let it begin."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin:
            self.process.stdin.write(b"begin\n")

    def close(self) -> None:
        """End it, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin is not None and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()


def issue(
    run: Run,
    worker: Worker,
    schedule: Schedule,
    command: OpenLoop,
    *,
    name: str,
    progress: Callable[[int], None] | None = None,
) -> Issued:
    """Issue a schedule's requests to a worker and wait until all is over.

    Args:
        run: The run; the schedule is written into its folder.
        worker: With the model loaded.
        schedule: When which input is asked for; with ticks, only the inputs count.
        command: What the worker is told; files and number of requests are filled in here.
        name: Of the files: ``schedule-NAME.npy``, ``samples-NAME.bin``.
        progress: Hears how many requests were issued, once a second.

    Raises:
        MlscopeError: The worker or the issuer failed.
        KeyboardInterrupt: Ctrl-C; :func:`gathered` still gives what was measured.
    """
    count = len(schedule.inputs)
    file = run.path / f"schedule{name}.npy"
    np.save(file, np.stack([schedule.offsets_ns, schedule.inputs], axis=1))
    head = len(ARRIVALS_HEADER)
    arrivals = run.scratch_file(f"arrivals{name}", 8 * (head + 3 * count))
    words = np.memmap(arrivals, "<i8", "r+")
    words[head : head + count] = schedule.offsets_ns
    words[head + count : head + 2 * count] = schedule.inputs
    wake = run.scratch / f"wake{name}"
    os.mkfifo(wake)
    samples = run.path / f"samples{name}.bin"
    issuer = None if command.interval_ns else _Issuer(run, arrivals, wake)
    command = dataclasses.replace(command, arrivals=str(arrivals), requests=count, wake=str(wake), samples=str(samples))
    try:
        if not isinstance(worker.ask(command), Ready):
            raise WorkerError("the worker was not ready for an open loop")
        if issuer is not None:
            issuer.begin()
        done = _wait(worker, lambda: progress(int(words[1])) if progress else None)
        run.found.effective["serving"] = done.serving
        run.span("open_loop", TraceLevel.APPLICATION_TRACE, done.start_ns, done.end_ns)
        if (issuer is not None and issuer.process.wait(timeout=10)) or not words[3]:
            raise WorkerError(
                f"the issuer ended after {int(words[1])} of {count} requests; what was measured is kept",
                hint=f"its log is {run.path / 'logs' / 'issuer.log'}",
            )
    finally:
        if issuer is not None:
            issuer.close()
        wake.unlink(missing_ok=True)
    if command.interval_ns:  # the ticks that the queries were really issued at
        np.save(file, np.stack([words[head : head + count], schedule.inputs], axis=1))
    return Issued(gathered(samples), digest(file))


def _wait(worker: Worker, look: Callable[[], None]) -> OpenLoopDone:
    """Wait for the end; nothing else wakes this process than the time to report progress."""
    with selectors.DefaultSelector() as selector:
        selector.register(worker.channel, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout=_LOOK_S):
                look()
                continue
            for message in worker.receive():
                if isinstance(message, OpenLoopDone):
                    return message
                raise WorkerError(f"the worker answered {type(message).__name__} to OpenLoop")


def gathered(samples: Path) -> Array:
    """The rows that a worker has written, warm-up left out, in the order of the requests."""
    data = np.fromfile(samples, "<i8") if samples.is_file() else np.zeros(0, np.int64)
    rows = data[: len(data) // 8 * 8].reshape(-1, 8)
    rows = rows[(rows[:, -1] & (FLAG_VALID | FLAG_WARMUP)) == FLAG_VALID]
    kept: Array = rows[np.argsort(rows[:, SAMPLE_FIELDS.index("query")], kind="stable")]
    return kept
