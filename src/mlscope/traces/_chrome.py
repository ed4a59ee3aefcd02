"""Chrome's trace event format, JSON: https://chromium.googlesource.com/catapult, docs "Trace Event Format"."""

from __future__ import annotations

import json
from typing import BinaryIO

from mlscope.traces._lanes import walk
from mlscope.traces._perfetto import group_titles
from mlscope.traces._timeline import Timeline
from mlscope.traces._values import LEVELS, Attributes

__all__ = ["write_chrome"]


def write_chrome(timeline: Timeline, file: BinaryIO) -> int:
    """Write the same slices, on the same lanes, as :func:`write_perfetto`; returns the number of slices.

    Times are microseconds of the machine's monotonic clock, with all their digits.
    """
    file.write(b'{"displayTimeUnit":"ns","otherData":')
    other = {"run": timeline.record.id, "begin_unix_ns": timeline.begin_ns + timeline.epoch_ns}
    file.write(json.dumps(other).encode() + b',"traceEvents":[')
    for source, title in group_titles(timeline).items():
        file.write(_line({"name": "process_name", "ph": "M", "pid": source + 1, "args": {"name": title}}))
    known: set[int] = set()
    slices = 0
    names = [json.dumps(name) for name in timeline.names]
    details = Attributes(timeline)
    for row, lane, begin, is_begin in walk(timeline):
        if not is_begin:
            continue
        group = lane.source + 1
        if lane.number not in known:
            known.add(lane.number)
            args = {"name": lane.title}
            file.write(_line({"name": "thread_name", "ph": "M", "pid": group, "tid": lane.number, "args": args}))
        length = int(timeline.end_ns[row]) - begin
        level = LEVELS[int(timeline.level[row])]
        file.write(
            f'{{"name":{names[timeline.name[row]]},"cat":"{level}","ph":"X","pid":{group},"tid":{lane.number},'
            f'"ts":{_microseconds(begin)},"dur":{_microseconds(length)},'
            f'"args":{json.dumps(dict([*details.ids(row), *details.of(row)]))}}},\n'.encode()
        )
        slices += 1
    for curve in timeline.curves:
        for time_ns, value in zip(curve.time_ns.tolist(), curve.value.tolist(), strict=True):
            counted = json.dumps({"name": curve.title, "ph": "C", "pid": 1, "args": {curve.unit: value}})
            file.write(f'{counted[:-1]},"ts":{_microseconds(time_ns)}}},\n'.encode())
    file.write(_line({"name": "trace_end", "ph": "M", "pid": 1, "args": {}}).rstrip(b",\n") + b"]}\n")
    return slices


def _line(event: dict[str, object]) -> bytes:
    return json.dumps(event).encode() + b",\n"


def _microseconds(nanoseconds: int) -> str:
    return f"{nanoseconds // 1000}.{nanoseconds % 1000:03d}"
