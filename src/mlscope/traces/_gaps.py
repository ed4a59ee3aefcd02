"""Slices for the time of a model's call in which no layer runs, so that a viewer shows a name there and no hole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlscope.worker.protocol import TraceLevel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

__all__ = ["GAP", "gap_slices"]

GAP = 3
"""Where such a row comes from, beside those of ``_timeline.py``."""
_SMALLEST = 0.01
"""Of the call: nobody sees a shorter one."""
_PLACES = {"allocation": "before the first layer", "dispatch": "between layers", "return": "after the last layer"}


def gap_slices(spans: dict[str, Any]) -> dict[str, Any] | None:
    """Columns of the gaps between layers that were measured; None where there are none.

    Args:
        spans: Columns of a run's spans; a parent is a row of them.
    """
    import numpy as np
    import pyarrow as pa

    found = _layers(spans)
    if not len(found):
        return None
    call, start, end = (spans[name][found] for name in ("parent", "start_ns", "end_ns"))
    first = np.concatenate(([True], call[1:] != call[:-1]))
    last = np.concatenate((first[1:], [True]))
    begun = spans["start_ns"][call]
    latest = begun + _latest_of_each(call, end - begun)
    begins = [spans["start_ns"][call[first]], latest[:-1][~first[1:]], latest[last]]
    ends = [start[first], start[1:][~first[1:]], spans["end_ns"][call[last]]]
    parents = [call[first], call[1:][~first[1:]], call[last]]
    name = np.repeat(np.arange(len(_PLACES), dtype=np.int32), [len(each) for each in begins])
    begin, stop, parent = (np.concatenate(each) for each in (begins, ends, parents))
    kept = stop - begin > _SMALLEST * (spans["end_ns"] - spans["start_ns"])[parent]
    count = int(kept.sum())
    if not count:
        return None
    return {
        "names": list(_PLACES),
        "name": name[kept],
        "texts": pa.array([json.dumps({"gap": place}) for place in _PLACES.values()], pa.string()),
        "text": name[kept],
        "level": np.zeros(count, np.int8),
        "source": np.full(count, GAP, np.int8),
        "start_ns": begin[kept],
        "end_ns": stop[kept],
        "parent": parent[kept],
        "group": np.zeros(count, np.int32),
        "number": np.arange(count, dtype=np.uint64),
        "of_spans": True,
    }


def _layers(spans: dict[str, Any]) -> Numbers:
    """Rows of the layers of calls whose layers were all measured, by their calls and begins."""
    import numpy as np
    import pyarrow.compute as pc

    level, parent = spans["level"], spans["parent"]
    rows = np.flatnonzero((level == TraceLevel.FRAMEWORK_TRACE) & (parent >= 0))
    rows = rows[level[parent[rows]] == TraceLevel.MODEL_TRACE]
    laid_out = pc.match_substring(spans["texts"], '"synthetic": true').to_numpy(zero_copy_only=False)
    synthetic = laid_out[spans["text"][rows]]
    rows = rows[~np.isin(parent[rows], parent[rows[synthetic]])]
    ordered: Numbers = rows[np.lexsort((spans["start_ns"][rows], parent[rows]))]
    return ordered


def _latest_of_each(call: Numbers, end: Numbers) -> Numbers:
    """The latest end so far of each call by itself; rows of a call stand together."""
    import numpy as np

    _, place = np.unique(call, return_inverse=True)
    base = int(end.min())
    step = int(end.max()) - base + 1
    latest: Numbers = np.maximum.accumulate(end - base + place * step) - place * step + base
    return latest
