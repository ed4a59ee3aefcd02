"""What the control groups that this process lives in allow it (cgroup v1 and v2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlscope.stacks._reading import integer, present, text

__all__ = ["cpu_stat_file", "describe_cgroup"]

_UNLIMITED_BYTES = 1 << 60  # version 1 writes the largest multiple of a page


def describe_cgroup(root: Path) -> dict[str, Any]:
    """``version``, ``cpu_quota_cores`` (1.5: one and a half cores' time) and ``memory_limit_bytes``.

    A limit of any group above counts too. Limits that do not exist are absent.
    """
    groups = _groups(root)
    quotas = [quota for folder in _folders(root, groups, "cpu") if (quota := _quota(folder))]
    limits = [limit for folder in _folders(root, groups, "memory") if (limit := _memory(folder))]
    return present(
        version=(2 if set(groups) == {""} else 1) if groups else None,
        cpu_quota_cores=min(quotas, default=None),
        memory_limit_bytes=min(limits, default=None),
    )


def cpu_stat_file(root: Path = Path("/")) -> Path | None:
    """The ``cpu.stat`` of the nearest group that counts throttling (``nr_throttled``); None where none does."""
    for folder in _folders(root, _groups(root), "cpu"):
        if "nr_throttled" in (text(folder / "cpu.stat") or ""):
            return folder / "cpu.stat"
    return None


def _groups(root: Path) -> dict[str, str]:
    """Controller → path of this process' group; the controller is empty in version 2."""
    found: dict[str, str] = {}
    for line in (text(root / "proc/self/cgroup") or "").splitlines():
        if parts := re.fullmatch(r"[0-9]+:([^:]*):(/.*)", line):
            for controller in parts[1].split(","):
                found[controller] = parts[2]
    return found


def _folders(root: Path, groups: dict[str, str], controller: str) -> Iterator[Path]:
    """This process' group and all above it; inside a container the file system's root is the group itself."""
    mounts = root / "sys/fs/cgroup"
    top, group = (mounts / controller, groups[controller]) if controller in groups else (mounts, groups.get("", "/"))
    folder = top / group.strip("/")
    yield from (path for path in (folder, *folder.parents) if path.is_relative_to(top))


def _quota(folder: Path) -> float | None:
    """Cores' worth of time."""
    if together := re.fullmatch(r"([0-9]+) ([0-9]+)", text(folder / "cpu.max") or ""):
        quota, period = int(together[1]), int(together[2])
    else:
        quota, period = integer(folder / "cpu.cfs_quota_us") or 0, integer(folder / "cpu.cfs_period_us") or 0
    return quota / period if quota > 0 and period > 0 else None


def _memory(folder: Path) -> int | None:
    limit = integer(folder / "memory.max") or integer(folder / "memory.limit_in_bytes")
    return limit if limit and limit < _UNLIMITED_BYTES else None
