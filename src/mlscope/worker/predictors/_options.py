"""Predictor options: unknown names are errors, never silence."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from mlscope.worker._problem import Problem

__all__ = ["choice", "flag", "take", "whole"]


def take(options: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The known options with their defaults, overridden by what was given.

    Raises:
        Problem: An option that this predictor does not know.
    """
    for name in options:
        if name == "streams":
            raise Problem("option", "streams is said with --streams")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
            raise Problem("option", f"unknown option {name!r} of the predictor; {hint}")
    return {**known, **options}


def choice(options: dict[str, Any], name: str, allowed: Sequence[Any]) -> Any:
    """An option that is one of `allowed`; upper and lower case are alike.

    Raises:
        Problem: It is another.
    """
    value = options[name].lower() if isinstance(options[name], str) else options[name]
    if value in allowed and not (isinstance(value, bool) and 1 in allowed):
        return value
    *most, last = (str(item) for item in allowed)
    if not most:
        raise Problem("option", f"{name} can only be {last} with this framework, not {value!r}")
    said = f"{most[0]} or {last}" if len(most) == 1 else f"one of {', '.join([*most, last])}"
    raise Problem("option", f"{name} is {said}, not {value!r}")


def flag(options: dict[str, Any], name: str) -> bool:
    """An option that is true or false.

    Raises:
        Problem: It is neither.
    """
    value = options[name]
    if not isinstance(value, bool):
        raise Problem("option", f"{name} must be true or false, not {value!r}")
    return value


def whole(options: dict[str, Any], name: str, least: int) -> int:
    """An option that is a whole number from `least`.

    Raises:
        Problem: It is not.
    """
    value = options[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Problem("option", f"{name} must be a whole number from {least}, not {value!r}")
    return value
