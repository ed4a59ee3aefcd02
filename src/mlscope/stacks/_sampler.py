"""The CPU time of our own processes, of others and of the hypervisor, some times a second.

Run as a script (``PYTHON -I -S _sampler.py PID FILE CPU_STAT [sensors]``) it writes one JSON line an interval into FILE
until its stdin is closed. PID is the root of our own processes, CPU_STAT the control group's ``cpu.stat`` or nothing;
``sensors`` are read for a HARDWARE_TRACE. Standard library only: it starts in some 20 ms and shares no interpreter with
what is measured. Source: proc(5).
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import select
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TextIO

__all__ = ["INTERVAL_S", "SAMPLER", "Meter", "Sensors", "sample"]

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
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

Process = tuple[int, str]  # pid and start time: numbers of processes are used again


class Counters(NamedTuple):
    """What has been counted since the machine started; seconds of CPU time."""

    time_ns: int
    busy_s: float
    steal_s: float
    own_s: float
    throttled_periods: int | None
    throttled_ns: int | None


class Sensors:
    """Temperatures, energy, memory and frequencies, as far as the kernel tells of them.

    Sources: the kernel's documents on thermal, hwmon, powercap and cpufreq; proc(5).

    Args:
        sys_folder: Where /sys is.
        proc: Where /proc is.

    Attributes:
        missing: What cannot be read here → why.
    """

    def __init__(self, sys_folder: str = "/sys", proc: str = "/proc") -> None:
        self.missing: dict[str, str] = {}
        self._memory = f"{proc}/meminfo"
        zones = [(zone, f"{zone}/temp") for zone in glob.glob(f"{sys_folder}/class/thermal/thermal_zone*")]
        chips = [(path[: -len("_input")], path) for path in glob.glob(f"{sys_folder}/class/hwmon/hwmon*/temp*_input")]
        rapl = [(zone, f"{zone}/energy_uj") for zone in glob.glob(f"{sys_folder}/class/powercap/intel-rapl:*")]
        cpus = glob.glob(f"{sys_folder}/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
        self._found = [
            *self._readable("temperature", "celsius", 1e-3, zones + chips),
            *self._readable("energy", "joules", 1e-6, rapl),
            *self._readable("frequency", "hertz", 1e3, [(path, path) for path in cpus[:_MOST_CPUS]]),
        ]

    def _readable(
        self, kind: str, unit: str, scale: float, places: list[tuple[str, str]]
    ) -> list[tuple[str, float, str]]:
        """Name of the value, factor and file of each that can be read."""
        found, why = [], "the kernel has none"
        for place, path in sorted(places):
            try:
                int(_read(path))
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or "not a number"
                continue
            found.append((f"{kind}_{unit} {_label(place)}", scale, path))
        if not found:
            self.missing[kind] = why
        return found

    def read(self) -> dict[str, float]:
        """All values by name; the unit is the last word of a name's first part."""
        values = {}
        for name, scale, path in self._found:
            with contextlib.suppress(OSError, ValueError):
                values[name] = round(int(_read(path)) * scale, 6)
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = dict(line.split(":") for line in _read(self._memory).splitlines() if ":" in line)
            values["memory_available_bytes"] = float(lines["MemAvailable"].split()[0]) * 1024
        return values


class Meter:
    """Intervals between readings.

    Args:
        pid: Root of our own processes. Only the CPUs that it may run on are looked at.
        cpu_stat: The control group's file of throttling.
        proc: Where /proc is.
        sensors: Read at each interval too.

    Raises:
        OSError: The kernel has no such files, so there is nothing to read.
    """

    def __init__(
        self, pid: int, cpu_stat: str | None = None, proc: str = "/proc", sensors: Sensors | None = None
    ) -> None:
        self._pid = pid
        self._sensors = sensors
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
            ``sampler_ns`` (CPU time of this process); where it was looked for, ``top``: name, pid and cores of the
            busiest foreign process; and ``sensors``: :meth:`Sensors.read`, with the memory of our own processes.
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
        if self._sensors:
            row["sensors"] = {**self._sensors.read(), "memory_own_bytes": sum(map(self._resident, self._family()))}
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

    def _resident(self, pid: int) -> int:
        """Memory of a process, bytes; what processes share is counted in each."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(_read(f"{self._proc}/{pid}/statm").split()[1]) * _PAGE
        return 0

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


def _label(place: str) -> str:
    """What a sensor is called: by its label or type, and always by its place, since labels are not unique."""
    where = "/".join(place.split("/")[-2:]) if "hwmon" in place or "cpufreq" in place else place.rsplit("/", 1)[-1]
    for path in (f"{place}_label", f"{place}/type", f"{place}/name"):
        with contextlib.suppress(OSError):
            return f"{where} ({_read(path).strip()})"
    return place.split("/")[-3] if "cpufreq" in place else where


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
        cpu_stat, sensors, *_ = *argv[2:], "", ""
        sample(Meter(int(argv[0]), cpu_stat or None, sensors=Sensors() if sensors else None), out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
