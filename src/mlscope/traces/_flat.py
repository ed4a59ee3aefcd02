"""Traces as plain text: folded stacks for flame graphs, and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import BinaryIO

from mlscope.traces._timeline import SOURCES, SPAN, Timeline
from mlscope.traces._values import LEVELS

__all__ = ["write_csv", "write_flamegraph"]

_COLUMNS = (
    *("source", "span_id", "parent_id", "name", "trace_level"),
    *("start_ns", "end_ns", "duration_ns", "start_unix_ns", "attributes"),
)


def write_flamegraph(timeline: Timeline, file: BinaryIO) -> int:
    """Write folded stacks, ``root;span;span MICROSECONDS``, which flamegraph.pl, inferno and speedscope read.

    The number is a span's own time, without its children's; where children go on beside each other there may be none
    left. Requests and LoadGen's events are left out: their time is the spans' time once more.

    Returns:
        The number of lines.
    """
    import numpy as np

    spans = np.flatnonzero(timeline.source == SPAN)
    own = (timeline.end_ns - timeline.start_ns)[spans]
    children = spans[timeline.parent[spans] >= 0]
    np.subtract.at(own, timeline.parent[children], (timeline.end_ns - timeline.start_ns)[children])
    labels = [name.replace(";", ",").replace("\n", " ") for name in timeline.names]
    stacks: dict[tuple[int, int], int] = {}
    texts: list[str] = []
    stack_of = np.full(len(spans), -1, np.int64)
    totals = Counter[int]()
    for row in spans[np.argsort(timeline.depth[spans], kind="stable")].tolist():
        parent, name = int(timeline.parent[row]), int(timeline.name[row])
        above = int(stack_of[parent]) if parent >= 0 else -1
        number = stacks.setdefault((above, name), len(stacks))
        if number == len(texts):
            texts.append(f"{texts[above]};{labels[name]}" if above >= 0 else labels[name])
        stack_of[row] = number
        totals[number] += max(0, int(own[row]))
    lines = [f"{text} {round(totals[number] / 1000)}\n" for number, text in enumerate(texts) if totals[number] >= 500]
    file.write("".join(lines).encode())
    return len(lines)


def write_csv(timeline: Timeline, file: BinaryIO) -> int:
    """Write one line a slice, in the order of the run's files; returns the number of slices."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    out = csv.writer(text)
    out.writerow(_COLUMNS)
    for row in range(len(timeline)):
        parent, begin, end = int(timeline.parent[row]), int(timeline.start_ns[row]), int(timeline.end_ns[row])
        out.writerow(
            (
                SOURCES[timeline.source[row]],
                timeline.span_id(row),
                timeline.span_id(parent) if parent >= 0 else "",
                timeline.names[timeline.name[row]],
                LEVELS[int(timeline.level[row])],
                *(begin, end, end - begin, begin + timeline.epoch_ns),
                timeline.attributes(row),
            )
        )
    text.flush()
    text.detach()
    return len(timeline)
