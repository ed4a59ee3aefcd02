"""The machine's passport of a run: a sampler beside it, and the wait for a quiet machine before it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlscope.conductor._outcome import Observer
from mlscope.errors import NotQuietError
from mlscope.results import MACHINE_FILE, Passport, System, read_series
from mlscope.stacks import SAMPLER, Meter, cpu_stat_file, judge, machine_state, measure_clocks

__all__ = ["Watch", "glance", "wait_until_quiet"]

_PATIENCE_S = 2.0
_GLANCE_S = 1.0


class Watch:
    """Watches the machine from now on, in a process of its own that sleeps nearly all the time.

    Args:
        folder: The run folder; ``machine.jsonl`` is written there.
        system: The machine.
        others: Whether own and foreign processes can be told apart (a container's are nobody's children here).
        sensors: Whether temperatures, energy and memory are read too.
    """

    def __init__(self, folder: Path, system: System, *, others: bool = True, sensors: bool = False) -> None:
        self._path = folder / MACHINE_FILE
        self._system = system
        self._others = others
        self._words = ["sensors"] if sensors else []
        self._clocks = measure_clocks()
        self._before = machine_state()
        self._after: dict[str, Any] = {}
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes] | None:
        """None where there is no /proc, or no more processes: a run can do without."""
        if not Path("/proc/stat").is_file():
            return None
        limits = cpu_stat_file()
        command = [sys.executable, "-I", "-S", SAMPLER, str(os.getpid()), str(self._path), str(limits or "")]
        with contextlib.suppress(OSError):
            return subprocess.Popen(
                [*command, *self._words],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return None

    def stop(self) -> None:
        """Take the last reading; calling it again does nothing."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._after = self._after or machine_state()

    def passport(self, span: tuple[int, int] | None) -> Passport:
        """What was seen while something was measured; `span` is that time, None where nothing was."""
        rows = read_series(self._path) if self._path.is_file() and span else []
        found = judge(rows, span, self._before, self._after, self._system.model_dump(), others=self._others)
        return Passport.model_validate({**found, **self._clocks})


def glance(machine: Mapping[str, Any], seconds: float = _GLANCE_S) -> Passport:
    """The passport of the next moment, in which this process sleeps."""
    before, rows = machine_state(), []
    with contextlib.suppress(OSError):
        limits = cpu_stat_file()
        meter = Meter(os.getpid(), str(limits) if limits else None)
        time.sleep(seconds)
        rows.append(meter.interval(name=True))
    found = judge(rows, None, before, machine_state(), machine)
    return Passport.model_validate({**found, **measure_clocks()})


def wait_until_quiet(system: System, timeout_s: float, observer: Observer) -> None:
    """Return as soon as the machine was quiet for a second.

    Raises:
        NotQuietError: It did not become so in time, or does not tell.
    """
    observer.stage("wait for a quiet machine")
    machine = system.model_dump()
    end = time.monotonic() + timeout_s
    while True:
        passport = glance(machine)
        if passport.watched_ns is None:
            raise NotQuietError("whether the machine is quiet cannot be told: it has no /proc/stat")
        if not passport.disturbances:
            return
        if time.monotonic() >= end:
            raise NotQuietError(
                f"the machine is not quiet: {'; '.join(passport.disturbances)}; waited {timeout_s:g} s",
                hint="end what disturbs, wait longer with --quiet-timeout, or leave --require-quiet out",
            )
