"""Manifests written as own-dialect YAML."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from mlscope.manifests._load import Manifest, load_file

__all__ = ["convert", "to_yaml"]


def convert(path: Path | str) -> str:
    """A manifest of either dialect as own-dialect YAML, without what is empty.

    It loads back to an equal manifest. Relative ``file:`` sources stay as they are, so the text belongs into the
    same folder.

    Raises:
        BrokenManifest: The manifest has faults.
    """
    return to_yaml(load_file(Path(path)).manifest)


def to_yaml(manifest: Manifest) -> str:
    """A manifest as own-dialect YAML."""
    return _dump({"schema": manifest.SCHEMA, **_written(manifest)})


def _written(node: BaseModel) -> dict[str, Any]:
    """The keys worth writing: choices always, even if they are the default; nothing where there is nothing."""
    found = {}
    for name, field in type(node).model_fields.items():
        value = getattr(node, name)
        nothing = value is None or value is False or isinstance(value, dict | tuple | BaseModel)
        if not (nothing and value == field.default):
            found[name] = _value(value)
    return found


def _value(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _written(value)
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}
    return [_value(item) for item in value] if isinstance(value, tuple) else value


def _dump(values: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 1 << 16  # no folding: addresses stay in one piece
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_styled(values), stream)
    return stream.getvalue()


def _styled(value: Any) -> Any:
    """Steps and lists of numbers in one line, texts of several lines as blocks."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, dict):
        mapping = CommentedMap((_text(key), _styled(item)) for key, item in value.items())
        if "op" in value:
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        sequence = CommentedSeq(_styled(item) for item in value)
        if not any(isinstance(item, dict | list | str) for item in value):
            sequence.fa.set_flow_style()
        return sequence
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    """A text in a style that keeps every character."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    if value.isprintable():
        return value
    lines = value.split("\n")
    block = lines[0].strip() == lines[0] != "" and all(line.isprintable() for line in lines)
    trailing = any(line != line.rstrip() for line in lines)
    style: type[str] = LiteralScalarString if block and not trailing else DoubleQuotedScalarString
    return style(value)
