"""What LoadGen wrote about a run, as far as rules are about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import PurePath

from mlscope.submissions._detail import DETAIL_FILE, Detail
from mlscope.submissions._evidence import Scope
from mlscope.submissions._logs import LoadGenLog, read_logs
from mlscope.submissions._summary import SUMMARY_FILE, Summary

__all__ = ["RunLog", "read_run"]


@dataclasses.dataclass(frozen=True, slots=True)
class RunLog:
    """The logs of one run."""

    logs: LoadGenLog
    """All that they say."""
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
    path = scope.root / folder / DETAIL_FILE
    if scope.size(folder / DETAIL_FILE) is None:
        return None
    log = read_logs(path.parent)
    if (problem := _problem(scope, log.detail)) is not None:
        scope.findings.add("log-broken", folder / DETAIL_FILE, problem)
    if log.summary is not None and not log.summary.complete:
        scope.findings.add(
            "log-broken", folder / SUMMARY_FILE, "it is cut off before LoadGen's last sentence", "warning"
        )
    if log.detail is None:
        return RunLog(log, {}, (), _told(log.summary))
    values: dict[str, object] = dict(log.detail.values)
    if log.detail.dialect == "plain":  # the verdict of a run of v0.5 stands in its summary only
        values = {**log.results, **values}
    return RunLog(log, values, log.detail.errors, _told(log.summary))


def _problem(scope: Scope, detail: Detail | None) -> str | None:
    """What is wrong with a detail log; None: nothing."""
    if detail is None:
        return "it cannot be read"
    if not detail.marked or (detail.dialect == "plain" and scope.round.early_stopping):
        return "its first line does not begin with :::MLLOG"
    return detail.problems[0] if detail.unread else None


def _told(summary: Summary | None) -> dict[str, str]:
    found = {"validity": summary.validity, "scenario": summary.scenario} if summary else {}
    return {key: value for key, value in found.items() if value is not None}
