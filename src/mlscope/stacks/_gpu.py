"""GPUs, as NVIDIA's driver tells of them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlscope.errors import StackError
from mlscope.stacks._reading import present, run, text

__all__ = ["chosen_gpu", "describe_gpus", "find_gpu"]

_QUERY = ("index", "name", "memory.total", "driver_version", "pci.bus_id", "compute_cap", "power.limit")


def find_gpu(device_id: int = 0) -> str:
    """Name of the GPU with this number.

    Raises:
        StackError: There is none.
    """
    gpus = describe_gpus(Path("/"))
    for gpu in gpus:
        if gpu["index"] == device_id:
            return str(gpu["name"])
    if not gpus:
        raise StackError(
            "no GPU was found on this machine",
            hint="leave out --gpu, or install the driver so that nvidia-smi lists the GPU",
        )
    known = ", ".join(f"{gpu['index']} ({gpu['name']})" for gpu in gpus)
    raise StackError(f"no GPU has the number {device_id}; there are {known}", hint="choose one of these")


def chosen_gpu(number: int, env: Mapping[str, str]) -> str:
    """What CUDA and container engines call a GPU; where ``CUDA_VISIBLE_DEVICES`` names some, only these are counted.

    Raises:
        StackError: The variable does not name so many.
    """
    visible = env.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return str(number)
    names = [name.strip() for name in visible.split(",") if name.strip()]
    if number >= len(names):
        raise StackError(
            f"CUDA_VISIBLE_DEVICES={visible} offers {len(names)} GPUs, so none has the number {number}",
            hint="choose one of these with --gpu-device-id, or change the variable",
        )
    return names[number]


def describe_gpus(root: Path) -> list[dict[str, Any]]:
    """One entry a GPU: ``index`` and ``name``, and of ``nvidia-smi`` also memory, driver and limits."""
    query = f"--query-gpu={','.join(_QUERY)}"
    printed = run("nvidia-smi", query, "--format=csv,noheader,nounits", timeout_s=30)
    rows = [[cell.strip() for cell in row] for row in csv.reader((printed or "").splitlines())]
    gpus = [_from_row(row) for row in rows if len(row) == len(_QUERY) and row[0].isdecimal()]
    return gpus or _from_driver(root)


def _from_row(row: list[str]) -> dict[str, Any]:
    index, name, memory, driver, bus, capability, power = (
        None if cell.strip("[]") in {"", "N/A", "Not Supported"} else cell for cell in row
    )
    return present(
        index=int(index or 0),
        name=name or "unknown",
        memory_bytes=int(memory) << 20 if memory and memory.isdecimal() else None,
        driver_version=driver,
        pci_bus_id=bus,
        compute_capability=capability,
        power_limit_w=float(power) if power and re.fullmatch(r"[0-9]+(\.[0-9]+)?", power) else None,
    )


def _from_driver(root: Path) -> list[dict[str, Any]]:
    """Without nvidia-smi (in a container, say) the kernel module still tells the names."""
    names = (
        re.search(r"^Model:\s*(\S.*)$", text(path) or "", re.MULTILINE)
        for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    )
    found = (match[1].strip() for match in names if match)
    return [{"index": index, "name": name} for index, name in enumerate(found)]
