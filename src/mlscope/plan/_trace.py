"""Names of trace levels, and which of them are recorded."""

from __future__ import annotations

import difflib
import re

from mlscope.errors import UsageError
from mlscope.worker.protocol import TraceLevel

__all__ = ["recorded_level"]

_DEEPEST = TraceLevel.FRAMEWORK_TRACE
_MISSING = {
    TraceLevel.LIBRARY_TRACE: "primitives of oneDNN or cuDNN",
    TraceLevel.SYSTEM_LIBRARY_TRACE: "CUDA launches and kernels",
    TraceLevel.HARDWARE_TRACE: "hardware counters",
}


def recorded_level(name: str) -> tuple[TraceLevel, str | None]:
    """The level that is recorded today, and a warning where that is not the one that was asked for.

    Case, dashes and underscores do not matter; ``ML_LIBRARY_TRACE`` is ``LIBRARY_TRACE``.

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
    if level <= _DEEPEST:
        return level, None
    missing = ", ".join(text for each, text in _MISSING.items() if each <= level)
    return _DEEPEST, f"{level.name} is recorded as {_DEEPEST.name}: this version reads no {missing}"


def _fold(word: str) -> str:
    return re.sub(r"[-_ ]", "", word).casefold()
