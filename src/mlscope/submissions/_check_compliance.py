"""Compliance tests of a submission."""

from __future__ import annotations

import dataclasses
from pathlib import PurePath

from mlscope.submissions._check_accuracy import accuracy_of
from mlscope.submissions._check_run import Judged, check_run
from mlscope.submissions._compliance import Score, verify_test01_speed, verify_test04
from mlscope.submissions._evidence import Scope
from mlscope.submissions._runlog import RunLog, read_run
from mlscope.submissions._truncate import MAX_BYTES

__all__ = ["check_compliance"]

_SPEED, _ANSWERS = "verify_performance.txt", "verify_accuracy.txt"
_PASSED = "TEST PASS"
_ACCURACY_FILES = ("accuracy.txt", "mlperf_log_accuracy.json")
_BASELINES = ("baseline_accuracy.txt", "compliance_accuracy.txt")
_MAX_DIFFERENCE = 0.01  # of the two accuracies, where answers may differ
_VERIFIERS = {"TEST01": verify_test01_speed, "TEST04": verify_test04}


def check_compliance(
    scope: Scope, folder: PurePath, performance: RunLog | None, judged: Judged
) -> list[tuple[str, PurePath]]:
    """Check the tests of a result.

    Args:
        scope: Where findings go.
        folder: Below it lie TEST01 and so on.
        performance: The performance run that tests are compared with.
        judged: What the result is.

    Returns:
        (test, folder of its run) of those that are there.
    """
    runs = []
    for test in judged.benchmark.compliance_tests:
        if not scope.is_folder(folder / test):
            scope.findings.add("compliance-missing", folder / test, f"{test} is missing")
            continue
        run = folder / test / "performance" / "run_1"
        log = _run(scope, run, dataclasses.replace(judged, test=test))
        _speed(scope, folder / test, test, performance, log)
        if test == "TEST01":
            _answers(scope, folder / test)
        if log is not None:
            runs.append((test, run))
    return runs


def _run(scope: Scope, run: PurePath, judged: Judged) -> RunLog | None:
    for name in ("mlperf_log_detail.txt", "mlperf_log_summary.txt"):
        if scope.size(run / name) is None:
            scope.findings.add("compliance-file", run / name, "the file is missing")
    log = read_run(scope, run)
    if log is not None:
        check_run(scope, run, log, judged)
    return log


def _speed(scope: Scope, folder: PurePath, test: str, performance: RunLog | None, log: RunLog | None) -> None:
    text = scope.text(folder / _SPEED)
    if text is None:
        scope.findings.add("compliance-file", folder / _SPEED, "the file is missing")
    elif _PASSED not in text:
        scope.findings.add("compliance-performance", folder / _SPEED, f"it does not say {_PASSED}")
    if performance is None or log is None:
        return
    found = _VERIFIERS[test](Score.of(performance.values), Score.of(log.values))
    if not found.passed:
        scope.findings.add("compliance-performance-log", folder / _SPEED, "; ".join(found.lines))


def _answers(scope: Scope, folder: PurePath) -> None:
    text = scope.text(folder / _ANSWERS)
    if text is None:
        scope.findings.add("compliance-file", folder / _ANSWERS, "the file is missing")
    elif _PASSED not in map(str.strip, text.splitlines()):
        _accuracies(scope, folder)
    for name in _ACCURACY_FILES:
        size = scope.size(folder / "accuracy" / name)
        if size is None:
            scope.findings.add("compliance-accuracy-log", folder / "accuracy" / name, "the file is missing")
        elif name.endswith(".json") and size > MAX_BYTES and scope.round.truncates:
            scope.findings.add("accuracy-not-truncated", folder / "accuracy" / name, f"it has {size} bytes", "warning")


def _accuracies(scope: Scope, folder: PurePath) -> None:
    """Answers differ: the accuracies of both runs, over the same samples, may not."""
    both = [accuracy_of(scope.text(folder / "accuracy" / name) or "") for name in _BASELINES]
    baseline, test = both
    if not baseline or not test:
        message = f"it does not say {_PASSED}, and accuracy/ has not both of {' and '.join(_BASELINES)}"
    elif abs(1 - baseline / test) > _MAX_DIFFERENCE:
        message = f"it does not say {_PASSED}, and the accuracies of both runs are {baseline} and {test}"
    else:
        return
    scope.findings.add("compliance-accuracy", folder / _ANSWERS, message)
