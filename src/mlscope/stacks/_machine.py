"""The machine that an evaluation runs on, as the record tells of it."""

from __future__ import annotations

import os
import platform
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlscope.stacks._cpu import describe_cpu, lscpu
from mlscope.stacks._environment import telling_variables
from mlscope.stacks._gpu import describe_gpus
from mlscope.stacks._limits import describe_cgroup
from mlscope.stacks._reading import present, run, text

__all__ = ["describe_machine"]

_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "ppc64le": "ppc64le",
    "i386": "i386",
    "i486": "i386",
    "i586": "i386",
    "i686": "i386",
    "s390x": "s390x",
}


def describe_machine(root: Path = Path("/")) -> dict[str, Any]:
    """The machine, now: ``System(**describe_machine())`` of :mod:`mlscope.results` works.

    Facts come from ``/proc``, ``/sys``, ``lscpu`` and ``nvidia-smi``, whichever are there. What cannot be
    found out is absent (``cpu_name``: ``unknown``), never zero. ``details`` holds the keys ``cpu``, ``memory``,
    ``load_average``, ``cgroup``, ``affinity``, ``virtualisation``, ``product``, ``libc``, ``environment``, ``gpus``.

    Args:
        root: Folder under which ``/proc`` and ``/sys`` are looked for.
    """
    listed = lscpu(root)
    cpu = describe_cpu(root, listed)
    cgroup = describe_cgroup(root)
    memory = _memory(root)
    affinity = _affinity()
    gpus = describe_gpus(root)
    return {
        "hostname": socket.gethostname(),
        "machine_architecture": _ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower()),
        "cpu_name": re.sub(r"\s+", " ", cpu.get("name", "unknown")),
        "cpu_count": _usable(len(affinity), cgroup.get("cpu_quota_cores")),
        "memory_bytes": memory.get("total_bytes") or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "operating_system": _operating_system(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "gpu_names": tuple(gpu["name"] for gpu in gpus),
        "details": present(
            cpu=cpu,
            memory=memory,
            load_average=_load_average(root),
            cgroup=cgroup,
            affinity=affinity,
            virtualisation=_virtualisation(root, listed),
            product=_product(root),
            libc=" ".join(platform.libc_ver()).strip(),
            environment=telling_variables(os.environ),
            gpus=gpus,
        ),
    }


def _affinity() -> list[int]:
    """Logical CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _usable(cores: int, quota: float | None) -> int:
    """Logical cores that can be kept busy; a fraction of a core would be throttled, so it does not count."""
    return cores if quota is None else max(1, min(cores, int(quota)))


def _memory(root: Path) -> dict[str, Any]:
    """Bytes by ``/proc/meminfo``; a total of zero swap is a fact."""
    lines = (text(root / "proc/meminfo") or "").splitlines()
    kib = {found[1]: int(found[2]) for line in lines if (found := re.match(r"(\w+):\s+([0-9]+) kB", line))}
    wanted = {
        "total_bytes": "MemTotal",
        "available_bytes": "MemAvailable",
        "swap_total_bytes": "SwapTotal",
        "swap_free_bytes": "SwapFree",
    }
    pages = re.search(r"\[(\w+)\]", text(root / "sys/kernel/mm/transparent_hugepage/enabled") or "")
    return {
        **{name: kib[key] * 1024 for name, key in wanted.items() if key in kib},
        **present(transparent_hugepages=pages[1] if pages else None),
    }


def _load_average(root: Path) -> list[float]:
    """Over the last 1, 5 and 15 minutes."""
    return [float(word) for word in re.findall(r"[0-9]+\.[0-9]+", text(root / "proc/loadavg") or "")[:3]]


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _virtualisation(root: Path, listed: Mapping[str, str]) -> dict[str, Any]:
    """``hypervisor`` and ``container``, where there is one."""
    container = {".dockerenv": "docker", "run/.containerenv": "podman"}
    asked = run("systemd-detect-virt", "--vm") if root == Path("/") else None  # fails where there is none
    return present(
        hypervisor=(asked or "").strip() or listed.get("Hypervisor vendor") or text(root / "sys/hypervisor/type"),
        container=next((name for file, name in container.items() if (root / file).exists()), None),
    )


def _product(root: Path) -> dict[str, Any]:
    """What the maker calls the machine (a cloud: its instance type); serial numbers are left alone."""
    folder = root / "sys/class/dmi/id"
    model = text(root / "proc/device-tree/model")
    return present(
        vendor=text(folder / "sys_vendor"), name=text(folder / "product_name") or (model and model.strip("\0"))
    )
