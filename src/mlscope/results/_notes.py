"""Notes, tags and verdicts that are added to a run after it was sealed."""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlscope._files import explain_os_errors
from mlscope.results._folder import NOTES_FILE

__all__ = ["annotate", "annotations"]


def annotate(folder: Path, note: Mapping[str, Any]) -> None:
    """Append a note (any JSON object) to a sealed run, with the time it was made (``at``, UTC).

    Raises:
        ResourceError: The disk is full or the folder cannot be written.
    """
    line = json.dumps({"at": datetime.now(UTC).isoformat(), **note}, ensure_ascii=False, allow_nan=False)
    path = folder / NOTES_FILE
    with explain_os_errors(path), path.open("ab+") as file:
        # One writer at a time: a half line that a crash left behind is closed, never joined to this one.
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            line = line if file.read(1) == b"\n" else "\n" + line
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def annotations(folder: Path) -> list[dict[str, Any]]:
    """The notes of a run, oldest first; a line that a crash cut short is left out."""
    try:
        lines = (folder / NOTES_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    notes = []
    for line in lines:
        with contextlib.suppress(ValueError):
            note = json.loads(line)
            if isinstance(note, dict):
                notes.append(note)
    return notes
