"""Descriptions of systems, as submitters write them, as records hold them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

from mlscope.results import System
from mlscope.submissions._values import read_json

__all__ = ["Described", "described", "read_system_file", "split_framework", "whole"]

_MOST_BYTES = 4 << 20
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([kKMGT])?i?B?", re.ASCII)
_UNITS = {None: 1, "k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_FRAMEWORK = re.compile(r"([A-Za-z][A-Za-z .+/-]{0,60}?)[ _-]?v?(\d[\w.+-]{0,80})?(?:[,;( ].*)?")
_WHOLE = re.compile(r"\s*(\d{1,6})\b")


@dataclasses.dataclass(frozen=True, slots=True)
class Described:
    """A system of a submission.

    Attributes:
        system: As records hold it; its ``details`` are the whole description.
        name: What its submitter calls it.
        availability: ``available``, ``preview``, ``rdi``, …; None where it is not told.
        category: ``edge``, ``datacenter`` or both; None where it is not told (before v0.7).
        framework: The software, whole.
        accelerators: On all nodes.
    """

    system: System
    name: str | None
    availability: str | None
    category: str | None
    framework: str
    accelerators: int


def read_system_file(path: Path) -> dict[str, Any]:
    """Read a ``systems/SYSTEM.json``.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON object.
    """
    with path.open("rb") as file:
        found = read_json(file.read(_MOST_BYTES))
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def described(name: str, details: dict[str, Any]) -> Described:
    """A system from its description; what is not told or no number becomes empty or 0.

    Args:
        name: Short name of the system.
        details: The content of its file, or what is known instead of it.
    """

    def text(key: str) -> str:
        value = details.get(key)
        return value.strip() if isinstance(value, str) else "" if value is None else str(value)

    nodes = max(1, whole(details.get("number_of_nodes")))
    processors = max(1, whole(details.get("host_processors_per_node")))
    accelerators = nodes * whole(details.get("accelerators_per_node"))
    model = text("accelerator_model_name")
    return Described(
        system=System(
            hostname=name,
            machine_architecture="",
            cpu_name=text("host_processor_model_name"),
            cpu_count=nodes * processors * whole(details.get("host_processor_core_count")),
            memory_bytes=_bytes(text("host_memory_capacity")),
            operating_system=text("operating_system"),
            kernel="",
            python="",
            gpu_names=(model,) if accelerators and model else (),
            details=details,
        ),
        name=text("system_name") or None,
        availability=text("status").lower() or None,
        category=text("system_type").lower() or None,
        framework=text("framework"),
        accelerators=accelerators,
    )


def split_framework(text: str) -> tuple[str, str]:
    """Name and version of the first software that a list of software names; the version may be empty."""
    short = " ".join(text[:300].split())
    found = _FRAMEWORK.fullmatch(short)
    return (found[1], found[2] or "") if found else (short[:100], "")


def whole(value: object) -> int:
    """The number that a text begins with; 0 where it does not."""
    found = _WHOLE.match(str(value)) if value is not None else None
    return int(found[1]) if found else 0


def _bytes(text: str) -> int:
    found = _SIZE.match(text)
    return round(float(found[1]) * _UNITS[found[2]]) if found else 0
