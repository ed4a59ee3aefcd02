"""One test of the official MLPerf LoadGen; what answers it is in :mod:`mlscope.worker.load.sut`."""

from __future__ import annotations

import gc
import os
import select
import threading
import time
from importlib import metadata
from typing import IO, Callable

from mlscope.worker._model import Model
from mlscope.worker._problem import Problem
from mlscope.worker.load import settings
from mlscope.worker.load.sut import DirectSut, ServedSut, Sut
from mlscope.worker.protocol import LoadTest, TestDone

__all__ = ["run"]

_begun = 0
"""How many tests this process has begun."""


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
        Problem: LoadGen is not installed here, a setting is none of its TestSettings, or conf files are to be read in
            a process that has run a test before (LoadGen counts them beyond a test's end, and zeroes the seeds).
    """
    global _begun  # noqa: PLW0603 - LoadGen itself lasts as long as the process
    if _begun and any((command.mlperf_conf, command.user_conf, command.audit_conf)):
        raise Problem(
            "internal", "this process has run a LoadGen test already; one with conf files needs a new process"
        )
    try:
        import mlperf_loadgen as loadgen
    except ImportError as error:
        raise Problem("framework", f"the official LoadGen is not installed in this stack: {error}") from error
    kind: type[Sut] = ServedSut if command.scenario in ("Server", "Offline") else DirectSut
    sut = kind(loadgen, command, model, answers)
    try:
        wanted = settings.build(loadgen, command, sut.warm_up(), model)
        sut.begin(wanted)
        test = loadgen.ConstructFastSUT(sut.issue, lambda: None)
        library = loadgen.ConstructQSL(
            command.sample_count, command.performance_count, sut.load_samples, sut.unload_samples
        )
        stop_watching = _die_with_the_core(commands)
        gc.collect()
        gc.freeze()
        gc.disable()
        _begun += 1
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
        serving=sut.serving(),
    )
