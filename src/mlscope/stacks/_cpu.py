"""The processor: name, topology, caches, and what decides its speed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlscope.stacks._reading import cpu_list, integer, present, run, text

__all__ = ["describe_cpu", "lscpu"]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_CACHE_KINDS = {"Data": "d", "Instruction": "i", "Unified": ""}


def describe_cpu(root: Path, listed: Mapping[str, str]) -> dict[str, Any]:
    """What the kernel and :func:`lscpu` (`listed`) tell of the processor; what they do not tell is absent.

    Keys: ``name``, ``vendor``, ``family``, ``model``, ``stepping``, ``microcode``, ``threads`` (logical CPUs that
    are online), ``cores``, ``sockets``, ``threads_per_core``, ``smt``, ``caches``, ``flags``, ``governors``,
    ``frequency_khz``, ``turbo``, ``isolated``, ``mitigations``, ``numa``.
    """
    info = _cpuinfo(root)
    folder = root / "sys/devices/system/cpu"
    online = cpu_list(text(folder / "online"))
    cpus = [path for number in online if (path := folder / f"cpu{number}").is_dir()]
    cores, sockets = _topology(cpus)
    return present(
        name=info.get("model name") or info.get("cpu") or listed.get("Model name") or info.get("Processor"),
        vendor=info.get("vendor_id") or info.get("CPU implementer") or listed.get("Vendor ID"),
        family=info.get("cpu family"),
        model=info.get("model") or info.get("CPU part"),
        stepping=info.get("stepping"),
        microcode=info.get("microcode"),
        threads=len(online) or None,
        cores=cores,
        sockets=sockets,
        threads_per_core=len(online) // cores if cores else None,
        smt=_switch(integer(folder / "smt/active")),
        caches=_caches(cpus),
        flags=sorted((info.get("flags") or info.get("Features") or "").split()),
        governors=sorted({found for path in cpus if (found := text(path / "cpufreq/scaling_governor"))}),
        frequency_khz=_frequencies(cpus),
        turbo=_turbo(folder),
        isolated=text(folder / "isolated"),
        mitigations=_mitigations(folder),
        numa=_numa(root),
    )


def lscpu(root: Path) -> dict[str, str]:
    """The fields of ``lscpu -J``, where it is installed."""
    elsewhere = () if root == Path("/") else ("--sysroot", str(root))
    printed = run("lscpu", "-J", *elsewhere, environment={"LC_ALL": "C"})
    try:
        return _fields(json.loads(printed or "{}").get("lscpu", []))
    except (ValueError, AttributeError, TypeError, KeyError):
        return {}


def _fields(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Newer versions nest their fields."""
    found: dict[str, str] = {}
    for entry in entries:
        if entry.get("data"):
            found.setdefault(entry["field"].rstrip(":"), entry["data"])
        found.update(_fields(entry.get("children", [])))
    return found


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor's paragraph of /proc/cpuinfo."""
    lines = (text(root / "proc/cpuinfo") or "").partition("\n\n")[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, colon, value in pairs if colon and value.strip()}


def _topology(cpus: list[Path]) -> tuple[int | None, int | None]:
    """Physical cores and sockets; None where the kernel does not tell (it says -1 then)."""
    places = [
        (integer(path / "topology/physical_package_id"), text(path / "topology/thread_siblings_list")) for path in cpus
    ]
    cores = {siblings for _, siblings in places if siblings}
    sockets = {package for package, _ in places if package is not None and package >= 0}
    return len(cores) or None, len(sockets) or None


def _caches(cpus: list[Path]) -> dict[str, dict[str, int]]:
    """``L1d``, ``L1i``, ``L2`` … → size of one in bytes, and how many there are."""
    instances: dict[str, dict[str, int]] = {}
    for path in cpus:
        for index in sorted(path.glob("cache/index*")):
            level, kind, size = (text(index / name) for name in ("level", "type", "size"))
            bytes_ = _size(size)
            if level and kind in _CACHE_KINDS and bytes_:
                shared = text(index / "shared_cpu_list") or path.name
                instances.setdefault(f"L{level}{_CACHE_KINDS[kind]}", {})[shared] = bytes_
    return {
        name: {"size_bytes": max(found.values()), "instances": len(found)} for name, found in sorted(instances.items())
    }


def _size(size: str | None) -> int | None:
    found = re.fullmatch(r"([0-9]{1,12})([KMG]?)", size or "")
    return int(found[1]) * _UNITS[found[2]] if found else None


def _frequencies(cpus: list[Path]) -> dict[str, int]:
    """Lowest and highest frequency over all cores: what the hardware can do, and what is allowed now."""
    names = {
        "hardware_min": ("cpuinfo_min_freq", min),
        "hardware_max": ("cpuinfo_max_freq", max),
        "allowed_min": ("scaling_min_freq", min),
        "allowed_max": ("scaling_max_freq", max),
    }
    found: dict[str, int] = {}
    for name, (file, choose) in names.items():
        values = [value for path in cpus if (value := integer(path / "cpufreq" / file)) is not None]
        if values:
            found[name] = choose(values)
    return found


def _turbo(folder: Path) -> bool | None:
    no_turbo = integer(folder / "intel_pstate/no_turbo")
    if no_turbo is not None:
        return no_turbo == 0
    return _switch(integer(folder / "cpufreq/boost"))


def _switch(value: int | None) -> bool | None:
    return None if value is None else value > 0


def _mitigations(folder: Path) -> dict[str, str]:
    """What the kernel does against the processor's flaws; it costs time."""
    return {
        path.name: state
        for path in sorted((folder / "vulnerabilities").glob("*"))
        if (state := text(path)) and state != "Not affected"
    }


def _numa(root: Path) -> dict[str, dict[str, Any]]:
    """NUMA node → its CPUs and its memory."""
    nodes = {}
    for path in sorted((root / "sys/devices/system/node").glob("node[0-9]*")):
        memory = re.search(r"MemTotal:\s*([0-9]+) kB", text(path / "meminfo") or "")
        nodes[path.name.removeprefix("node")] = present(
            cpus=text(path / "cpulist"), memory_bytes=int(memory[1]) * 1024 if memory else None
        )
    return nodes
