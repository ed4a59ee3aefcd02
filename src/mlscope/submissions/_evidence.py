"""The files of a submission, read so that a broken one is a finding and not the end of the check."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from mlscope._files import digest
from mlscope.submissions._findings import Findings
from mlscope.submissions._rounds import Round

__all__ = ["Scope", "number", "text_of"]

_MAX_TEXT = 4 << 20
"""Bytes of a JSON description, accuracy.txt or verify_*.txt that are read; real ones have some hundred."""


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """What is checked, and where what is found goes; all paths are relative to `root`."""

    root: Path
    round: Round
    findings: Findings
    skip_dataset_size: bool = False
    """Whether an accuracy run over a part of the data set is only warned of."""

    def folders(self, path: PurePath) -> list[str]:
        """Names of the folders below a folder, in order; symbolic links are left out."""
        return self._names(path, folders=True)

    def files(self, path: PurePath) -> list[str]:
        """Names of the files in a folder, in order; symbolic links count as what they lead to."""
        return self._names(path, folders=False)

    def _names(self, path: PurePath, *, folders: bool) -> list[str]:
        try:
            with os.scandir(self.root / path) as entries:
                if folders:
                    return sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
                return sorted(each.name for each in entries if each.is_file())
        except FileNotFoundError:
            return []
        except OSError as error:
            self.findings.add("unreadable", path, f"it cannot be read: {error.strerror}")
            return []

    def is_folder(self, path: PurePath) -> bool:
        """Whether there is such a folder."""
        return os.path.isdir(self.root / path)  # unlike Path.is_dir, no folder above it that is closed is an error

    def size(self, path: PurePath) -> int | None:
        """Bytes of a file; None: there is none."""
        full = self.root / path
        return os.path.getsize(full) if os.path.isfile(full) else None

    def digest(self, path: PurePath) -> str | None:
        """SHA-256 of a file; None: it cannot be read (which is then a finding)."""
        try:
            return digest(self.root / path)
        except OSError as error:
            self.findings.add("unreadable", path, f"it cannot be read: {error.strerror}")
            return None

    def text(self, path: PurePath) -> str | None:
        """Text of a small file; None: there is none, or it cannot be read (which is then a finding)."""
        full = self.root / path
        if not os.path.isfile(full):
            return None
        try:
            with full.open("rb") as file:
                data = file.read(_MAX_TEXT + 1)
        except OSError as error:
            self.findings.add("unreadable", path, f"it cannot be read: {error.strerror}")
            return None
        if len(data) > _MAX_TEXT:
            self.findings.add("unreadable", path, f"it is larger than {_MAX_TEXT >> 20} MiB, and is not read")
            return None
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.findings.add("unreadable", path, f"it is not UTF-8: {error.reason} at byte {error.start}")
            return data.decode("utf-8", "backslashreplace")

    def json(self, path: PurePath, rule: str) -> dict[str, Any] | None:
        """The object in a JSON file; None: there is no file, or (a finding of `rule`) it holds no object."""
        text = self.text(path)
        if text is None:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.findings.add(rule, path, f"it is no JSON: {error}")
            return None
        if not isinstance(found, dict):
            self.findings.add(rule, path, "it holds no object")
            return None
        return found


def number(values: Mapping[str, object], key: str) -> float | None:
    """A finite number of a log or description; None: there is none of that name.

    Whole numbers stay whole: seeds have more digits than a float.
    """
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN


def text_of(values: Mapping[str, object], key: str) -> str:
    """A text of a log or description; empty where there is none."""
    value = values.get(key)
    return value if isinstance(value, str) else ""
