"""Attributes of slices, as viewers and servers take them: text, truth values and numbers."""

from __future__ import annotations

import json
from typing import Any

from mlscope.traces._timeline import SPAN, TRACEPARENT, Timeline
from mlscope.worker.protocol import TraceLevel

__all__ = ["LEVELS", "MOST_KNOWN", "Attributes", "flat"]

LEVELS = {0: "", **{int(level): level.name for level in TraceLevel if level}}
"""Name of each trace level; nothing for what is no span."""
MOST_KNOWN = 8_192
"""Texts whose values are kept."""
_INT64 = 1 << 63


def flat(text: str) -> list[tuple[str, Any]]:
    """Name and value of the attributes of a span; what is no plain value becomes JSON text."""
    if text == "{}":
        return []
    return [(key, _plain(value)) for key, value in json.loads(text).items() if key != TRACEPARENT]


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool | float) or (isinstance(value, int) and -_INT64 <= value < _INT64):
        return value
    return json.dumps(value, ensure_ascii=False)


class Attributes:
    """What is told of each slice, by row; texts that come again are read once."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._known: dict[tuple[int, int], list[tuple[str, Any]]] = {}

    def ids(self, row: int) -> list[tuple[str, str]]:
        """Its id and its parent's."""
        timeline = self._timeline
        parent = int(timeline.parent[row])
        above = [("parent_id", timeline.span_id(parent))] if parent >= 0 else []
        return [("span_id", timeline.span_id(row)), *above]

    def key(self, row: int) -> tuple[int, int]:
        """Equal for slices of which :meth:`of` tells the same."""
        level = self._timeline.level[row] if self._timeline.source[row] == SPAN else -1
        return int(level), int(self._timeline.text[row])

    def of(self, row: int) -> list[tuple[str, Any]]:
        """Its level, where it is a span, and its attributes."""
        key = self.key(row)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            level = [("trace_level", LEVELS[key[0]])] if key[0] >= 0 else []
            found = self._known[key] = [*level, *flat(self._timeline.attributes(row))]
        return found
