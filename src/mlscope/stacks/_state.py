"""What of a machine changes while it works: load, frequency, throttling."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mlscope.stacks._limits import cpu_stat_file
from mlscope.stacks._reading import integer, present, text

__all__ = ["machine_state"]


def machine_state(root: Path = Path("/")) -> dict[str, Any]:
    """The machine now; what it does not tell is absent.

    Returns:
        ``load_average_1m``, ``frequency_min_khz`` and ``frequency_max_khz`` (over all cores), ``throttled_periods``
        and ``throttled_ns`` (by the limit of this process' control group, since the group exists), ``thermal_events``
        (since the machine started).
    """
    load = (text(root / "proc/loadavg") or "").split()
    frequencies = _frequencies(root)
    return present(
        load_average_1m=float(load[0]) if load else None,
        frequency_min_khz=min(frequencies, default=None),
        frequency_max_khz=max(frequencies, default=None),
        **_throttling(root),
        thermal_events=_thermal_events(root),
    )


def _frequencies(root: Path) -> list[int]:
    """Of every core; where the kernel does not scale them, what it says in /proc/cpuinfo."""
    folder = root / "sys/devices/system/cpu"
    scaled = [integer(path) for path in folder.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    told = re.findall(r"^cpu MHz\s*:\s*([0-9.]+)", text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return [found for found in scaled if found is not None] or [round(float(each) * 1000) for each in told]


def _throttling(root: Path) -> dict[str, int]:
    path = cpu_stat_file(root)
    lines = (text(path) or "").splitlines() if path else []
    found = {words[0]: int(words[1]) for line in lines if len(words := line.split()) == 2 and words[1].isdigit()}
    blocked = found["throttled_usec"] * 1000 if "throttled_usec" in found else found.get("throttled_time")
    return present(throttled_periods=found.get("nr_throttled"), throttled_ns=blocked)


def _thermal_events(root: Path) -> int | None:
    """How often cores and packages slowed down because of heat; every core tells of its package, which counts once."""
    cpus = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"))
    cores = [integer(path / "thermal_throttle/core_throttle_count") for path in cpus]
    packages: dict[int | None, int] = {}
    for path in cpus:
        count = integer(path / "thermal_throttle/package_throttle_count")
        if count is not None:
            packages[integer(path / "topology/physical_package_id")] = count
    known = [count for count in cores if count is not None] + list(packages.values())
    return sum(known) if known else None
