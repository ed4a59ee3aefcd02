"""The CPU time of our own processes, of others and of the hypervisor, some times a second.

Run as a script (``PYTHON -I -S _sampler.py PID FILE [CPU_STAT]``) it writes one JSON line an interval into FILE until
its stdin is closed. PID is the root of our own processes, CPU_STAT the control group's ``cpu.stat``. Standard library
only: it starts in some 20 ms and shares no interpreter with what is measured. Source: proc(5).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TextIO

__all__ = ["INTERVAL_S", "SAMPLER", "Meter", "sample"]

SAMPLER = __file__
"""The script."""

INTERVAL_S = 0.25
"""Between two readings."""
_NAMING_CORES = 0.3
"""Foreign CPU from which all processes are looked through, to name the busiest; that costs more than a reading."""
_NAMING_S = 1.0
_NAMED_CORES = 0.05
"""A process that uses less is not named."""
_MOST_CPUS = 4
"""Frequencies are read of this many CPUs: on some machines each reading wakes its core."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01

Process = tuple[int, str]  # pid and start time: numbers of processes are used again


class Counters(NamedTuple):
    """What has been counted since the machine started; seconds of CPU time."""

    time_ns: int
    busy_s: float
    steal_s: float
    own_s: float
    throttled_periods: int | None
    throttled_ns: int | None


