"""The system of a submission: what was recorded about the machine, and what only a person knows.

A system file is the JSON of a submission's `systems` folder, without what each submission decides for itself (division,
framework). What is `null` in it is still to be answered. Fields: mlcommons/inference,
`tools/submission/submission_checker/constants.py`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlscope._files import write_atomic
from mlscope.errors import DataError, UsageError
from mlscope.results import System

__all__ = ["FIELDS", "QUESTIONS", "Question", "answer", "machine_fields", "read_system", "unanswered", "write_system"]

FIELDS = (
    "submitter",
    "status",
    "system_type",
    "system_type_detail",
    "system_name",
    "number_of_nodes",
    "host_processors_per_node",
    "host_processor_model_name",
    "host_processor_core_count",
    "host_processor_frequency",
    "host_processor_caches",
    "host_processor_interconnect",
    "host_memory_capacity",
    "host_memory_configuration",
    "host_storage_type",
    "host_storage_capacity",
    "host_networking",
    "host_networking_topology",
    "host_network_card_count",
    "accelerators_per_node",
    "accelerator_model_name",
    "accelerator_host_interconnect",
    "accelerator_frequency",
    "accelerator_on-chip_memories",
    "accelerator_memory_configuration",
    "accelerator_memory_capacity",
    "accelerator_interconnect",
    "accelerator_interconnect_topology",
    "cooling",
    "hw_notes",
    "operating_system",
    "other_software_stack",
    "sw_notes",
)
"""Keys of a system file, in the order in which they are written; `division` and `framework` come with the export."""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What only a person can answer."""

    text: str
    choices: tuple[str, ...] = ()
    """The answers that there are; none: free text."""


QUESTIONS: dict[str, Question] = {
    "submitter": Question("Who submits: the organisation, as its folder in the tree is called"),
    "status": Question(
        "Can the system be bought (rdi: research, development or internal)", ("available", "preview", "rdi")
    ),
    "system_type": Question("What it is", ("edge", "datacenter", "datacenter,edge", "edge,datacenter")),
    "system_name": Question("What the system is called"),
    "host_memory_configuration": Question("Memory modules, for instance 4x 16 GB DDR4-3200"),
    "host_storage_type": Question("Storage, for instance NVMe SSD"),
    "host_storage_capacity": Question("Its capacity, for instance 1 TB"),
    "host_networking": Question("Network, for instance Gigabit Ethernet"),
    "host_networking_topology": Question("Its topology; N/A for one machine"),
    "host_network_card_count": Question("Network cards, for instance 1"),
    "cooling": Question("How it is cooled, for instance air or passive"),
}
"""Key → question; the other fields are found on the machine, or may stay empty."""

_MAY_BE_EMPTY = (
    "system_type_detail",
    "host_processor_frequency",
    "host_processor_caches",
    "host_processor_interconnect",
    "accelerator_frequency",
    "accelerator_on-chip_memories",
    "accelerator_interconnect_topology",
    "hw_notes",
    "sw_notes",
)
_NONE = "N/A"
_GIB = 1 << 30


def machine_fields(system: System) -> dict[str, str]:
    """What a record's machine says of itself.

    Args:
        system: The machine, as records have it.

    Returns:
        Key → value, only of what is known.
    """
    details = system.details
    cpu: Mapping[str, Any] = details.get("cpu") or {}
    found = {
        "number_of_nodes": "1",
        "host_processors_per_node": str(cpu.get("sockets") or 1),
        "host_processor_model_name": system.cpu_name,
        "host_processor_core_count": str(cpu.get("cores") or system.cpu_count),
        "host_processor_frequency": _frequency(cpu.get("frequency_khz") or {}),
        "host_processor_caches": _caches(cpu.get("caches") or {}),
        "host_memory_capacity": f"{system.memory_bytes / _GIB:.0f} GiB",
        "operating_system": f"{system.operating_system}; {system.kernel}",
        "other_software_stack": "; ".join(filter(None, (system.python, details.get("libc")))),
    }
    return {key: value for key, value in (found | _accelerators(system)).items() if value}


def _frequency(khz: Mapping[str, int]) -> str:
    highest = khz.get("hardware_max")
    return f"{highest / 1e6:.2f} GHz (highest)" if highest else ""


def _caches(caches: Mapping[str, Mapping[str, int]]) -> str:
    parts = []
    for name, each in caches.items():
        size, count = each["size_bytes"], each["instances"]
        text = f"{size / (1 << 20):g} MiB" if size >= 1 << 20 else f"{size / 1024:g} KiB"
        parts.append(f"{name} {count}x {text}" if count > 1 else f"{name} {text}")
    return ", ".join(parts)


def _accelerators(system: System) -> dict[str, str]:
    """GPUs by their names; without one, that there is none."""
    names = system.gpu_names
    found = {key: _NONE for key in FIELDS if key.startswith("accelerator_")}
    if names:
        gpus: list[Mapping[str, Any]] = list(system.details.get("gpus") or [{}])
        memory = gpus[0].get("memory_bytes")
        found["accelerator_model_name"] = ", ".join(dict.fromkeys(names))
        if memory:
            found["accelerator_memory_capacity"] = f"{memory / _GIB:.0f} GiB"
    return found | {"accelerators_per_node": str(len(names))}


def read_system(path: Path) -> dict[str, str | None]:
    """A system file, or the system's JSON of an earlier submission.

    Numbers become text, as the official checker wants them.

    Returns:
        Key → answer; None where it is still missing. Keys that submissions do not know are kept.

    Raises:
        DataError: It cannot be read, or is no JSON object of texts.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = f"mlscope submission system init {path} writes it"
        raise DataError("there is no such system file", where=str(path), hint=hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"the system file cannot be read: {error}", where=str(path)) from error
    if not isinstance(found, dict):
        raise DataError("a system file is one JSON object", where=str(path))
    answers: dict[str, str | None] = {}
    for key, value in found.items():
        if key == "division":
            continue
        if isinstance(value, (dict, list)):
            raise DataError(f"{key} is a text in a system file", where=str(path))
        answers[key] = None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return {key: None for key in FIELDS if key not in answers} | answers


def write_system(path: Path, answers: Mapping[str, str | None]) -> None:
    """Write a system file.

    Raises:
        ResourceError: The disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = {key: answers.get(key) for key in FIELDS} | dict(answers)
    write_atomic(path, json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")


def answer(key: str, text: str) -> str:
    """An answer to a field, checked.

    Raises:
        UsageError: There is no such field, or the answer is none of its choices.
    """
    if key not in FIELDS:
        hint = "division and framework come with the export" if key in {"division", "framework"} else None
        raise UsageError(f'"{key}" is no field of a system file', hint=hint or f"its fields: {', '.join(FIELDS)}")
    choices = QUESTIONS[key].choices if key in QUESTIONS else ()
    found = text.strip()
    if choices and found.lower() not in choices:
        raise UsageError(f'{key} cannot be "{found}"', hint=f"one of {', '.join(choices)}")
    if not found and key not in _MAY_BE_EMPTY:
        raise UsageError(f"{key} may not be empty", hint=f'write "{_NONE}" where there is none')
    return found.lower() if choices else found


def unanswered(answers: Mapping[str, str | None]) -> list[str]:
    """Fields of a system file that need an answer and have none."""
    return [key for key in FIELDS if not answers.get(key) and key not in _MAY_BE_EMPTY]
