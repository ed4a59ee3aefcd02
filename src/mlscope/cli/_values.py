"""Values of flags: how their texts are read.

Functions named in the flags as converters get cyclopts' ``(type, tokens)`` and raise ValueError, which becomes
one line that names the flag; the others raise :class:`~mlscope.errors.UsageError` themselves.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from mlscope.errors import UsageError

__all__ = [
    "choice",
    "chosen",
    "comma_list",
    "did_you_mean",
    "milliseconds",
    "options",
    "pairs",
    "scenario",
    "seconds",
    "settings",
    "shapes",
    "whole_or_auto",
]

_SECONDS = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([a-z]*)\s*")
_SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """``did you mean X?`` where a name is near, or else the names to choose from."""
    folded = {_fold(each): each for each in known}
    near = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[near[0]]}?" if near else f"choose from {', '.join(known)}"


def _fold(word: str) -> str:
    """Spelling without case, dashes and underscores: ``SINGLE_STREAM`` is ``SingleStream``."""
    return re.sub(r"[-_ ]", "", word).casefold()


def _one_of(word: str, known: Sequence[str]) -> str:
    for each in known:
        if _fold(each) == _fold(word):
            return each
    raise ValueError(f'"{word}" is not known; {did_you_mean(word, known)}')


def choice(type_: Any, tokens: Sequence[Any]) -> str:
    """One of a Literal's names, in any case."""
    known = get_args(type_) if get_origin(type_) is Literal else ()
    return _one_of(tokens[0].value, known)


def scenario(_: Any, tokens: Sequence[Any]) -> str:
    """Name of a scenario, in any case."""
    return _one_of(tokens[0].value, _SCENARIOS)


def seconds(_: Any, tokens: Sequence[Any]) -> float:
    """A duration: ``10``, ``10s``, ``500ms``, ``2m`` or ``1h``."""
    text = tokens[0].value
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _SECONDS:
        raise ValueError(f'"{text}" is no duration; write 10, 10s, 500ms, 2m or 1h')
    return float(match[1]) * _SECONDS[match[2]]


def whole_or_auto(_: Any, tokens: Sequence[Any]) -> int | str:
    """A whole number, or ``auto``."""
    text = str(tokens[0].value).strip().lower()
    if text == "auto":
        return text
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'"{tokens[0].value}" is no whole number; write a number, or auto')
    return int(text)


def milliseconds(_: Any, tokens: Sequence[Any]) -> float:
    """A duration as MLModelScope wrote it: a mere number is milliseconds; else ``500us``, ``10s``, ``2m``."""
    text = tokens[0].value
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _SECONDS:
        raise ValueError(f'"{text}" is no duration; write 100 or 100ms, 10s or 2m')
    return float(match[1]) * (_SECONDS[match[2]] * 1e3 if match[2] else 1.0)


def comma_list(texts: Sequence[str]) -> tuple[str, ...]:
    """Parts between commas, without empty ones, each once."""
    parts = (part.strip() for text in texts for part in text.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def chosen(values: Mapping[str, Any], name: str, tags: str) -> dict[str, Any]:
    """The values without a name that was not given, and with the tags as a list.

    Args:
        values: Field → value.
        name: Field of the name.
        tags: Field of the tags that may choose instead of it.

    Raises:
        UsageError: Tags are asked for, but there is none.
    """
    found = {key: value for key, value in values.items() if key != name or value is not None}
    text = found[tags]
    found[tags] = () if text is None else comma_list((text,))
    if text is not None and not found[tags]:
        raise UsageError("no tags are given", where=f"--{tags.replace('_', '-')}", hint="write them as model,onnx,fp32")
    return found


def pairs(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` by key; the last one of a key counts."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f'"{text}" is no KEY=VALUE', where=flag)
        found[key] = value
    return found


def options(flag: str, texts: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` by key; values are JSON where they look like it, else text."""
    return {key: _json_or_text(value) for key, value in pairs(flag, texts).items()}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=str)  # NaN and Infinity are no JSON
    except ValueError:
        return text


def settings(flag: str, texts: Sequence[str]) -> dict[str, bool | int | float]:
    """``NAME=VALUE`` by name; values are numbers, ``true`` or ``false``."""
    found: dict[str, bool | int | float] = {}
    for name, text in pairs(flag, texts).items():
        value = _json_or_text(text.lower())
        if not isinstance(value, bool | int | float):
            raise UsageError(f'{name}: "{text}" is no number, true or false', where=flag)
        found[name] = value
    return found


def shapes(flag: str, texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """``NAME:1x3x224x224`` by name; the name may itself hold a colon."""
    found = {}
    for text in texts:
        name, _, dimensions = text.rpartition(":")
        parts = dimensions.split("x")
        if not name or not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
            raise UsageError(f'"{text}" is no shape', where=flag, hint="write it like input:1x3x224x224")
        found[name] = tuple(int(part) for part in parts)
    return found
