"""Reading /proc, /sys and the answers of small commands; what is not there is None."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["cpu_list", "integer", "present", "run", "text"]


def text(path: Path) -> str | None:
    """The stripped content of a small file; None where it is missing, unreadable or empty."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def integer(path: Path) -> int | None:
    """The whole number that a file holds."""
    found = text(path)
    return int(found) if found and re.fullmatch(r"-?[0-9]{1,20}", found) else None


def cpu_list(ranges: str | None) -> list[int]:
    """Members of a kernel's list such as ``0-3,8``."""
    found: list[int] = []
    for part in (ranges or "").split(","):
        if bounds := re.fullmatch(r"\s*([0-9]{1,6})(?:-([0-9]{1,6}))?\s*", part):
            found.extend(range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1))
    return found


def present(**values: Any) -> dict[str, Any]:
    """The values that are known: None and empty collections are left out, zero and False are not."""
    return {name: value for name, value in values.items() if value is not None and value not in ((), [], {}, "")}


def run(*command: str, environment: Mapping[str, str] | None = None, timeout_s: float = 10) -> str | None:
    """What a command prints; None where it is not installed, fails or does not end."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")
