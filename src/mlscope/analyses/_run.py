"""The list of all analyses."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from mlscope.analyses._accuracy import accuracy
from mlscope.analyses._duration import duration
from mlscope.analyses._latency import latency
from mlscope.analyses._table import Table
from mlscope.errors import UsageError
from mlscope.results import Record

Analysis = Callable[[Sequence[Record]], Table]

ANALYSES: dict[str, Analysis] = {"accuracy": accuracy, "latency": latency, "duration": duration}
"""Name → analysis; ``all`` stands for all of them."""


def run(name: str, records: Sequence[Record]) -> list[Table]:
    """Run one analysis, or with ``all`` every one; rows stand in the order of the records.

    Raises:
        UsageError: There is no such analysis.
    """
    if name == "all":
        return [analysis(records) for analysis in ANALYSES.values()]
    if name not in ANALYSES:
        names = [*ANALYSES, "all"]
        near = difflib.get_close_matches(name, names, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"choose one of {', '.join(names)}"
        raise UsageError(f'no analysis is called "{name}"', hint=hint)
    return [ANALYSES[name](records)]
