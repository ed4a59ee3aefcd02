"""The machine's series: what the sampler wrote into ``machine.jsonl``, one interval a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["MACHINE_FILE", "read_series"]

MACHINE_FILE = "machine.jsonl"


def read_series(source: Path | BinaryIO) -> list[dict[str, Any]]:
    """Every whole interval, in order; a last line that was cut short, by a kill or a full disk, is left out.

    Returns:
        Mappings as :meth:`mlscope.stacks.Meter.interval` gives them; times are of the samples' clock.
    """
    data = source.read_bytes() if isinstance(source, Path) else source.read()
    rows: list[dict[str, Any]] = []
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "end_ns" in row:
            rows.append(row)
    return rows
