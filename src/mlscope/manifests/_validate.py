"""From a document to a manifest class, with every complaint put at its line and column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlscope.manifests._finding import BrokenManifest, Finding
from mlscope.manifests._suggest import did_you_mean
from mlscope.manifests._yaml import Document, YamlPath

__all__ = ["Origins", "original_place", "validate"]

ModelT = TypeVar("ModelT", bound=BaseModel)
Origins = Mapping[YamlPath, YamlPath]
"""Where a value of a translated manifest was written in the file: place in the manifest → place in the file."""

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "tuple_type": "a list",
    "finite_number": "a finite number",
}


def validate(document: Document, cls: type[ModelT], data: Mapping[str, Any], origins: Origins | None = None) -> ModelT:
    """Make a manifest from a document's values.

    Args:
        document: The file, for positions.
        cls: The manifest class.
        data: The values; those of the document or translated from them.
        origins: Where translated values were written.

    Raises:
        BrokenManifest: With one finding for each fault.
    """
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise BrokenManifest([_finding(document, detail, origins or {}) for detail in details]) from error


def original_place(place: YamlPath, origins: Origins) -> YamlPath:
    """Where a value of a translated manifest was written (the longest known beginning decides)."""
    for length in range(len(place), -1, -1):
        if place[:length] in origins:
            return (*origins[place[:length]], *place[length:])
    return place


def _finding(document: Document, detail: ErrorDetails, origins: Origins) -> Finding:
    context = detail.get("ctx", {})
    place: YamlPath = detail["loc"]
    kind = detail["type"]
    if kind == "fault":
        place = (*place, *context["at"])
        message, key = context["message"], context["key"]
    elif kind == "missing":
        message, key = f"missing key '{place[-1]}'", True
        place = place[:-1]
    elif kind in ("union_tag_invalid", "union_tag_not_found"):
        message, key = _unknown_tag(detail), False
        place = (*place, "op")
    else:
        message, key = _plain_words(detail), False
    place = original_place(place, origins)
    # A key that is missing has no place of its own: the key above it is shown.
    return document.finding(place, message, key=key)


def _unknown_tag(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    if "tag" not in context:
        return "missing key 'op', which says what the step does"
    known = context["expected_tags"].replace("'", "").split(", ")
    return f"unknown op '{context['tag']}'{did_you_mean(context['tag'], known)} (known: {', '.join(known)})"


def _plain_words(detail: ErrorDetails) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "literal_error":
        expected = detail["ctx"]["expected"]
        known = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
        return f"{_shown(given)} is not one of {', '.join(known)}{did_you_mean(str(given), known)}"
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}, not {_shown(given)}"
    message = detail["msg"]
    return f"{message[:1].lower()}{message[1:]}, not {_shown(given)}"


def _shown(value: Any) -> str:
    """A value in a manifest writer's words."""
    if value is None:
        return "empty (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = getattr(value, "text", None) or str(value)
    return f"'{text if len(text) <= 60 else text[:57] + '…'}'"
