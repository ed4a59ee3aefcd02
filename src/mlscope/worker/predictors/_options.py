"""Predictor options: unknown names are errors, never silence."""

from __future__ import annotations

import difflib
from typing import Any

from mlscope.worker._problem import Problem

__all__ = ["take"]


def take(options: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The known options with their defaults, overridden by what was given.

    Raises:
        Problem: An option that this predictor does not know.
    """
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
            raise Problem("option", f"unknown option {name!r} of the predictor; {hint}")
    return {**known, **options}
