"""What LoadGen wrote about a run, as far as rules are about it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import BinaryIO

from mlscope.submissions._evidence import Scope
from mlscope.submissions._rounds import scenario_name

__all__ = ["RunLog", "read_run"]

_DETAIL, _SUMMARY = "mlperf_log_detail.txt", "mlperf_log_summary.txt"
_MARK = b":::MLLOG"
_MAX_LINE = 64 << 20
_MAX_SUMMARY = 1 << 20
_KEPT = re.compile(
    r"(effective|result|early_stopping)_|(power_(begin|end)|sut_name|qsl_reported_total_count|num_errors)$"
)

_PLAIN = re.compile(rb'"pid": \d+, "tid": \d+, "ts": \d+ns : (.*)')
_PLAIN_NAMES = {
    "Scenario": "effective_scenario",
    "Test mode": "effective_test_mode",
    "min_duration (ms)": "effective_min_duration_ms",
    "max_duration (ms)": "effective_max_duration_ms",
    "target_latency (ns)": "effective_target_latency_ns",
    "QSL total size": "qsl_reported_total_count",
    "System Under Test (SUT) name": "sut_name",
}
_PLAIN_VALUES = {"Performance": "PerformanceOnly", "Accuracy": "AccuracyOnly", "true": True, "false": False}
_POWER = re.compile(r'POWER_(BEGIN|END): .*"time" : (.+)')


@dataclasses.dataclass(frozen=True, slots=True)
class RunLog:
    """The logs of one run; where a key stands twice, the first one counts."""

    values: Mapping[str, object]
    """Of the detail log, under the names that LoadGen uses today."""
    errors: tuple[str, ...]
    """What LoadGen calls an error."""
    summary: Mapping[str, str]
    """`validity` and `scenario` of the summary, where it tells them."""


def read_run(scope: Scope, folder: PurePath) -> RunLog | None:
    """Read the logs of a run; the files are read line by line, and may be larger than memory.

    Args:
        scope: Where findings go: lines that cannot be read.
        folder: The run's folder.

    Returns:
        None: there is no detail log.
    """
    path = scope.root / folder / _DETAIL
    if not path.is_file():
        return None
    summary = _summary(scope, folder / _SUMMARY)
    values: dict[str, object] = {}
    errors: list[str] = []
    try:
        with path.open("rb") as file:
            plain = file.read(len(_MARK)) != _MARK
            file.seek(0)
            problem = _plain(file, values, errors) if plain else _marked(file, values, errors)
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}"
    if problem is None and plain and scope.round.early_stopping:
        problem = f"its first line does not begin with {_MARK.decode()}"
    if problem is not None:
        scope.findings.add("log-broken", folder / _DETAIL, problem)
    if plain:
        _from_summary(values, summary)
    return RunLog(values, tuple(errors), {key: summary[key] for key in ("validity", "scenario") if key in summary})


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(_MAX_LINE):
        number += 1
        yield number, line


def _marked(file: BinaryIO, values: dict[str, object], errors: list[str]) -> str | None:
    """Read a log of today; what is wrong with it, None: nothing."""
    problem = None
    for number, line in _lines(file):
        if not line.startswith(_MARK):
            continue
        try:
            entry = json.loads(line[len(_MARK) :])
            key, value = entry["key"], entry["value"]
            is_error = entry.get("metadata", {}).get("is_error")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            end = "; the log is cut off there" if not line.endswith(b"\n") else ""
            problem = problem or f"line {number} cannot be read{end}"
            continue
        if is_error:
            errors.append(str(value)[:500])
        if isinstance(key, str) and _KEPT.match(key):
            values.setdefault(key, value)
    return problem


def _plain(file: BinaryIO, values: dict[str, object], errors: list[str]) -> str | None:
    """Read a log of v0.5."""
    seen = False
    section = ""
    for _, line in _lines(file):
        found = _PLAIN.match(line)
        if found is None:
            continue
        seen = True
        text = found.group(1).decode("utf-8", "backslashreplace").strip()
        if text.endswith(":") or not text:
            section = text
        elif text.startswith("ERROR"):
            errors.append(text[:500])
        elif power := _POWER.match(text):
            values.setdefault(f"power_{power.group(1).lower()}", power.group(2))
        else:
            _plain_value(text, section, values)
    return None if seen else "it is no log of LoadGen"


def _plain_value(text: str, section: str, values: dict[str, object]) -> None:
    name, found, value = text.rpartition(":")
    name, value = name.strip(), value.strip()
    if not found or section == "Requested Settings:":
        return
    key = _PLAIN_NAMES.get(name, f"effective_{name}" if section == "Effective Settings:" else "")
    if key:
        values.setdefault(key, _plain_number(value))


def _plain_number(text: str) -> object:
    if text in _PLAIN_VALUES:
        return _PLAIN_VALUES[text]
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return scenario_name(text) or text


def _summary(scope: Scope, file: PurePath) -> dict[str, str]:
    """The lines ``name : value`` of a summary, and `validity` and `scenario` drawn from them."""
    path: Path = scope.root / file
    try:
        with path.open("rb") as opened:
            text = opened.read(_MAX_SUMMARY).decode("utf-8", "backslashreplace")
    except OSError:
        return {}  # that it is missing is found elsewhere
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    if "Result is" in found:
        found["validity"] = found["Result is"]
    if scenario := scenario_name(found.get("Scenario", "")):
        found["scenario"] = scenario
    return found


def _from_summary(values: dict[str, object], summary: Mapping[str, str]) -> None:
    """The verdict of a run of v0.5, which its detail log does not hold."""
    if "validity" in summary:
        values["result_validity"] = summary["validity"]
    for name, key in (
        ("Min duration satisfied", "result_min_duration_met"),
        ("Min queries satisfied", "result_min_queries_met"),
    ):
        if name in summary:
            values[key] = summary[name] == "Yes"
