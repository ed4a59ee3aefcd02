"""Descriptions of systems, and how models were measured on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from mlscope.submissions._evidence import Scope

__all__ = ["check_measurements", "check_system", "is_network"]

_TYPES = ("edge", "datacenter", "datacenter,edge", "edge,datacenter")
_NETWORK_FIELDS = (
    "is_network",
    "network_type",
    "network_media",
    "network_rate",
    "nic_loadgen",
    "number_nic_loadgen",
    "net_software_stack_loadgen",
    "network_protocol",
    "number_connections",
    "nic_sut",
    "number_nic_sut",
    "net_software_stack_sut",
    "network_topology",
)
_MEASUREMENTS = (
    "input_data_types",
    "retraining",
    "starting_weights_filename",
    "weight_data_types",
    "weight_transformations",
)
_SETTING = re.compile(r"^\s*([^#\s]+)\.(\w+|\*)\.(\w+)\s*=\s*([^#\s]+)")
_FIXED = {
    ("SingleStream", "target_latency_percentile"): 90,
    ("MultiStream", "target_latency_percentile"): 99,
    ("Server", "target_latency_percentile"): 99,
    ("MultiStream", "samples_per_query"): 8,
    ("Server", "target_latency"): 15,
}
"""What the closed division lets nobody choose → the value that it has there (of resnet)."""
_IGNORED = re.compile(r"\w*_rng_seed|accuracy_log_probability|test05\w*")
_TAKEN = "accuracy_log_rng_seed"  # the one seed that LoadGen takes from user.conf


def is_network(description: Mapping[str, Any]) -> bool:
    """Whether the system is reached over a network."""
    return str(description.get("is_network", "")).lower() == "true"


def check_system(scope: Scope, division: str, submitter: str, system: str) -> dict[str, Any] | None:
    """Check `systems/SYSTEM.json`.

    Returns:
        What it says; None: it is missing or broken.
    """
    file = PurePath(division, submitter, "systems", f"{system}.json")
    found = scope.json(file, "system-broken")
    if found is None:
        if scope.size(file) is None:
            scope.findings.add("system-missing", file, f"{system} has results and no description")
        return None
    for rule, message in (
        *_fields(scope, found),
        *_values(scope, found),
        *_names(found, division, submitter),
        *_network(found, division),
    ):
        scope.findings.add(rule, file, message)
    return found


def _fields(scope: Scope, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = (*scope.round.system_fields, *(_NETWORK_FIELDS if found.get("is_network") else ()))
    for field in wanted:
        if field not in found:
            yield "system-field", f"{field} is missing"
        elif not found[field] and field in scope.round.system_fields and field not in scope.round.empty_system_fields:
            yield "system-field-empty", f"{field} is {found[field]!r}"


def _values(scope: Scope, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in ("number_of_nodes", "accelerators_per_node") if scope.round.early_stopping else ():
        if found.get(field) and not str(found[field]).strip().isdecimal():
            yield "system-field-kind", f"{field} is {found[field]!r}"
    for field in ("hw_notes", "sw_notes"):
        if found.get(field) and not isinstance(found[field], str):
            yield "system-field-kind", f"{field} is no text"
    status = str(found.get("status"))
    if status.lower() not in scope.round.statuses:
        yield "system-status", f"status is {status!r}, none of {', '.join(sorted(scope.round.statuses))}"
    if scope.round.early_stopping and found.get("system_type") not in _TYPES:
        yield "system-type", f"system_type is {found.get('system_type')!r}, none of {' | '.join(_TYPES)}"


def _names(found: Mapping[str, Any], division: str, submitter: str) -> Iterator[tuple[str, str]]:
    for rule, field, folder in (
        ("system-submitter", "submitter", submitter),
        ("system-division", "division", division),
    ):
        if str(found.get(field)).lower() != folder.lower():
            yield rule, f"{field} is {found.get(field)!r}, the folder is {folder!r}"


def _network(found: Mapping[str, Any], division: str) -> Iterator[tuple[str, str]]:
    if division != "open" and is_network(found) != (division == "network"):
        yield "system-network", f"is_network is {found.get('is_network')!r} in the {division} division"


def check_measurements(scope: Scope, folder: PurePath, system: str, scenario: str, closed: bool) -> None:
    """Check how a result was measured.

    Args:
        scope: Where findings go.
        folder: With `measurements.json` or, until v5.1, `SYSTEM*.json`; with `user.conf` and `README.md`.
        system: Name of the system.
        scenario: Of the result.
        closed: Whether the rules of the closed division hold.
    """
    files = scope.files(folder)
    for name in scope.round.measurement_files:
        if name not in files:
            scope.findings.add("measurements-file", folder / name, "the file is missing")
        elif not scope.size(folder / name):
            scope.findings.add("measurements-file", folder / name, "the file is empty")
    described = _description(scope, files, system)
    if described is None:
        scope.findings.add("measurements-missing", folder, "there is no JSON of measurements")
    else:
        _described(scope, folder / described)
    if scope.round.early_stopping:
        _conf(scope, folder / "user.conf", scenario, closed)


def _description(scope: Scope, files: list[str], system: str) -> str | None:
    if scope.round.measurements_folder is None:
        return "measurements.json" if "measurements.json" in files else None
    return next((name for name in files if name.startswith(system) and name.endswith(".json")), None)


def _described(scope: Scope, file: PurePath) -> None:
    found = scope.json(file, "measurements-broken")
    for field in _MEASUREMENTS if found is not None else ():
        if not (found or {}).get(field):
            scope.findings.add("measurements-field", file, f"{field} is missing or empty")


def _conf(scope: Scope, file: PurePath, scenario: str, closed: bool) -> None:
    for line_number, line in enumerate((scope.text(file) or "").splitlines(), 1):
        if not (found := _SETTING.match(line)):
            continue
        _, of, key, value = found.groups()
        where = f"line {line_number}: {line.split('#')[0].strip()}"
        fixed = _FIXED.get((scenario, key)) if closed and of in {"*", scenario} else None
        if fixed is not None and value != str(fixed):
            scope.findings.add("conf-open-only", file, where)
        elif _IGNORED.fullmatch(key) and key != _TAKEN:
            scope.findings.add("conf-ignored", file, where)
