"""Values out of other people's files, made safe to keep: finite numbers, text that can be written, bounded depth."""

from __future__ import annotations

import json
import math
import re
from typing import Any

__all__ = ["Scalar", "canonical_scenario", "number", "read_json", "scalar", "tidy"]

Scalar = str | int | float | bool

_DEEPEST = 64
_LONGEST_TEXT = 20_000
_LARGEST = 1 << 64
"""LoadGen's seeds are just below."""
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}|\d{0,40}\.\d{1,40}|\d{1,40}\.)(?:[eE][+-]?\d{1,4})?")
_SCENARIOS = {
    name.lower(): name
    for name in ("SingleStream", "MultiStream", "MultiStreamFree", "Server", "Offline", "Interactive")
}


def canonical_scenario(text: str) -> str | None:
    """LoadGen's name of a scenario, however it is written (``Single Stream``, ``singlestream``); None: it is none."""
    return _SCENARIOS.get(re.sub(r"[\s_-]+", "", text).lower())


def number(text: str) -> int | float | None:
    """The finite number that a text is; None where it is none."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    if text.lstrip("+-").isdecimal():
        return int(text) if abs(int(text)) < _LARGEST else None
    value = float(text)
    return value if math.isfinite(value) else None


def scalar(text: str) -> Scalar:
    """A number, a truth value (``true``, ``Yes``, ``NO``) or the text itself."""
    found = number(text)
    if found is not None:
        return found
    return {"true": True, "yes": True, "false": False, "no": False}.get(text.strip().lower(), tidy_text(text.strip()))


def read_json(data: bytes | str) -> Any:
    """JSON from elsewhere, made safe by :func:`tidy`.

    Raises:
        ValueError: It is no JSON, holds NaN or an infinity, or is nested too deeply.
    """
    text = data.decode("utf-8-sig", errors="replace") if isinstance(data, bytes) else data
    try:
        return tidy(json.loads(text, parse_constant=_no_number))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def tidy(value: object, depth: int = 0) -> Any:
    """A JSON value whose texts can be stored anywhere; what is no finite number becomes None.

    Raises:
        ValueError: It is nested too deeply.
    """
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict):
        return {tidy_text(str(key)): tidy(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(each, depth + 1) for each in value]
    if isinstance(value, str):
        return tidy_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return None
    return value


def tidy_text(text: str) -> str:
    """Text without halves of surrogate pairs and without NUL, which databases refuse, and of bounded length."""
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT] + "…"
    if "\0" in text:
        text = text.replace("\0", "")
    return text if text.isascii() else text.encode("utf-8", errors="replace").decode()
