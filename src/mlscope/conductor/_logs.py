"""LoadGen's own logs, read into a record.

Formats: mlcommons/inference, loadgen/results.cc and loadgen/logging.cc.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlscope.results import LoadGenResult
from mlscope.worker.protocol import TestDone

__all__ = ["accuracy_log", "accuracy_samples", "read_summary", "scheduled_latencies"]

_LINE = re.compile(r"^\s*([^:]+?)\s*:\s*(.*?)\s*$")
_METRICS = (
    (re.compile(r"^([\d.]+)th percentile latency \(ns\)$"), "ns"),
    (re.compile(r"^Completed samples per second$"), "samples/s"),
    (re.compile(r"^Samples per second$"), "samples/s"),
)


def read_summary(folder: Path, scenario: str, mode: str, done: TestDone) -> tuple[LoadGenResult, str]:
    """The result of a test and the text of its summary.

    Args:
        folder: Where LoadGen wrote its logs.
        scenario: LoadGen's name of the scenario.
        mode: LoadGen's name of the mode.
        done: What the worker said of the test.
    """
    text = (folder / "mlperf_log_summary.txt").read_text(encoding="utf-8", errors="replace")
    summary = {found[1]: found[2] for line in text.splitlines() if (found := _LINE.match(line))}
    metric, value, unit = _metric(summary)
    verdict = summary.get("Result is")
    validity: Any = verdict if verdict in ("VALID", "INVALID") else None
    return (
        LoadGenResult(
            version=done.loadgen_version,
            scenario=scenario,
            mode=mode,
            validity=validity,
            failed_conditions=tuple(_failed(folder, summary, done, scenario)) if validity == "INVALID" else (),
            metric=metric,
            metric_value=value,
            metric_unit=unit,
            effective_settings=done.effective,
            summary=summary,
            errors=_count(text, "ERROR"),
            warnings=_count(text, "warning"),
        ),
        text,
    )


def _metric(summary: dict[str, str]) -> tuple[str | None, float | None, str | None]:
    for name, value in summary.items():
        for pattern, unit in _METRICS:
            if pattern.match(name):
                return name.removesuffix(" (ns)"), float(value), unit
    return None, None, None


def _count(text: str, what: str) -> int:
    found = re.search(rf"^(\d+) {what}S? encountered|^(\d+) {what}s? encountered", text, re.MULTILINE)
    return int(found[1] or found[2]) if found else 0


def _overloaded(folder: Path) -> bool:
    """Whether LoadGen ended a test because too many queries waited."""
    with (folder / "mlperf_log_detail.txt").open(encoding="utf-8", errors="replace") as file:
        return any("Too many outstanding queries" in line for line in file)


def _failed(folder: Path, summary: dict[str, str], done: TestDone, scenario: str) -> Iterator[str]:
    """Each condition that failed, as a sentence with its numbers."""
    if scenario == "Server" and _overloaded(folder):
        most = done.effective.get("server_max_async_queries")
        yield f"it is overloaded: more than {most} queries waited, so LoadGen ended the test"
    if summary.get("Performance constraints satisfied", "").upper() == "NO":
        bound = done.effective.get("server_target_latency_ns", 0) / 1e6
        share = 100 * float(done.effective.get("server_target_latency_percentile", 0.99))
        seen = summary.get(f"{share:.2f} percentile latency (ns)")
        reached = f"{float(seen) / 1e6:.2f} ms" if seen else "too long"
        yield f"the {share:g}th percentile of the latencies is {reached}, the bound is {bound:g} ms"
    if summary.get("Min duration satisfied", "").upper() == "NO":
        wanted = done.effective.get("min_duration_ms", 0) / 1000
        yield f"the queries were through before the minimum duration of {wanted:g} s was over"
    if summary.get("Min queries satisfied", "").upper() == "NO":
        yield f"fewer queries were run than the minimum of {done.effective.get('min_query_count')}"
    if summary.get("Early stopping satisfied", "").upper() == "NO":
        kind = "server_target" if scenario == "Server" else f"{_snake(scenario)}_target"
        share = 100 * float(done.effective.get(f"{kind}_latency_percentile", 0.99))
        yield (
            f"too few queries for LoadGen's early stopping to trust the {share:g}th percentile; "
            "run longer (--min-duration) or more queries"
        )


def _snake(scenario: str) -> str:
    return {"SingleStream": "single_stream", "MultiStream": "multi_stream"}.get(scenario, scenario.lower())


def accuracy_log(folder: Path) -> dict[int, float]:
    """Sample index → answer (one float32) from ``mlperf_log_accuracy.json``; the first answer of a sample counts."""
    import struct

    text = (folder / "mlperf_log_accuracy.json").read_text(encoding="utf-8")
    found: dict[int, float] = {}
    for entry in json.loads(text):
        data = bytes.fromhex(entry["data"])
        if len(data) == 4:
            found.setdefault(int(entry["qsl_idx"]), struct.unpack("<f", data)[0])
    return found


def accuracy_samples(folder: Path) -> int:
    """How many samples the accuracy part of a SubmissionRun had; it comes before the performance part."""
    count = queries = 0
    with (folder / "mlperf_log_detail.txt").open(encoding="utf-8", errors="replace") as file:
        for line in file:
            event = json.loads(line.removeprefix(":::MLLOG ")) if '"gener' in line else {}
            if event.get("key") == "generated_query_count":
                queries = int(event["value"])
            elif event.get("key") == "generated_samples_per_query":
                count += queries * int(event["value"])
            elif event.get("value") == "Starting performance mode":
                break
    return count


def scheduled_latencies(folder: Path) -> dict[int, int]:
    """Query number → latency from the scheduled arrival, nanoseconds, from LoadGen's trace (Server)."""
    found: dict[int, int] = {}
    path = folder / "mlperf_log_trace.json"
    if not path.is_file():
        return found
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if '"Sample"' not in line or '"ph":"b"' not in line.replace(" ", ""):
                continue
            try:
                event = json.loads(line.strip().rstrip(",").lstrip(","))
            except ValueError:
                continue
            values = event.get("args", {})
            if "query_seq" in values and "complete_ns" in values:
                found[int(values["query_seq"])] = int(values["complete_ns"])
    return found
