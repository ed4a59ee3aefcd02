"""LoadGen's own trace (``mlperf_log_trace.json``), brought to the clock of the samples.

Its times are microseconds since an origin that is written nowhere. But LoadGen calls us within each of its
``IssueQuery`` events, and we note the time of each call: in their order they bound the origin from both sides.
Format: mlcommons/inference, loadgen/logging.cc; its JSON is not always valid, so it is read line by line.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LOADGEN_TRACE", "loadgen_events"]

LOADGEN_TRACE = "loadgen/mlperf_log_trace.json"
_SOURCE = 2
_EVENT = re.compile(
    rb'^\{"name":"(?P<name>[^"]+)","ph":"X","pid":\d+,"tid":(?P<tid>\d+),"ts":(?P<ts>-?[\d.]+),"dur":(?P<dur>[\d.]+),'
    rb'"args":\{(?P<args>.*)\}\},?\s*$'
)
_KEY = re.compile(rb'"key":"+(?P<key>[^"]+)"')
_ISSUE = "IssueQuery"
_DRIFT, _DRIFT_NS = 1e-5, 10_000
"""How far two clocks of a machine may run apart."""


def loadgen_events(file: BinaryIO, issued_ns: NDArray[np.int64]) -> tuple[dict[str, Any] | None, str | None]:
    """LoadGen's complete events as columns of a timeline.

    Args:
        file: The trace; a last line that was cut off is left out.
        issued_ns: When each query was handed to us, in order.

    Returns:
        The columns, or None; and why there is none.
    """
    import numpy as np
    import pyarrow as pa

    names: dict[str, int] = {}
    rows: list[tuple[int, int, int, int]] = []
    keys: list[str] = []
    for line in file:
        found = _EVENT.match(line)
        if found is None:
            continue
        name = found["name"].decode(errors="replace")
        begin = _nanoseconds(found["ts"])
        rows.append((names.setdefault(name, len(names)), int(found["tid"]), begin, begin + _nanoseconds(found["dur"])))
        key = _KEY.search(found["args"])
        keys.append(json.dumps({"key": key["key"].decode(errors="replace")}) if key else "{}")
    if not rows:
        return None, None  # LoadGen makes the file whether it traces or not
    table = np.array(rows, np.int64)
    offset = _offset(table[table[:, 0] == names.get(_ISSUE, -1), 2:], issued_ns)
    if offset is None:
        return None, "LoadGen's trace is left out: its queries do not match the samples, so its clock is unknown"
    begins, ends = table[:, 2] + offset, table[:, 3] + offset
    return {
        "names": list(names),
        "name": table[:, 0].astype(np.int32),
        "level": np.zeros(len(rows), np.int8),
        "source": np.full(len(rows), _SOURCE, np.int8),
        "start_ns": begins,
        "end_ns": ends,
        "parent": _parents(begins, ends, table[:, 1]),
        "group": table[:, 1].astype(np.int32),
        "number": np.arange(len(rows), dtype=np.uint64),
        "texts": pa.array(keys, pa.string()),
        "text": np.arange(len(rows), dtype=np.int32),
    }, None


def _nanoseconds(microseconds: bytes) -> int:
    return round(float(microseconds) * 1000)


def _offset(issue: NDArray[np.int64], issued_ns: NDArray[np.int64]) -> int | None:
    """What to add to LoadGen's times: each call lies within its event.

    Args:
        issue: Begin and end of each ``IssueQuery``, shape [m, 2].
        issued_ns: Times of the calls, shape [n].
    """
    issue = issue[issue[:, 0].argsort()]
    if not len(issue) or len(issue) != len(issued_ns):
        return None
    lowest, highest = int((issued_ns - issue[:, 1]).max()), int((issued_ns - issue[:, 0]).min())
    # LoadGen's clock is the wall clock, which may be slewed against ours while a test runs.
    drift = _DRIFT_NS + int(_DRIFT * (issued_ns[-1] - issued_ns[0]))
    # The call that came soonest after its event began tells most.
    return highest if lowest <= highest + drift else None


def _parents(begin: NDArray[np.int64], end: NDArray[np.int64], thread: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest event of the same thread that holds each: LoadGen's events are scopes."""
    import numpy as np

    parent = np.full(len(begin), -1, np.int64)
    order = np.lexsort((-end, begin, thread))
    open_rows: list[int] = []
    for row in order.tolist():
        while open_rows and (thread[open_rows[-1]] != thread[row] or end[open_rows[-1]] < end[row]):
            open_rows.pop()
        parent[row] = open_rows[-1] if open_rows else -1
        open_rows.append(row)
    return parent
