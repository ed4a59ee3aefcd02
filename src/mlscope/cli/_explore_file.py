"""Files of ``mlscope explore``: a sweep's axes in YAML.

::

    command: benchmark
    model-name: Digits_CNN
    scenario: MultiStream
    batch-size: [8, 16]
    samples-per-query: 8:32:8
    option: {precision: [fp32, bf16]}
    tie: [[batch-size, samples-per-query]]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlscope.cli._pages import EXPLORED
from mlscope.errors import UsageError

__all__ = ["read_file"]


def read_file(path: Path) -> tuple[tuple[str, ...], list[str], list[list[str]]]:
    """Command, flags and ties of a sweep's file.

    Raises:
        UsageError: It cannot be read, or it is no mapping of flags to values.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise UsageError(f"cannot be read: {reason}", where=str(path)) from error
    except YAMLError as error:
        raise UsageError(f"no YAML: {' '.join(str(error).split())}", where=str(path)) from error
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise UsageError("the file is no mapping of flags to values", where=str(path))
    fields = {key.replace("_", "-"): value for key, value in document.items()}
    command = tuple(str(fields.pop("command", "benchmark")).split())
    if command not in EXPLORED:
        known = ", ".join(" ".join(each) for each in EXPLORED)
        raise UsageError(f'"{" ".join(command)}" cannot be explored', where=str(path), hint=f"choose from {known}")
    ties = _ties(fields.pop("tie", []), path)
    return command, [argument for key, value in fields.items() for argument in _arguments(key, value, path)], ties


def _arguments(key: str, value: Any, path: Path) -> list[str]:
    """A flag with its values as it would stand on the command line."""
    if isinstance(value, dict):
        return [f"--{key}={name}={_text(each, f'{key}.{name}', path)}" for name, each in value.items()]
    if isinstance(value, bool):
        return [f"--{key}"] if value else []
    return [f"--{key}={_text(value, key, path)}"]


def _text(value: Any, key: str, path: Path) -> str:
    if isinstance(value, list):
        return ",".join(_text(each, key, path) for each in value)
    if isinstance(value, str | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    raise UsageError(f'"{key}" is no value, list or range', where=str(path))


def _ties(value: Any, path: Path) -> list[list[str]]:
    """``[a, b]`` or ``[[a, b], [c, d]]``."""
    nested = value if isinstance(value, list) and all(isinstance(each, list) for each in value) else [value]
    ties = [[str(name).replace("_", "-") for name in each] for each in nested if isinstance(each, list)]
    if not isinstance(value, list):
        raise UsageError('"tie" is no list of flags', where=str(path))
    return ties
