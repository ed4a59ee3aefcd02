"""The formats that traces are written in."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mlscope._files import explain_os_errors
from mlscope.errors import UsageError
from mlscope.results import Evaluation
from mlscope.traces._chrome import write_chrome
from mlscope.traces._flat import write_csv, write_flamegraph
from mlscope.traces._otlp import write_otlp
from mlscope.traces._perfetto import write_perfetto
from mlscope.traces._timeline import Timeline, read_spans_only, read_timeline
from mlscope.traces._zipkin import write_zipkin

__all__ = ["FORMATS", "Format", "export"]


@dataclasses.dataclass(frozen=True, slots=True)
class Format:
    """One format of traces."""

    suffix: str
    write: Callable[[Timeline, BinaryIO], int]
    """Writes a timeline and returns how many things it wrote."""
    read: Callable[[Evaluation], Timeline] = read_timeline
    things: str = "slices"


FORMATS = {
    "perfetto": Format(".pftrace", write_perfetto),
    "chrome": Format(".trace.json", write_chrome),
    "otlp": Format(".otlp.jsonl", write_otlp, read_spans_only, "spans"),
    "zipkin": Format(".zipkin.json", write_zipkin, read_spans_only, "spans"),
    "flamegraph": Format(".folded", write_flamegraph, read_spans_only, "stacks"),
    "csv": Format(".trace.csv", write_csv),
}


def export(evaluation: Evaluation, form: str, path: Path, *, overwrite: bool = False) -> tuple[int, tuple[str, ...]]:
    """Write a run's trace to a file, whole or not at all.

    Args:
        evaluation: The run, from a folder or a database.
        form: A key of :data:`FORMATS`.
        path: The file.
        overwrite: Replace a file that is there.

    Returns:
        How many things were written, and what could not be put on the timeline.

    Raises:
        StoreError: The run has no trace, or it is damaged.
        UsageError: The file is there already, or cannot be written there.
        ResourceError: The disk is full or the folder cannot be written.
    """
    target = FORMATS[form]
    if path.is_dir():
        raise UsageError("is a folder", where=str(path), hint="name a file")
    special = path.exists() and not path.is_file()
    if path.is_file() and not overwrite:
        raise UsageError("is there already", where=str(path), hint="use --overwrite or another name")
    timeline = target.read(evaluation)
    temporary = path if special else path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                written = target.write(timeline, file)
            if not special:
                temporary.replace(path)
        finally:
            if not special:
                temporary.unlink(missing_ok=True)
    return written, timeline.notes
