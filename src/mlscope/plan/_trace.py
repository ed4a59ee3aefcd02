"""Names of trace levels."""

from __future__ import annotations

import difflib
import re

from mlscope.errors import UsageError
from mlscope.worker.protocol import TraceLevel

__all__ = ["parse_trace_level"]


def parse_trace_level(name: str) -> TraceLevel:
    """The level of a name: case, dashes and underscores do not matter; ``ML_LIBRARY_TRACE`` is ``LIBRARY_TRACE``.

    Raises:
        UsageError: No such level.
    """
    known = {_fold(level.name): level for level in TraceLevel} | {"mllibrarytrace": TraceLevel.LIBRARY_TRACE}
    level = known.get(_fold(name))
    if level is None:
        near = difflib.get_close_matches(_fold(name), known, n=1, cutoff=0.6)
        choices = ", ".join(each.name for each in TraceLevel)
        hint = f"did you mean {known[near[0]].name}?" if near else f"choose from {choices}"
        raise UsageError(f'there is no trace level "{name}"', where="--trace-level", hint=hint)
    return level


def _fold(word: str) -> str:
    return re.sub(r"[-_ ]", "", word).casefold()
