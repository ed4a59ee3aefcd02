"""Reading ``evaluation.json`` of this and of every older schema version."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlscope.errors import StoreError
from mlscope.results._record import SCHEMA_VERSION, Record

__all__ = ["RECORD_FILE", "UPGRADES", "parse_record", "read_record", "upgrade"]

RECORD_FILE = "evaluation.json"
_TODAYS = re.compile(rf'\s*\{{\s*"schema_version":\s*{SCHEMA_VERSION}\s*,')
"""How a record of this version begins."""

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda record: {**record, "mlscope_commit": None, "mlscope_dirty": None},
    2: lambda record: record,  # what is new may be absent
    3: lambda record: record,
    4: lambda record: record,
}
"""Schema version → function that turns a record of that version into one of the next.

Who raises ``SCHEMA_VERSION`` adds the step here and a golden record of the old version to the tests.
"""


def read_record(folder: Path) -> Record:
    """Read a sealed run folder's record, whatever schema version wrote it.

    Raises:
        StoreError: There is no record, it is damaged, or a newer mlscope wrote it.
    """
    path = folder / RECORD_FILE
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            "no run folder: evaluation.json is missing", where=str(folder), hint="was the run sealed?"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot be read: {error.strerror}", where=str(path)) from error
    return parse_record(text, where=str(path))


def parse_record(text: str | bytes, *, where: str) -> Record:
    """Make a record from its JSON text.

    Raises:
        StoreError: It is no record, or a newer mlscope wrote it; the message starts with `where`.
    """
    begin = text[:80]
    if _TODAYS.match(begin if isinstance(begin, str) else begin.decode(errors="replace")):
        try:
            return Record.model_validate_json(text)
        except ValidationError:
            pass  # why is told below
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"damaged, not JSON ({error})", where=where) from error
    if not isinstance(data, dict):
        raise StoreError("damaged, not a JSON object", where=where)
    upgraded = upgrade(data, where=where)
    try:
        # JSON mode: tuples and times are written as arrays and text.
        return Record.model_validate_json(text if upgraded is data else json.dumps(upgraded))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"not a record: {place}: {first['msg']}", where=where) from error


def upgrade(
    data: dict[str, Any],
    *,
    where: str,
    current: int = SCHEMA_VERSION,
    upgrades: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = UPGRADES,
) -> dict[str, Any]:
    """Bring a record's JSON to schema version `current`, one version at a time; `data` stays as it is.

    Raises:
        StoreError: It has no usable schema version, or a newer one.
    """
    version = data.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StoreError("not a record: schema_version is missing or no positive number", where=where)
    if version > current:
        raise StoreError(
            f"written by a newer mlscope (schema version {version}, this one reads up to {current})",
            where=where,
            hint="upgrade mlscope",
        )
    for step in range(version, current):
        data = {**upgrades[step](dict(data)), "schema_version": step + 1}
    return data
