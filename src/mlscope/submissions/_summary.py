"""``mlperf_log_summary.txt``: what LoadGen says of a test to people, of v0.5 and of every later version.

Format: mlcommons/inference, loadgen/results.cc. Today's detail log has the same figures under keys of its own
(``result_…``); the figures are given under those keys, so that both can be read alike.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlscope.submissions._values import Scalar, canonical_scenario, number, scalar, tidy_text

__all__ = ["SUMMARY_FILE", "Summary", "parse_summary", "read_summary", "setting_key"]

SUMMARY_FILE = "mlperf_log_summary.txt"
_MOST_BYTES = 4 << 20
"""LoadGen's longest summaries have some kilobytes."""
_LONGEST_NAME = 200
_PERCENTILE = re.compile(r"(\d{1,3}(?:\.\d+)?)(?:th)? percentile( .*)?")
_COUNT = re.compile(r"(\d{1,12}) (error|warning)s? encountered", re.IGNORECASE)

_LAST = re.compile(r"(no|\d+) errors? encountered", re.IGNORECASE)

_KEYS = {
    "Result is": "result_validity",
    "Performance constraints satisfied": "result_perf_constraints_met",
    "Min duration satisfied": "result_min_duration_met",
    "Min queries satisfied": "result_min_queries_met",
    "Early stopping satisfied": "early_stopping_met",
    "Samples per query": "result_samples_per_query",
    "Samples per second": "result_samples_per_second",
    "Completed samples per second": "result_completed_samples_per_sec",
    "Scheduled samples per second": "result_scheduled_samples_per_sec",
    "QPS w/ loadgen overhead": "result_qps_with_loadgen_overhead",
    "QPS w/o loadgen overhead": "result_qps_without_loadgen_overhead",
    "Tokens per second": "result_tokens_per_second",
    "Tokens per second (inferred)": "result_inferred_tokens_per_second",
    "Completed tokens per second": "result_completed_tokens_per_second",
    "Completed tokens per second (inferred)": "result_inferred_completed_tokens_per_second",
    **{f"{which.capitalize()} latency (ns)": f"result_{which}_latency_ns" for which in ("min", "max", "mean")},
}
"""Today's keys of what a line is called."""

_VALIDITY = {"VALID": "VALID", "INVALID": "INVALID"}


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """A summary, read.

    Attributes:
        lines: Left → right of every line with a colon, as it stands there; of a repeated one the first.
        results: Today's keys (``result_…``) → values.
        settings: Settings of the test by today's names (``min_duration_ms``).
        scenario: LoadGen's name of today; None: not told (accuracy mode).
        validity: ``VALID`` or ``INVALID``; None: not told (accuracy mode).
        errors: How many LoadGen counted.
        warnings: Likewise.
        complete: Whether it reaches LoadGen's last sentence.
    """

    lines: Mapping[str, str]
    results: Mapping[str, Scalar]
    settings: Mapping[str, Scalar]
    scenario: str | None
    mode: str | None
    validity: str | None
    errors: int
    warnings: int
    complete: bool


def read_summary(path: Path) -> Summary:
    """Read a summary's file; bytes that are no UTF-8 and lines that say nothing are passed over.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return parse_summary(file.read(_MOST_BYTES).decode("utf-8", errors="replace"))


def parse_summary(text: str) -> Summary:
    """Read a summary's text."""
    lines: dict[str, str] = {}
    settings: dict[str, Scalar] = {}
    results: dict[str, Scalar] = {}
    section, counts, complete = "", {"error": 0, "warning": 0}, False
    for line in text.splitlines():
        if found := _COUNT.match(line):
            counts[found[2].lower()] = int(found[1])
        complete = complete or _LAST.match(line) is not None
        section = _section(line, section)
        name, value = (tidy_text(part.strip()) for part in line.partition(":")[::2])
        if not value or not 0 < len(name) <= _LONGEST_NAME:
            continue
        lines.setdefault(name, value)
        if section == "Test Parameters Used":
            settings.setdefault(setting_key(name), scalar(value))
        elif (key := _result_key(name, section)) is not None:
            results.setdefault(key, scalar(value))
    return Summary(
        lines=lines,
        results=results,
        settings=settings,
        scenario=canonical_scenario(lines.get("Scenario", "")),
        mode=mode_name(lines.get("Mode")),
        validity=_VALIDITY.get(lines.get("Result is", "")),
        errors=counts["error"],
        warnings=counts["warning"],
        complete=complete,
    )


def setting_key(name: str) -> str:
    """A setting's name of today: ``min_duration (ms)`` is ``min_duration_ms``."""
    found = re.fullmatch(r"(\w+) ?\((\w+)\)", name)
    return f"{found[1]}_{found[2]}" if found else name


def mode_name(text: str | None) -> str | None:
    """A mode's name of today: ``Performance`` is ``PerformanceOnly``."""
    return {"Performance": "PerformanceOnly", "Accuracy": "AccuracyOnly"}.get(text, text) if text else None


def _section(line: str, before: str) -> str:
    """Which part of the summary the lines below belong to."""
    title = line.strip()
    if title in ("Test Parameters Used", "Additional Stats", "MLPerf Results Summary"):
        return title
    for name in ("Per-query latency", "Per-sample latency", "Intervals between each IssueQuery"):
        if title.startswith(f"{name}:"):
            return name
    if "first token latency" in title.lower() or "time to output token" in title.lower():
        return "Tokens"
    return before


def _result_key(name: str, section: str) -> str | None:
    """Today's key of a figure; None where there is none."""
    if key := _KEYS.get(name):
        return key
    if section in ("Tokens", "Intervals between each IssueQuery"):
        return None
    found = _PERCENTILE.fullmatch(name)
    if found is None or (rank := number(found[1])) is None or found[2] != " latency (ns)":
        return None
    return f"result_{rank:.2f}_percentile_{'per_query_' if section == 'Per-query latency' else ''}latency_ns"


def failed_conditions(results: Mapping[str, Scalar], sentences: Iterable[tuple[str, str]] = ()) -> tuple[str, ...]:
    """One sentence for each condition of a test that LoadGen calls failed."""
    return tuple(text for key, text in (*_CONDITIONS, *sentences) if results.get(key) is False)


_CONDITIONS = (
    ("result_perf_constraints_met", "the latencies are beyond the scenario's bound"),
    ("result_min_duration_met", "the test was shorter than its minimum duration"),
    ("result_min_queries_met", "fewer queries were run than the minimum"),
    ("early_stopping_met", "too few queries for LoadGen's early stopping"),
)
