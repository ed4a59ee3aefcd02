"""Configuration files: mlscope's own TOML, and what of MLModelScope's YAML still means something.

Own files have a table for each command; keys are the flags' names. Keys of an outer table hold for all
commands below it that know the flag::

    database-address = "postgresql://me@db.example.org/mlscope"

    [predict]
    batch-size = 8

    [predict.dataset]
    dataset-name = "imagenet"
    dataset-path = "/data/imagenet"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from cyclopts.argument import update_argument_collection

from mlscope.cli._argv import Flags
from mlscope.cli._pages import Path, children, resolve
from mlscope.cli._values import did_you_mean
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import ArgumentCollection

__all__ = ["Configuration"]

_ORIGINAL_NAMES = (".carml_config.yaml", ".carml_config.yml")
_ORIGINAL_KEYS = {
    ("database", "endpoints"): "database-address",
    ("app", "name"): "database-name",
    ("tracer", "endpoints"): "tracer-address",
    ("tracer", "level"): "trace-level",
}


class Configuration:
    """A source of flags' values for cyclopts: fills in what the command line left open.

    Args:
        flags_below: All flags of the commands at or below some words, for checking a file's keys.
    """

    def __init__(self, flags_below: Callable[[Path], Flags]) -> None:
        self._flags_below = flags_below
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Called by cyclopts between parsing and conversion.

        Raises:
            UsageError: The file cannot be read, or has keys that nobody knows.
        """
        given = _value(arguments, "--config")
        path = FilePath(given).expanduser() if given else _found()
        if path is None:
            return
        values = self._original(path, bool(given)) if path.suffix in (".yaml", ".yml") else self._own(path, commands)
        self.notes.append(f"configuration: {path}")
        update_argument_collection(values, str(path), arguments, root_keys=(), allow_unknown=True)

    def _own(self, path: FilePath, commands: tuple[str, ...]) -> dict[str, Any]:
        """Values for one command from mlscope's own file; the innermost table counts."""
        try:
            tables = tomllib.loads(_read(path))
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"no TOML: {error}", where=str(path)) from error
        self._check(tables, (), path)
        values: dict[str, Any] = {}
        table: Any = tables
        for word in (*commands, None):
            values |= {_kebab(key): _listed(value) for key, value in table.items() if not self._is_table(key, value)}
            table = table.get(word)
            if not isinstance(table, dict):
                break
        return values

    @staticmethod
    def _is_table(key: str, value: object) -> bool:
        """Whether it is a command's table and no flag; ``env`` and the like may be tables too."""
        return isinstance(value, dict) and _kebab(key) not in _MAPPINGS

    def _check(self, table: Mapping[str, Any], path: Path, file: FilePath) -> None:
        """Every table a command, every key a flag of it or of a command below it."""
        for key, value in table.items():
            if self._is_table(key, value):
                below = resolve(path, key)
                if below is None:
                    known = [each[-1] for each in children(path)] or ["no further tables"]
                    raise UsageError(
                        f"there is no command [{'.'.join((*path, key))}]",
                        where=str(file),
                        hint=did_you_mean(key, known),
                    )
                self._check(value, below, file)
                continue
            known_flags = self._flags_below(path)
            flags = {each.removeprefix("--") for each in (*known_flags.switches, *known_flags.valued)}
            flags = {each for each in flags if not each.startswith("-")} - {"help", "version", "config"}
            if _kebab(key) not in flags:
                words = " ".join(("mlscope", *path))
                raise UsageError(
                    f'"{key}" is no flag of {words}', where=str(file), hint=did_you_mean(key, sorted(flags))
                )

    def _original(self, path: FilePath, asked_for: bool) -> dict[str, Any]:
        """Values from a configuration of MLModelScope; the rest of it is noted and ignored."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            document = YAML(typ="safe").load(_read(path))
        except YAMLError as error:
            raise UsageError(f"no YAML: {' '.join(str(error).split())}", where=str(path)) from error
        values: dict[str, Any] = {}
        for section, content in document.items() if isinstance(document, dict) else ():
            for key, value in content.items() if isinstance(content, dict) else [("", content)]:
                flag = _ORIGINAL_KEYS.get((str(section), str(key)))
                first = value[0] if isinstance(value, list) and value else value
                if flag and isinstance(first, str) and first:
                    values[flag] = first
                else:
                    self.notes.append(f"{path}: {section}{f'.{key}' if key else ''} means nothing to mlscope")
        address = values.get("database-address", "")
        if not asked_for and "://" not in address and values.pop("database-address", None):
            self.warnings.append(
                f'{path}: database.endpoints "{address}" does not say which kind of database it is and is ignored; '
                f"write for instance postgresql://USER@{address}/DATABASE"
            )
        return values


_MAPPINGS = frozenset({"env", "option", "setting"})


def _kebab(key: str) -> str:
    return key.replace("_", "-")


def _listed(value: Any) -> Any:
    """``{a = 1}`` as ``["a=1"]``."""
    if not isinstance(value, dict):
        return value
    return [f"{key}={str(each).lower() if isinstance(each, bool) else each}" for key, each in value.items()]


def _value(arguments: ArgumentCollection, flag: str) -> str:
    """What the command line gives for a flag, or nothing."""
    for argument in arguments:
        if flag in argument.names and argument.tokens:
            return argument.tokens[-1].value
    return ""


def _read(path: FilePath) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise UsageError(f"cannot be read: {reason}", where=str(path), hint="give --config another file") from error


def _found() -> FilePath | None:
    """The user's own file, or else the original's."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    candidates = (
        os.path.join(folder, "mlscope", "config.toml"),
        *(os.path.join("~", name) for name in _ORIGINAL_NAMES),
    )
    paths = (FilePath(os.path.expanduser(each)) for each in candidates)
    return next((path for path in paths if path.is_file()), None)
