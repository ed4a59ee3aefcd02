"""Slices on lanes: viewers draw slices of one lane inside each other, so those that overlap need lanes of their own."""

from __future__ import annotations

import dataclasses
import heapq
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from mlscope.traces._timeline import GAP, LOADGEN, SPAN, Timeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Lane", "Step", "walk"]

_CHUNK = 16_384


class Lane(NamedTuple):
    """A row of the viewer."""

    number: int
    """From 0."""
    title: str
    source: int
    """``SPAN``, ``REQUEST`` or ``LOADGEN``."""


Step = tuple[int, Lane, int, bool]
"""Row, lane, time in nanoseconds, and whether the slice begins there or ends."""


@dataclasses.dataclass(slots=True)
class _Pool:
    """Lanes of one kind; slices that overlap lie on different ones."""

    title: str
    free: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    """(busy until, lane) as a heap."""


def walk(timeline: Timeline) -> Iterator[Step]:
    """Begin and end of every slice, laid out on lanes; of one lane they come in order and nest.

    The children of the run's root lie on lanes by their names, since they go on beside each other; deeper spans lie on
    their parent's lane, inside it. What overlaps a sibling or sticks out of its parent gets a lane of its own.
    """
    import numpy as np

    order = np.lexsort((timeline.depth, -timeline.end_ns, timeline.start_ns))
    layout = _Layout(timeline)
    for begin in range(0, len(order), _CHUNK):
        rows = order[begin : begin + _CHUNK]
        columns = (timeline.start_ns, timeline.end_ns, timeline.parent, timeline.depth, timeline.source)
        yield from layout.place(rows, [column[rows].tolist() for column in columns])
    for lane, opened in zip(layout.lanes, layout.open, strict=True):
        while opened:
            row, end = opened.pop()
            yield row, lane, end, False


class _Layout:
    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.lanes: list[Lane] = []
        self.open: list[list[tuple[int, int]]] = []
        """Of each lane the open slices, outermost first: (row, end)."""
        self.lane_of = array("i", [-1]) * len(timeline)
        self.pools: dict[tuple[int, int, int], _Pool] = {}

    def place(self, rows: NDArray[np.int64], columns: list[list[int]]) -> list[Step]:
        """Lay out rows in the order of their begins."""
        steps: list[Step] = []
        for row, start, end, parent, depth, source in zip(rows.tolist(), *columns, strict=True):
            lane = -1
            if depth > 1 or (depth and source == LOADGEN):
                lane = self.lane_of[parent]
                self._close(lane, start, parent, steps)
                opened = self.open[lane]
                if not opened or opened[-1][0] != parent or opened[-1][1] < end:
                    lane = -1
            if lane < 0:
                lane = self._free_lane(self._kind(row, parent, depth, source), start, end)
                self._close(lane, start, -1, steps)
            self.lane_of[row] = lane
            self.open[lane].append((row, end))
            steps.append((row, self.lanes[lane], start, True))
        return steps

    def _close(self, lane: int, start: int, parent: int, steps: list[Step]) -> None:
        opened = self.open[lane]
        while opened and opened[-1][1] <= start and opened[-1][0] != parent:
            row, end = opened.pop()
            steps.append((row, self.lanes[lane], end, False))

    def _free_lane(self, kind: tuple[tuple[int, int, int], str], start: int, end: int) -> int:
        key, title = kind
        pool = self.pools.setdefault(key, _Pool(title))
        if pool.free and pool.free[0][0] <= start:
            lane = pool.free[0][1]
            heapq.heapreplace(pool.free, (end, lane))
            return lane
        lane = len(self.lanes)
        self.lanes.append(Lane(lane, pool.title, key[0]))
        self.open.append([])
        heapq.heappush(pool.free, (end, lane))
        return lane

    def _kind(self, row: int, parent: int, depth: int, source: int) -> tuple[tuple[int, int, int], str]:
        """Which pool a slice belongs to that does not lie inside its parent."""
        timeline = self.timeline
        if source == LOADGEN:
            thread = int(timeline.group[row])
            return (source, thread, -1), f"thread {thread}"
        name = int(timeline.name[row])
        source = SPAN if source == GAP else source
        if source == SPAN and depth > 1:
            return (source, name, 1), f"{timeline.names[name]} beside {timeline.names[timeline.name[parent]]}"
        return (source, name, 0), timeline.names[name]
