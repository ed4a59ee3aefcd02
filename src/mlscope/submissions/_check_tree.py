"""The tree of a submission: names, sizes, and files that do not belong there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from mlscope.submissions._evidence import Scope
from mlscope.submissions._tree import DIVISIONS

__all__ = ["check_files", "check_result_files", "check_root", "check_submitter"]

_MAX_BYTES = 50 * 1024 * 1024
_ODD = re.compile(r"[\x00-\x1f\x7f\\\udc80-\udcff ]|^\.")
_BESIDE = frozenset({".git", ".github", "assets"})
"""Folders that the repository of a round has beside the divisions."""

_RUN = frozenset({"mlperf_log_summary.txt", "mlperf_log_detail.txt"})
_RUN_MAY = frozenset({"mlperf_log_accuracy.json", "mlperf_log_trace.json", "results.json"})
_ACCURACY = _RUN | {"accuracy.txt", "mlperf_log_accuracy.json", "mlperf_log_trace.json", "results.json"}
_TEST = frozenset({"verify_accuracy.txt", "verify_performance.txt", "verify_output_len.txt"})
_TEST_ACCURACY = frozenset(
    {"accuracy.txt", "mlperf_log_accuracy.json", "baseline_accuracy.txt", "compliance_accuracy.txt"}
)
_POWER = frozenset({"client.json", "client.log", "ptd_logs.txt", "server.json", "server.log"})
_SPL = "spl.txt"
_PROSE = (".md", ".pdf", ".txt", ".adoc")
_TEST_NAME = re.compile(r"TEST\d\d(-[AB])?")
_RUN_NAME = re.compile(r"run_[1-9]\d*")


def check_root(scope: Scope) -> list[str]:
    """Check what lies at the root, and return the divisions that are there."""
    found = []
    for name in scope.folders(PurePath()):
        if name in DIVISIONS:
            found.append(name)
        elif name not in _BESIDE:
            scope.findings.add("extra-file", name, "this folder is no division")
    for name in scope.files(PurePath()):
        if not name.endswith((".md", ".pdf")) and not name.startswith("."):
            scope.findings.add("extra-file", name, "this file lies outside of the divisions")
    for division in found:
        for name in scope.files(PurePath(division)):
            scope.findings.add("extra-file", PurePath(division, name), "this file lies outside of a submitter's folder")
    return found


def check_submitter(scope: Scope, base: PurePath) -> None:
    """Check what lies in a submitter's folder, except for the results.

    Args:
        scope: Where findings go.
        base: ``DIVISION/SUBMITTER``.
    """
    wanted = scope.round
    known = {"systems", "results", "documentation", wanted.code_folder}
    known |= {each for each in (wanted.measurements_folder, wanted.compliance_folder) if each}
    for name in scope.folders(base):
        if name not in known:
            scope.findings.add("extra-file", base / name, f"{wanted.name} has no such folder", "warning")
    for name in scope.files(base):
        if name != "model_mapping.json" and not name.endswith(_PROSE) and not name.startswith("LICENSE"):
            scope.findings.add("extra-file", base / name, f"{wanted.name} has no such file", "warning")
    if not scope.is_folder(base / wanted.code_folder):
        scope.findings.add("code-missing", base / wanted.code_folder, "the folder is missing")
    measured = set(scope.folders(base / "results"))
    for name in scope.files(base / "systems"):
        if name.endswith(".json") and name.removesuffix(".json") not in measured:
            scope.findings.add("system-unused", base / "systems" / name, "there are no results of it")
    if base.parts[0] != "open" and wanted.early_stopping:
        _calibration(scope, base)


def _calibration(scope: Scope, base: PurePath) -> None:
    places = [*scope.files(base), *scope.files(base / "documentation")]
    if not any(name.startswith("calibration.") for name in places):
        scope.findings.add("calibration", base, "there is no calibration.md")


def check_result_files(scope: Scope, folder: PurePath, tests: PurePath) -> list[str]:
    """Check which files a result consists of.

    Args:
        scope: Where findings go.
        folder: Of the result.
        tests: Where its compliance tests lie; the same folder since v6.0.

    Returns:
        Names of the folders of its performance runs.
    """
    runs = _performance(scope, folder / "performance")
    _only(scope, folder / "accuracy", _ACCURACY)
    for name in scope.folders(folder):
        if name not in {"accuracy", "performance"} and not _TEST_NAME.fullmatch(name):
            scope.findings.add("extra-file", folder / name, "a result has no such folder")
    for name in scope.folders(tests):
        if _TEST_NAME.fullmatch(name):
            _test(scope, tests / name)
        elif tests != folder:
            scope.findings.add("extra-file", tests / name, "there is no such compliance test")
    return runs


def _performance(scope: Scope, folder: PurePath) -> list[str]:
    names = scope.folders(folder)
    power = "power" in names
    runs = sorted((name for name in names if _RUN_NAME.fullmatch(name)), key=lambda name: int(name[4:]))
    for name in names:
        if name in runs:
            _only(scope, folder / name, _RUN | _RUN_MAY | ({_SPL} if power else frozenset()))
        elif name not in {"power", "ranging"} or not power:
            scope.findings.add("extra-file", folder / name, "a result has no such folder")
    for name in scope.files(folder):
        scope.findings.add("extra-file", folder / name, "the files of a run lie in run_1")
    if power:
        _power(scope, folder)
    return runs


def _power(scope: Scope, folder: PurePath) -> None:
    for below, needed in (("power", _POWER), ("run_1", _RUN | {_SPL}), ("ranging", _RUN | {_SPL})):
        for name in sorted(needed - set(scope.files(folder / below))):
            scope.findings.add("power-file", folder / below / name, "the file is missing")


def _test(scope: Scope, folder: PurePath) -> None:
    _only(scope, folder, _TEST)
    _only(scope, folder / "accuracy", _TEST_ACCURACY)
    _only(scope, folder / "performance" / "run_1", _RUN | _RUN_MAY)
    for name in scope.folders(folder):
        if name not in {"accuracy", "performance"}:
            scope.findings.add("extra-file", folder / name, "a compliance test has no such folder")


def _only(scope: Scope, folder: PurePath, known: Iterable[str]) -> None:
    for name in scope.files(folder):
        if name not in known and not name.startswith("."):
            scope.findings.add("extra-file", folder / name, "this file does not belong there")


def check_files(scope: Scope, base: PurePath) -> None:
    """Check names, sizes and links of all files below a submitter's folder."""
    for folder, names, is_empty in _walk(scope, base):
        if is_empty or folder.name == "__pycache__":
            scope.findings.add("folder-empty", folder, "the folder is empty" if is_empty else "it holds compiled files")
        for entry in names:
            path = folder / entry.name
            if _ODD.search(entry.name):
                scope.findings.add("file-name", path, f"its name is {entry.name!r}")
            if entry.is_symlink():
                scope.findings.add("file-symlink", path, "it is a symbolic link")
            elif entry.is_file(follow_symlinks=False) and (size := scope.size(path) or 0) > _MAX_BYTES:
                scope.findings.add("file-size", path, f"it has {size / 2**20:.0f} MiB")


def _walk(scope: Scope, base: PurePath) -> Iterator[tuple[PurePath, list[os.DirEntry[str]], bool]]:
    """(folder, what lies in it, whether that is nothing) of all folders, links not followed."""
    waiting = [base]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(scope.root / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            scope.findings.add("unreadable", folder, f"it cannot be read: {error.strerror}")
            continue
        yield folder, found, not found
        waiting += [folder / entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
