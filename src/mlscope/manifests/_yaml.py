"""YAML 1.2 files as plain values that remember where they were written.

Numbers remember their source text, because ``version: 1.10`` is a version and no number. Nothing in a file can
make this grow without bound: size, depth and the number of values after aliases are limited.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import warnings
from pathlib import Path
from typing import Any

from mlscope.manifests._finding import BrokenManifest, Finding

__all__ = ["Document", "SourceFloat", "SourceInt", "YamlPath", "read_document"]

MAX_BYTES = 512 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 40

YamlPath = tuple[str | int, ...]
"""Keys and list positions from the top of the file."""
_Mark = tuple[int, int]

_TAG = "tag:yaml.org,2002:"
_RADIX = re.compile(r"[-+]?0[xob]")


class SourceInt(int):
    """A whole number that knows how it was written."""

    text: str


class SourceFloat(float):
    """A number that knows how it was written."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A YAML file: its values and their positions (lines and columns count from 1)."""

    path: Path
    sha256: str
    data: dict[str, Any]
    keys: dict[YamlPath, _Mark]
    """Path → where its key is written (list items: where the item begins)."""
    values: dict[YamlPath, _Mark]
    """Path → where its value is written."""

    def finding(self, at: YamlPath, message: str, *, key: bool = False, warning: bool = False) -> Finding:
        """A finding at the value (or the key) of a path, or of the nearest thing above it that is written."""
        marks = self.keys if key else self.values
        line, column = marks[self.nearest(at)]
        return Finding(self.path, line, column, "warning" if warning else "error", message)

    def nearest(self, at: YamlPath) -> YamlPath:
        """The path without the steps that are not in the file (names that a validator made up)."""
        found: YamlPath = ()
        for step in at:
            if (*found, step) in self.values:
                found = (*found, step)
        return found


def read_document(path: Path) -> Document:
    """Read one YAML file whose top is a mapping.

    Raises:
        BrokenManifest: The file cannot be read, is no YAML, is too large or has a key twice.
    """
    raw = _read_bytes(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = _mark_of_offset(raw[: error.start].decode("utf-8", "replace"), error.start)
        raise _broken(path, mark, "not a text file in UTF-8") from error
    reader = _Reader(path)
    data = reader.read(text)
    return Document(path, hashlib.sha256(raw).hexdigest(), data, reader.keys, reader.values)


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise _broken(path, (1, 1), "there is no such file") from error
    except OSError as error:
        raise _broken(path, (1, 1), f"cannot be read: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise _broken(path, (1, 1), f"larger than {MAX_BYTES // 1024} KiB, which no manifest is")
    return raw


def _broken(path: Path, mark: _Mark, message: str) -> BrokenManifest:
    return BrokenManifest([Finding(path, *mark, "error", message)])


def _mark_of_offset(text: str, offset: int) -> _Mark:
    before = text[:offset]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


class _Reader:
    """Turns the nodes of one file into values, noting positions on the way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: dict[YamlPath, _Mark] = {}
        self.values: dict[YamlPath, _Mark] = {}

    def read(self, text: str) -> dict[str, Any]:
        root = self._compose(text)
        if root is None:
            raise _broken(self.path, (1, 1), "the file is empty")
        self.keys[()] = _mark(root)
        value = self._value(root, ())
        if not isinstance(value, dict):
            raise _broken(self.path, _mark(root), "a manifest is a mapping (key: value) at its top")
        return value

    def _compose(self, text: str) -> Any:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError
        from ruamel.yaml.reader import ReaderError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an anchor that is defined twice is no fault
                return YAML(typ="safe", pure=True).compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise _broken(self.path, at, f"not valid YAML: {_explain(error.problem or str(error))}") from error
        except ReaderError as error:
            at = _mark_of_offset(text, error.position)
            raise _broken(self.path, at, "not valid YAML: a control character") from error
        except (YAMLError, ValueError) as error:
            raise _broken(self.path, (1, 1), f"not valid YAML: {error}") from error
        except RecursionError as error:
            raise _broken(self.path, (1, 1), f"nested more than {MAX_DEPTH} levels deep") from error

    def _value(self, node: Any, at: YamlPath) -> Any:
        mark = _mark(node)
        # An empty value (`key:`) has no place of its own; its key has one.
        self.values[at] = self.keys[at] if getattr(node, "value", None) == "" else mark
        if len(self.values) > MAX_VALUES:
            raise _broken(self.path, mark, f"more than {MAX_VALUES} values (aliases counted as often as used)")
        if len(at) > MAX_DEPTH:
            raise _broken(self.path, mark, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(node.value, str):
            return self._scalar(node, at)
        if node.tag == _TAG + "seq":
            return [self._item(item, (*at, index)) for index, item in enumerate(node.value)]
        if node.tag == _TAG + "map":
            return self._mapping(node, at)
        raise _broken(self.path, mark, f"the YAML tag {node.tag} is not allowed")

    def _item(self, node: Any, at: YamlPath) -> Any:
        self.keys[at] = _mark(node)
        return self._value(node, at)

    def _mapping(self, node: Any, at: YamlPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = _mark(key_node)
            key = key_node.value
            if not isinstance(key, str):
                raise _broken(self.path, mark, "a key must be plain text")
            if key in found:
                first = self.keys[(*at, key)][0]
                raise _broken(self.path, mark, f"the key '{key}' is there twice; first in line {first}")
            self.keys[(*at, key)] = mark
            found[key] = self._value(value_node, (*at, key))
        return found

    def _scalar(self, node: Any, at: YamlPath) -> Any:
        text, kind = node.value, str(node.tag).removeprefix(_TAG)
        if at[:1] == ("attributes",):  # free text by definition: 76.160 stays 76.160
            return "" if kind == "null" else text
        try:
            return _SCALARS[kind](text)
        except KeyError:
            message = f"the YAML tag {node.tag} is not allowed"
        except ValueError:
            message = f"'{text}' is no {kind}"
        raise _broken(self.path, _mark(node), message)


def _mark(node: Any) -> _Mark:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _explain(problem: str) -> str:
    if "'\\t'" in problem:
        return "a tab where only spaces may stand"
    if "mapping values are not allowed" in problem:
        return f"{problem} (wrong indentation, or a text with ': ' that needs quotes)"
    return problem


def _integer(text: str) -> SourceInt:
    digits = text.replace("_", "")
    value = SourceInt(int(digits, 0) if _RADIX.match(digits) else int(digits))
    value.text = text
    return value


def _number(text: str) -> SourceFloat:
    value = SourceFloat(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    value.text = text
    return value


_SCALARS: dict[str, Any] = {
    "str": str,
    "timestamp": str,  # dates are text here
    "null": lambda _: None,
    "bool": lambda text: text.lower() in ("true", "yes", "on"),
    "int": _integer,
    "float": _number,
    "merge": str,
}