class Meter:
    """Intervals between readings.

    Args:
        pid: Root of our own processes. Only the CPUs that it may run on are looked at.
        cpu_stat: The control group's file of throttling.
        proc: Where /proc is.

    Raises:
        OSError: The kernel has no such files, so there is nothing to read.
    """

    def __init__(self, pid: int, cpu_stat: str | None = None, proc: str = "/proc") -> None:
        self._pid = pid
        self._cpu_stat = cpu_stat
        self._proc = proc
        self._listed = os.path.exists(f"{proc}/{pid}/task/{pid}/children")
        allowed = sorted(os.sched_getaffinity(pid))
        self._cpus = {f"cpu{number}" for number in allowed}
        self._frequency_files = [
            f"/sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq" for number in allowed[:_MOST_CPUS]
        ]
        self._last = self._counters()
        self._own_cpu_s = time.process_time()
        self._scanned = self._last.time_ns
        self._seen = self._others()

    def interval(self, *, name: bool = False) -> dict[str, Any]:
        """What happened since the last call; `name` looks for the busiest foreign process in any case.

        Returns:
            ``start_ns``, ``end_ns`` (the samples' clock), ``own_cores``, ``foreign_cores``, ``steal_cores`` (CPUs'
            worth of time), ``frequency_khz``, ``throttled_periods``, ``throttled_ns`` (None where unknown),
            ``sampler_ns`` (CPU time of this process) and, where it was looked for, ``top``: name, pid and cores of the
            busiest foreign process.
        """
        before, now = self._last, self._counters()
        seconds = max(now.time_ns - before.time_ns, 1) / 1e9
        own = max(now.own_s - before.own_s, 0.0)
        foreign = max(now.busy_s - before.busy_s - own, 0.0) / seconds
        row: dict[str, Any] = {
            "start_ns": before.time_ns,
            "end_ns": now.time_ns,
            "own_cores": round(own / seconds, 4),
            "foreign_cores": round(foreign, 4),
            "steal_cores": round(max(now.steal_s - before.steal_s, 0.0) / seconds, 4),
            "frequency_khz": self._frequency(),
            "throttled_periods": _gain(before.throttled_periods, now.throttled_periods),
            "throttled_ns": _gain(before.throttled_ns, now.throttled_ns),
        }
        self._last = now
        since = (now.time_ns - self._scanned) / 1e9
        if name or (foreign >= _NAMING_CORES and since >= _NAMING_S):
            row["top"] = self._busiest(since)
            self._scanned = now.time_ns
        cpu_s = time.process_time()
        row["sampler_ns"] = int((cpu_s - self._own_cpu_s) * 1e9)
        self._own_cpu_s = cpu_s
        return row

    def _counters(self) -> Counters:
        own = sum(self._times(pid) for pid in self._family())
        busy = steal = 0.0
        now = time.perf_counter_ns()
        for line in _read(f"{self._proc}/stat").splitlines():
            words = line.split()
            if words and words[0] in self._cpus:
                user, nice, system, _, _, irq, softirq, stolen = (int(word) for word in words[1:9])
                busy += (user + nice + system + irq + softirq) * _TICK_S
                steal += stolen * _TICK_S
        throttled = self._throttled()
        return Counters(now, busy, steal, own, throttled.get("nr_throttled"), _throttled_ns(throttled))

    def _throttled(self) -> dict[str, int]:
        if self._cpu_stat is None:
            return {}
        with contextlib.suppress(OSError, ValueError):
            pairs = (line.split() for line in _read(self._cpu_stat).splitlines())
            return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
        return {}

    def _frequency(self) -> int | None:
        """Mean of the CPUs' frequencies."""
        found = []
        for path in self._frequency_files:
            with contextlib.suppress(OSError, ValueError):
                found.append(int(_read(path)))
        return sum(found) // len(found) if found else None

    def _family(self) -> set[int]:
        """Our root process and all its descendants."""
        todo, found = [self._pid], {self._pid}
        children = self._children if self._listed else self._looked_for()
        while todo:
            for child in children(todo.pop()):
                if child not in found:
                    found.add(child)
                    todo.append(child)
        return found

    def _children(self, pid: int) -> list[int]:
        """The kernel's list, of each thread; a process that has just ended has none."""
        children: list[int] = []
        folder = f"{self._proc}/{pid}/task"
        with contextlib.suppress(OSError):
            for thread in os.listdir(folder):
                children += map(int, _read(f"{folder}/{thread}/children").split())
        return children

    def _looked_for(self) -> Callable[[int], list[int]]:
        """The same where the kernel keeps no such list: every process names its parent."""
        found: dict[int, list[int]] = {}
        for entry in os.listdir(self._proc):
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int(_fields(_read(f"{self._proc}/{int(entry)}/stat"))[1])
                found.setdefault(parent, []).append(int(entry))
        return lambda pid: found.get(pid, [])

    def _times(self, pid: int) -> float:
        """CPU time of a process and of its children that have ended, so that none is lost when one ends."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return sum(int(word) for word in _fields(_read(f"{self._proc}/{pid}/stat"))[11:15]) * _TICK_S
        return 0.0

    def _others(self) -> dict[Process, tuple[str, float]]:
        """Name and CPU time of every process that is not ours and that this user may see."""
        family = self._family()
        found = {}
        for entry in os.listdir(self._proc):
            if not entry.isdigit() or int(entry) in family:
                continue
            with contextlib.suppress(OSError, ValueError, IndexError):
                text = _read(f"{self._proc}/{entry}/stat")
                fields = _fields(text)
                name = text[text.index("(") + 1 : text.rindex(")")]
                found[int(entry), fields[19]] = (name, (int(fields[11]) + int(fields[12])) * _TICK_S)
        return found

    def _busiest(self, seconds: float) -> dict[str, Any] | None:
        """The process that used most CPU time since the last look."""
        now, before = self._others(), self._seen
        self._seen = now
        used = {key: cpu_s - before.get(key, ("", 0.0))[1] for key, (_, cpu_s) in now.items()}
        if not used or seconds <= 0:
            return None
        key = max(used, key=used.__getitem__)
        cores = round(used[key] / seconds, 4)
        return {"name": now[key][0], "pid": key[0], "cores": cores} if cores >= _NAMED_CORES else None


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _fields(stat: str) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the third on; the second, the name, may hold anything."""
    return stat[stat.rindex(")") + 1 :].split()


def _gain(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else max(now - before, 0)


def _throttled_ns(found: dict[str, int]) -> int | None:
    """Version 2 counts microseconds, version 1 nanoseconds."""
    if "throttled_usec" in found:
        return found["throttled_usec"] * 1000
    return found.get("throttled_time")


def sample(meter: Meter, out: TextIO, stdin: int = 0) -> None:
    """Write an interval a line until the other end of `stdin` is closed."""
    ended = False
    while not ended:
        ended = bool(select.select([stdin], [], [], INTERVAL_S)[0])
        out.write(json.dumps(meter.interval(name=ended)) + "\n")
        out.flush()


def main(argv: list[str]) -> int:
    """The script; ends silently where there is nothing to read or to write."""
    with contextlib.suppress(OSError), open(argv[1], "w", encoding="utf-8") as out:
        sample(Meter(int(argv[0]), argv[2] if len(argv) > 2 else None), out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
