"""What ``-o FILE --append --overwrite`` does."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

from mlscope._files import explain_os_errors, write_atomic
from mlscope.analyses._render import ANALYSIS_COLUMN, dump_json
from mlscope.errors import UsageError

SUFFIXES = {"table": ".tbl", "csv": ".csv", "json": ".json"}
"""Format → extension of its files."""


def write_output(
    text_by_format: Mapping[str, str], path: Path, *, append: bool = False, overwrite: bool = False
) -> list[Path]:
    """Write rendered tables to files, each as a whole or not at all.

    Args:
        text_by_format: ``table``, ``csv`` or ``json`` → what the renderers gave.
        path: Where to; the format's extension is added when there is none. With several formats each file gets
            its own extension.
        append: Add to what is there: JSON lists become one list, objects of lists are joined by name; CSV rows
            follow without a second header.
        overwrite: Replace what is there.

    Returns:
        The files that were written.

    Raises:
        UsageError: A file is there and neither flag was given, both were, or what is there cannot be added to.
        ResourceError: The disk is full or the folder cannot be written.
    """
    if append and overwrite:
        raise UsageError("--append and --overwrite exclude each other", hint="give one of them")
    try:
        return _write(text_by_format, path, append, overwrite)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path), hint="name another file") from error


def _write(text_by_format: Mapping[str, str], path: Path, append: bool, overwrite: bool) -> list[Path]:
    contents = {}
    for form, text in text_by_format.items():
        target = _target(path, form, several=len(text_by_format) > 1)
        contents[target] = _content(target, form, text, append, overwrite)
    for target, content in contents.items():
        if target.exists() and not target.is_file():  # a pipe or a device cannot be replaced by a file
            with explain_os_errors(target):
                target.write_text(content, encoding="utf-8", newline="")
        else:
            write_atomic(target, content)
    return list(contents)


def _target(path: Path, form: str, several: bool) -> Path:
    _refuse_folder(path)
    for parent in path.parents:
        if parent.is_file():
            raise UsageError(f"cannot be written: {parent} is a file", where=str(path), hint="choose another place")
    special = path.exists() and not path.is_file()
    if special and several:
        raise UsageError("can take one format only", where=str(path), hint="give one format")
    if special or (path.suffix and not several):
        return path
    stem = path.with_suffix("") if path.suffix in SUFFIXES.values() else path
    target = stem.with_name(stem.name + SUFFIXES[form])
    _refuse_folder(target)
    return target


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise UsageError("is a folder", where=str(path), hint="name a file")


def _content(target: Path, form: str, text: str, append: bool, overwrite: bool) -> str:
    if not target.is_file() or overwrite:
        return text
    if not append:
        raise UsageError("is there already", where=str(target), hint="use --overwrite, --append or another name")
    with explain_os_errors(target):
        data = target.read_bytes()
    try:
        there = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError("is no text, so nothing can be appended", where=str(target), hint=_HINT) from error
    if not there.strip():
        return text
    if form == "json":
        return _append_json(target, there, text)
    if form == "csv":
        return _append_csv(target, there, text)
    return f"{there.rstrip()}\n\n{text}"


_HINT = "use --overwrite or another name"


def _append_json(target: Path, there: str, text: str) -> str:
    try:
        old = json.loads(there)
    except json.JSONDecodeError as error:
        raise UsageError(
            "is no JSON document, so nothing can be appended", where=f"{target}:{error.lineno}", hint=_HINT
        ) from error
    new = json.loads(text)
    if isinstance(old, list) and isinstance(new, list):
        return dump_json(old + new)
    if isinstance(old, dict) and isinstance(new, dict) and all(isinstance(part, list) for part in old.values()):
        return dump_json({name: old.get(name, []) + new.get(name, []) for name in {**old, **new}})
    raise UsageError("holds another kind of report, so nothing can be appended", where=str(target), hint=_HINT)


def _append_csv(target: Path, there: str, text: str) -> str:
    if not text:
        return there
    old, new = _first_record(there), _first_record(text)
    has_header = new[0] in {"id", ANALYSIS_COLUMN}
    if (old != new) if has_header else (len(old) != len(new)):
        raise UsageError("has other columns, so nothing can be appended", where=str(target), hint=_HINT)
    rows = text.partition("\r\n")[2] if has_header else text
    return there + ("" if there.endswith("\n") else "\r\n") + rows


def _first_record(text: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline="")))
