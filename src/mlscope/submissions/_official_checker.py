"""The official checker of mlcommons/inference, run from a checkout beside our own check."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from mlscope.errors import DataError, StackError, UsageError
from mlscope.submissions._findings import shown
from mlscope.submissions._rounds import Round

__all__ = ["OfficialVerdict", "run_official"]

_PACKAGE = Path("tools", "submission", "submission_checker")
_RESULT = re.compile(r"INFO\] Results (.+) (\S+)$")
_NO_RESULT = re.compile(r"ERROR\] NoResults (.+)$")
_ERROR = re.compile(r" ERROR\] (.+)$")
_DETAIL = "/performance/run_1/mlperf_log_detail.txt"
_KEPT_ERRORS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class OfficialVerdict:
    """What the official checker said."""

    commit: str | None
    """Of the checkout; None: it is no git checkout."""
    command: tuple[str, ...]
    exit_code: int
    passed: bool
    """Exit code 0 and the sentence that goes with it."""
    crashed: str | None
    """The last line of its traceback; None: it came to its end."""
    results: dict[str, float | None]
    """Folder of a result → its value, None where it was not accepted."""
    errors: tuple[str, ...]
    """What it complained of, in its own words."""


def run_official(
    checkout: Path,
    root: Path,
    wanted: Round,
    *,
    submitter: str | None = None,
    skip_dataset_size: bool = False,
    python: str = sys.executable,
) -> OfficialVerdict:
    """Run the official checker in a process of its own.

    Args:
        checkout: A checkout of mlcommons/inference.
        root: The submission.
        wanted: The round to check against.
        submitter: Check only this one.
        skip_dataset_size: Pass `--skip-dataset-size-check` on.
        python: The interpreter, which needs PyYAML.

    Raises:
        DataError: The checker is not in the checkout.
        StackError: The interpreter cannot run it.
        UsageError: The checker does not know the round.
    """
    package = checkout / _PACKAGE
    if not (package / "main.py").is_file():
        raise DataError(
            f"there is no {_PACKAGE} in it", where=str(checkout), hint="give a checkout of mlcommons/inference"
        )
    if wanted.name == "v0.5":
        raise UsageError("the official checker of today knows no v0.5", where="--official")
    command = [python, "-B", "-m", package.name + ".main", "--input", str(root.resolve()), "--version", wanted.name]
    command += ["--submitter", submitter] if submitter else []
    command += ["--skip-dataset-size-check"] if skip_dataset_size else []
    with tempfile.TemporaryDirectory(prefix="mlscope-") as scratch:
        log = Path(scratch, "log.txt")
        with log.open("wb") as output:
            try:
                done = subprocess.run(
                    [*command, "--csv", str(Path(scratch, "summary.csv"))],
                    cwd=package.parent,
                    env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=output,
                    check=False,
                )
            except OSError as error:
                raise StackError(f"the interpreter cannot be started: {error.strerror}", where=python) from error
        text = log.read_text(encoding="utf-8", errors="backslashreplace")
    if "No module named 'yaml'" in text:
        raise StackError("the official checker needs PyYAML", where=python, hint="pip install pyyaml")
    return _verdict(text, root.resolve(), tuple(command), done.returncode, _commit(checkout))


def _verdict(text: str, root: Path, command: tuple[str, ...], exit_code: int, commit: str | None) -> OfficialVerdict:
    results: dict[str, float | None] = {}
    errors: list[str] = []
    for line in text.splitlines():
        if found := _RESULT.search(line):
            results[_folder(found.group(1), root)] = _value(found.group(2))
        elif found := _NO_RESULT.search(line):
            results[_folder(found.group(1), root)] = None
        elif (found := _ERROR.search(line)) and len(errors) < _KEPT_ERRORS:
            errors.append(shown(found.group(1).replace(f"{root}{os.sep}", "")))
    lines = text.rstrip().splitlines()
    crashed = shown(lines[-1]) if "Traceback (most recent call last):" in text and lines else None
    passed = exit_code == 0 and "SUMMARY: submission looks OK" in text
    return OfficialVerdict(commit, command, exit_code, passed, crashed, results, tuple(errors))


def _folder(log: str, root: Path) -> str:
    return shown(log.removeprefix(f"{root}{os.sep}").removesuffix(_DETAIL))


def _value(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _commit(checkout: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
