"""Accuracy logs cut to what a submission may carry, their hash kept beside the accuracy."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

from mlscope._files import digest, explain_os_errors, write_atomic
from mlscope.errors import DataError, ResourceError

__all__ = ["Truncation", "accuracy_hash", "is_truncated", "truncate_log"]

MAX_BYTES = 10 * 1024
"""The official checker takes a longer accuracy log for one that is not truncated."""

_KEPT = 4096
_MARK = b"\n\n...\n\n"
_HASH = re.compile(rb"^hash=(\w+)\r?$", re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True)
class Truncation:
    """What was done to one log."""

    log: Path
    sha256: str
    """Of the original."""
    original: Path | None
    """Where the original is kept; None: nothing was cut."""


def truncate_log(log: Path, accuracy: Path, backup: Path) -> Truncation:
    """Cut a log to its first and last 4096 bytes, as the official `truncate_accuracy_log.py` does.

    The original is kept and its SHA-256 added to the accuracy. A log that was done before stays as it is.

    Args:
        log: `mlperf_log_accuracy.json`.
        accuracy: `accuracy.txt`, which gets the line ``hash=…``.
        backup: Where the original goes; a file of that name must not hold anything else.

    Raises:
        DataError: There is no log or no accuracy, or the log does not match the hash that stands there already.
        ResourceError: Something else is kept under the name of the backup, or the disk is full.
    """
    if not (log.is_file() and accuracy.is_file()):
        missing = accuracy if log.is_file() else log
        raise DataError("this file is needed to truncate an accuracy log", where=str(missing))
    known = accuracy_hash(accuracy.read_bytes())
    if known and is_truncated(log):
        return Truncation(log, known, backup if backup.is_file() else None)
    sha256 = digest(log)
    if known and known != sha256:
        raise DataError(
            f"its hash is not that of {log}", where=str(accuracy), hint="compute the accuracy again from this log"
        )
    _keep(log, backup, sha256)
    if not known:
        with explain_os_errors(accuracy):
            write_atomic(accuracy, accuracy.read_bytes() + f"\nhash={sha256}\n".encode())
    if log.stat().st_size < _KEPT:
        return Truncation(log, sha256, None)
    with log.open("rb") as file:
        start = file.read(_KEPT)
        file.seek(-_KEPT, 2)
        end = file.read(_KEPT)
    write_atomic(log, start + _MARK + end)
    return Truncation(log, sha256, backup)


def accuracy_hash(accuracy: bytes) -> str | None:
    """The hash that stands in `accuracy.txt`; None: it has none."""
    found = _HASH.search(accuracy)
    return found.group(1).decode("ascii", "replace") if found else None


def is_truncated(log: Path) -> bool:
    """Whether a log is as short as a submission wants it, and was cut to be so."""
    if log.stat().st_size > MAX_BYTES:
        return False
    return _MARK in log.read_bytes()


def _keep(log: Path, backup: Path, sha256: str) -> None:
    if backup.exists():
        if digest(backup) != sha256:
            raise ResourceError("another log is kept here already", where=str(backup), hint="choose another folder")
        return
    with explain_os_errors(backup):
        backup.parent.mkdir(parents=True, exist_ok=True)
        temporary = backup.with_name(f".{backup.name}.tmp")
        shutil.copyfile(log, temporary)
        temporary.replace(backup)
