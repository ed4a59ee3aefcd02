"""Primitives of oneDNN, from its verbose log: https://uxlfoundation.github.io/oneDNN/dev_guide_verbose.html.

A line is printed when a primitive is through. It has how long it took and, if the version tells it, the time of its
begin, milliseconds of the system's clock or of the monotonic one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.analyses.profiles._events import BrokenProfile, Clock, read_json
from mlscope.results import Layer

__all__ = ["Primitive", "Primitives", "parse_primitives", "read_primitives", "within"]

_NUMBER = re.compile(r"\d+(\.\d+)?")
_EPOCH_MS = 1e12
"""Milliseconds of the system's clock have been more since 2001; a machine that has run for 30 years has no such log."""


@dataclasses.dataclass(frozen=True, slots=True)
class Primitive:
    """One primitive that was executed; times in nanoseconds of the run's clock."""

    name: str
    """Its kind: ``convolution``, ``reorder``, ``matmul``."""
    implementation: str
    begin_ns: int
    end_ns: int
    shapes: str
    problem: str


@dataclasses.dataclass(slots=True)
class Primitives:
    """What a worker's log tells."""

    found: list[Primitive]
    untimed: int = 0
    """Lines of primitives without the time of their begin."""
    most_calls: int | None = None
    damaged: str | None = None


def read_primitives(folder: Path) -> Primitives | None:
    """What a worker caught in a folder; None where it was not told to."""
    if not (folder / "onednn.json").is_file():
        return None
    try:
        notes = read_json(folder / "onednn.json", dict)
        clock = Clock(notes["pairs"])
        text = (folder / "onednn.log").read_text(encoding="utf-8", errors="replace")
    except (BrokenProfile, OSError, KeyError) as error:
        return Primitives([], damaged=str(error))
    primitives = parse_primitives(text.splitlines(), clock)
    primitives.most_calls = int(notes.get("most_calls", 0)) or None
    return primitives


def parse_primitives(lines: Iterable[str], clock: Clock) -> Primitives:
    """Lines of executions; others, and what somebody else printed, are left out."""
    result = Primitives([])
    for line in lines:
        fields = line.split(",")
        if not fields[0].endswith("_verbose") or "exec" not in fields:
            continue
        at = fields.index("exec")
        before, after = fields[1:at], fields[at + 1 :]
        if len(after) < 4 or not _NUMBER.fullmatch(after[-1]):
            continue  # cut off
        stamps = [float(field) for field in before if _NUMBER.fullmatch(field) and "." in field]
        if not stamps:
            result.untimed += 1
            continue
        begin = round(1e6 * stamps[0])
        begin = clock.run_ns(begin) if stamps[0] > _EPOCH_MS else begin
        _, name, implementation, *rest = after
        result.found.append(
            Primitive(name, implementation, begin, begin + round(1e6 * float(after[-1])), _shapes(rest), after[-2])
        )
    return result


def _shapes(fields: Sequence[str]) -> str:
    """The tensors: ``src_f32::blocked:abcd:f0 wei_f32::…``."""
    return next((field for field in fields if "src" in field or "dst" in field), "")


def within(
    found: Sequence[Primitive],
    rows: Sequence[Layer],
    calls: Sequence[tuple[int, int]],
) -> Iterator[tuple[Primitive, int | None, int]]:
    """Each primitive with the row of the innermost layer, and the place of the call, that its middle lies in.

    Those of no call (the warm-up) are left out. The log does not tell threads: where calls go on beside each other, a
    primitive is put into the one that began last.

    Args:
        found: Primitives.
        rows: Layers.
        calls: Begin and end of each call, in the order of their begins.
    """
    begins = np.array([begin for begin, _ in calls], np.int64)
    order = sorted(range(len(rows)), key=lambda row: (rows[row].begin_ns, rows[row].depth))
    layer_begins = np.array([rows[row].begin_ns for row in order], np.int64)
    for each in found:
        middle = (each.begin_ns + each.end_ns) // 2
        last = int(np.searchsorted(begins, middle, "right"))
        place = next((at for at in range(last - 1, max(-1, last - 65), -1) if middle <= calls[at][1]), None)
        if place is None:
            continue
        yield each, _layer(middle, int(np.searchsorted(layer_begins, middle, "right")), order, rows), place


def _layer(middle: int, last: int, order: Sequence[int], rows: Sequence[Any]) -> int | None:
    """The innermost of the layers that began before."""
    best: int | None = None
    for row in reversed(order[max(0, last - 64) : last]):
        if rows[row].end_ns >= middle and (best is None or rows[row].depth > rows[best].depth):
            best = row
    return best
