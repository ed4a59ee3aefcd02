"""JSON Schemas and the manifest reference, made from the manifest classes."""

from __future__ import annotations

import builtins
import re
import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mlscope.manifests._model import ModelManifest
from mlscope.manifests._others import DatasetManifest, FrameworkManifest

__all__ = ["json_schemas", "manifest_reference"]

_KINDS: dict[str, type[ModelManifest] | type[DatasetManifest] | type[FrameworkManifest]] = {
    "model": ModelManifest,
    "dataset": DatasetManifest,
    "framework": FrameworkManifest,
}
_WORDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    dict: "mapping",
    type(None): "null",
    Any: "anything",
}


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (draft 2020-12) by kind: ``model``, ``dataset``, ``framework``; for editors.

    They check form; what holds between keys (steps and shape, for instance) only ``mlscope manifest check`` does.
    """
    found = {}
    for kind, cls in _KINDS.items():
        schema = cls.model_json_schema()
        header = {"const": cls.SCHEMA, "description": "First key: kind and version of the manifest.", "title": "Schema"}
        found[kind] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **schema,
            "properties": {"schema": header, **schema["properties"]},
            "required": ["schema", *schema["required"]],
        }
    return found


def manifest_reference() -> str:
    """Every key of every manifest as markdown: type, default and meaning, from the classes' docstrings."""
    parts, written = [], list[type[BaseModel]]()
    for kind, cls in _KINDS.items():
        parts.append(f"## {kind.capitalize()} manifest\n\nFirst key: `schema: {cls.SCHEMA}`.\n")
        before = len(written)
        _classes(cls, written)
        parts += [_section(part, level=2 if part is cls else 3) for part in written[before:]]
    return "\n".join(parts)


def _classes(cls: type[BaseModel], seen: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """A class and all that its fields are made of, each once, outer ones first."""
    if cls in seen:
        return seen
    seen.append(cls)
    for field in cls.model_fields.values():
        for inner in _inner(field.annotation):
            _classes(inner, seen)
    return seen


def _inner(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in _inner(part)]


def _section(cls: type[BaseModel], level: int) -> str:
    doc = _cell(_one_line(cls.__doc__ or ""))
    title = "" if level == 2 else f"### {_spaced(cls.__name__)}\n\n"
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in cls.model_fields.items():
        meaning = _one_line(field.description or "")
        rows.append(f"| `{name}` | {_cell(_type(field.annotation))} | {_default(field)} | {_cell(meaning)} |")
    return f"{title}{doc}\n\n" + "\n".join(rows) + "\n"


def _type(annotation: Any) -> str:
    """A field's type in a manifest writer's words."""
    args = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case typing.Annotated:
            words = _type(args[0])
        case types.UnionType | typing.Union:
            words = " or ".join(dict.fromkeys(_type(part) for part in args))
        case typing.Literal:
            words = ", ".join(f"`{value}`" for value in args)
        case builtins.tuple if args[-1] is Ellipsis:
            words = f"list of {_type(args[0])}"
        case builtins.tuple:
            words = "[" + ", ".join(_type(part) for part in args) + "]"
        case builtins.dict:
            words = f"mapping to {_type(args[1])}"
        case _:
            words = _class_words(annotation)
    return words


def _class_words(cls: Any) -> str:
    if cls in _WORDS:
        return _WORDS[cls]
    if issubclass(cls, BaseModel):
        name = _spaced(cls.__name__)
        return f"[{name}](#{name.lower().replace(' ', '-')})"
    raise TypeError(f"no words for {cls}")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(needed)"
    value = field.default
    if value is None:
        return "null"
    if isinstance(value, BaseModel | dict | tuple) and not value:
        return "empty"
    if isinstance(value, BaseModel):
        return "empty"
    if isinstance(value, tuple):
        return "`[" + ", ".join(map(str, value)) + "]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _spaced(name: str) -> str:
    """`InputSpec` → `Input spec`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return words[0] + words[1:].lower()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")
