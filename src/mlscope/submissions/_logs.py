"""A LoadGen test's logs: the summary and the detail log as one value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from mlscope.submissions._detail import DETAIL_FILE, Detail, read_detail
from mlscope.submissions._summary import SUMMARY_FILE, Summary, failed_conditions, read_summary
from mlscope.submissions._values import Scalar

__all__ = ["LoadGenLog", "read_logs"]


@dataclasses.dataclass(frozen=True, slots=True)
class LoadGenLog:
    """What the logs of one test say; where both tell a figure, the detail log's (it has more digits) counts.

    Attributes:
        folder: Where the logs lie.
        summary: The summary; None where there is none that can be read.
        detail: The detail log; likewise.
        settings: Settings that took effect, by today's names (``min_duration_ms``), whatever the dialect.
        results: What was found (``result_validity``, ``early_stopping_latency_ss``, …), by today's keys.
        scenario: LoadGen's name; None where no log tells it.
        mode: Likewise, ``PerformanceOnly`` or ``AccuracyOnly``.
        validity: ``VALID`` or ``INVALID``; None in accuracy mode.
        failed_conditions: Which conditions failed, one sentence each.
        errors: How many LoadGen counted.
        warnings: Likewise.
        problems: What is wrong with the files themselves: missing, cut off, unreadable lines.
    """

    folder: Path
    summary: Summary | None
    detail: Detail | None
    settings: Mapping[str, Scalar]
    results: Mapping[str, Scalar]
    scenario: str | None
    mode: str | None
    validity: str | None
    failed_conditions: tuple[str, ...]
    errors: int
    warnings: int
    problems: tuple[str, ...]

    @property
    def version(self) -> str:
        """LoadGen's version with its commit; empty where the log does not say."""
        found = self.detail.values.get("loadgen_version", "") if self.detail else ""
        return str(found)

    @property
    def started_at(self) -> datetime | None:
        """When the test began, UTC."""
        return self.detail.started_at if self.detail else None

    def figure(self, key: str) -> float | None:
        """A result that is a number; None where there is none."""
        value = self.results.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_logs(folder: Path) -> LoadGenLog:
    """Read the logs of one test; whatever is wrong with them is told in ``problems`` and never raised."""
    problems: list[str] = []
    summary, detail = _summary(folder, problems), _detail(folder, problems)
    results = dict(summary.results) if summary else {}
    settings = dict(summary.settings) if summary else {}
    scenario = summary.scenario if summary else None
    mode = summary.mode if summary else None
    if detail is not None:
        found = {key: each for key, each in detail.values.items() if key.startswith(("result_", "early_stopping_"))}
        results.update(found)
        settings.update(detail.settings)
        scenario = scenario or _text(settings.get("scenario"))
        mode = mode or _text(settings.get("test_mode"))
    validity = results.get("result_validity")
    return LoadGenLog(
        folder=folder,
        summary=summary,
        detail=detail,
        settings=settings,
        results=results,
        scenario=scenario,
        mode=mode,
        validity=str(validity) if validity in ("VALID", "INVALID") else None,
        failed_conditions=failed_conditions(results) if validity == "INVALID" else (),
        errors=max(summary.errors if summary else 0, detail.error_count if detail else 0),
        warnings=max(summary.warnings if summary else 0, detail.warning_count if detail else 0),
        problems=tuple(problems),
    )


def _summary(folder: Path, problems: list[str]) -> Summary | None:
    try:
        summary = read_summary(folder / SUMMARY_FILE)
    except OSError as error:
        problems.append(f"{SUMMARY_FILE}: {error.strerror or 'cannot be read'}")
        return None
    if not summary.complete:
        problems.append(f"{SUMMARY_FILE}: it ends before LoadGen's last sentence")
    return summary


def _detail(folder: Path, problems: list[str]) -> Detail | None:
    try:
        detail = read_detail(folder / DETAIL_FILE)
    except OSError as error:
        problems.append(f"{DETAIL_FILE}: {error.strerror or 'cannot be read'}")
        return None
    if detail.dialect is None:
        problems.append(f"{DETAIL_FILE}: no line of LoadGen in it")
    elif detail.unread:
        more = f", and {detail.unread - 1} more" if detail.unread > 1 else ""
        problems.append(f"{DETAIL_FILE}: {detail.problems[0]}{more}")
    return detail


def _text(value: Scalar | None) -> str | None:
    return value if isinstance(value, str) else None
