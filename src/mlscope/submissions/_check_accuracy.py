"""Accuracy runs of a submission."""

from __future__ import annotations

import math
import re
from pathlib import PurePath

from mlscope.submissions._check_run import Judged
from mlscope.submissions._evidence import Scope, number, text_of
from mlscope.submissions._findings import Severity
from mlscope.submissions._runlog import RunLog
from mlscope.submissions._truncate import MAX_BYTES, accuracy_hash

__all__ = ["accuracy_of", "check_accuracy"]

_LOG, _TEXT = "mlperf_log_accuracy.json", "accuracy.txt"
_NEEDED = (_TEXT, _LOG, "mlperf_log_detail.txt", "mlperf_log_summary.txt")

_ACCURACY = re.compile(r'^(?:\{"accuracy|accuracy)[": ]*=?\s*([\d.]+)', re.MULTILINE)
"""As the official checker looks for it (constants.py, ACC_PATTERN)."""
_COUNTS = re.compile(r"^accuracy=([\d.]+)%, good=(\d+), total=(\d+)", re.MULTILINE)

_MAX_HASHED = 256 << 20  # a log that is larger is wrong anyway, and takes long to read


def accuracy_of(text: str) -> float | None:
    """Percent that an accuracy.txt of image classification tells; None: nothing."""
    for found in _ACCURACY.finditer(text):
        try:
            return float(found.group(1))
        except ValueError:
            continue  # something like 76.4.5
    return None


def check_accuracy(scope: Scope, folder: PurePath, log: RunLog | None, judged: Judged) -> float | None:
    """Check an accuracy run.

    Args:
        scope: Where findings go.
        folder: `accuracy/` of a result.
        log: What LoadGen wrote there; None: nothing that can be read.
        judged: What it shall be.

    Returns:
        The accuracy in percent; None: it is not told.
    """
    there = scope.files(folder)
    for name in _NEEDED:
        if name not in there:
            scope.findings.add("accuracy-missing", folder / name, "the file is missing")
    text = scope.text(folder / _TEXT)
    accuracy = None if text is None else _told(scope, folder, text, judged)
    if judged.round.truncates:
        _truncation(scope, folder, text, judged)
    if log is not None:
        _run(scope, folder, log, text or "", judged)
    return accuracy


def _told(scope: Scope, folder: PurePath, text: str, judged: Judged) -> float | None:
    accuracy, target = accuracy_of(text), judged.benchmark.accuracy_target
    if accuracy is None:
        scope.findings.add("accuracy-line", folder / _TEXT, "there is no accuracy in it", judged.where_open)
        return None
    if judged.closed and accuracy < target:
        scope.findings.add("accuracy-target", folder / _TEXT, f"the accuracy is {accuracy}, {target:.4f} is asked for")
    found = _COUNTS.search(text)
    if found is not None:
        good, total = int(found.group(2)), int(found.group(3))
        if total == 0 or not math.isclose(100 * good / total, accuracy, abs_tol=0.0006):
            scope.findings.add("accuracy-contradiction", folder / _TEXT, f"{good} of {total} is not {found.group(1)} %")
    return accuracy


def _truncation(scope: Scope, folder: PurePath, text: str | None, judged: Judged) -> None:
    told = accuracy_hash(text.encode()) if text is not None else None
    if text is not None and told is None:
        scope.findings.add("accuracy-hash", folder / _TEXT, "it has no line hash=…", judged.where_open)
    size = scope.size(folder / _LOG)
    if size is None or size <= MAX_BYTES:
        return
    scope.findings.add("accuracy-not-truncated", folder / _LOG, f"it has {size} bytes")
    if told and size <= _MAX_HASHED and scope.digest(folder / _LOG) not in (told, None):
        scope.findings.add("accuracy-hash", folder / _TEXT, f"the hash is not that of {_LOG}")


def _run(scope: Scope, folder: PurePath, log: RunLog, text: str, judged: Judged) -> None:
    detail = folder / "mlperf_log_detail.txt"
    mode = text_of(log.values, "effective_test_mode")
    if mode not in {"", "AccuracyOnly", "SubmissionRun"}:
        scope.findings.add("run-mode", detail, f"the accuracy run was made in {mode}")
    for error in log.errors:
        scope.findings.add("accuracy-errors", detail, f"LoadGen reports: {error}")
    count = number(log.values, "effective_accuracy_sample_count")
    if count is None:
        count = number(log.values, "qsl_reported_total_count")
    if count is None:
        if judged.round.early_stopping:
            scope.findings.add("log-broken", detail, "it does not say how many samples there were")
        return
    size = judged.benchmark.dataset_size
    if count != size:
        severity: Severity = "warning" if scope.skip_dataset_size else "error"
        scope.findings.add("accuracy-samples", detail, f"it has {count} samples, the data set {size}", severity)
    told = _COUNTS.search(text)
    if told is not None and int(told.group(3)) != count:
        scope.findings.add(
            "accuracy-contradiction", folder / _TEXT, f"it tells of {told.group(3)} samples, the log of {count}"
        )
