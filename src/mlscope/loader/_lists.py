"""Which samples a folder holds, with which labels: lists of lines, lists in CSV, a folder a class."""

from __future__ import annotations

import csv
import difflib
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from mlscope.errors import DataError
from mlscope.manifests import CsvColumns

__all__ = ["Samples", "class_folders", "read_class_index", "read_csv", "read_folders", "read_val_map"]

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_PICTURES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Endings of pictures, those of torchvision's ImageFolder."""


class Samples:
    """Files and labels, in order; a file may come twice, but not with two labels."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._label_of: dict[str, int] = {}
        self.files: list[str] = []
        self.labels: list[int] = []

    def add(self, name: str, label: int, where: str) -> None:
        """Add one.

        Raises:
            DataError: The name leads out of the folder, or the label is out of range or another one than before.
        """
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            hint = "write names relative to it"
            raise DataError(f"{name!r} leads out of the data set's folder", where=where, hint=hint)
        if not 0 <= label < self.classes:
            raise DataError(f"label {label} is out of range (0 to {self.classes - 1})", where=where)
        if self._label_of.setdefault(name, label) != label:
            raise DataError(f"{name!r} has label {label} here and {self._label_of[name]} further up", where=where)
        self.files.append(name)
        self.labels.append(label)


def _text(path: Path, what: str) -> str:
    """A file's text.

    Raises:
        DataError: It cannot be read, or is no UTF-8; the message says in which line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"the {what} cannot be read: {error.strerror}", where=str(path)) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"the {what} cannot be read: byte 0x{data[error.start]:02x} is no UTF-8", where=f"{path}:{line}"
        ) from error


def _lines(path: Path, what: str, form: str) -> Iterator[tuple[str, int, str]]:
    """Name (it may hold spaces), whole number and place of each line that is not empty."""
    for number, line in enumerate(_text(path, what).split("\n"), 1):
        if not line.strip():
            continue
        name, *index = line.strip().rsplit(maxsplit=1)
        if not index or not _WHOLE.fullmatch(index[0]):
            raise DataError(f"the line is no `{form}`: {line.strip()[:60]!r}", where=f"{path}:{number}")
        yield name, int(index[0]), f"{path}:{number}"


def read_val_map(listing: Path, samples: Samples) -> None:
    """Lines ``file index``.

    Raises:
        DataError: One that is none, or that names what cannot be.
    """
    for name, label, where in _lines(listing, "list", "file index"):
        samples.add(name, label, where)


def read_class_index(path: Path, classes: int) -> dict[str, int]:
    """Lines ``class index``: the number of each class by its name.

    Raises:
        DataError: A line that is none, an index out of range, or a class that is there twice.
    """
    found: dict[str, int] = {}
    for name, index, where in _lines(path, "class index", "class index"):
        if not 0 <= index < classes:
            raise DataError(f"index {index} is out of range (0 to {classes - 1})", where=where)
        if name in found:
            raise DataError(f"the class {name!r} is there twice", where=where)
        found[name] = index
    if not found:
        raise DataError("the class index names no classes", where=str(path))
    return found


def class_folders(root: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones are none."""
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(root)) from error


def read_folders(root: Path, classes: int, index: Mapping[str, int] | None, samples: Samples) -> None:
    """A folder for each class, as torchvision's ImageFolder reads it: sorted, and the position is the class.

    Args:
        root: The folder of folders.
        classes: How many classes the data set has.
        index: The class of each folder, where the position does not tell it.
        samples: Where they go.

    Raises:
        DataError: No class folders, one without pictures, one that is not in the index, or (without an index) not all.
    """
    names = class_folders(root)
    if not names:
        raise DataError("the folder has no folders of classes", where=str(root))
    if index is None and len(names) != classes:
        raise DataError(
            f"the folder has {len(names)} class folders and the data set {classes} classes, so their order does not "
            "tell the classes",
            where=str(root),
            hint="name a class_index in the manifest",
        )
    for position, name in enumerate(names):
        folder = root / name
        label = position if index is None else index.get(name)
        if label is None:
            near = difflib.get_close_matches(name, list(index or ()), 1)
            hint = f"did you mean {near[0]!r}?" if near else None
            raise DataError("the class folder is not in the class index", where=str(folder), hint=hint)
        pictures = list(_pictures(folder))
        if not pictures:
            raise DataError("the class folder holds no pictures", where=str(folder), hint=f"({', '.join(_PICTURES)})")
        for path in pictures:
            relative = path.relative_to(root).as_posix()
            if relative != relative.encode(errors="replace").decode():
                raise DataError("a file's name is no UTF-8", where=repr(str(path)))
            samples.add(relative, label, str(path))


def _pictures(folder: Path) -> Iterator[Path]:
    """The pictures in a folder and in what lies below it; links are followed, each folder once."""
    seen = set[str]()

    def fail(error: OSError) -> None:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(error.filename)) from error

    found = []
    for place, below, names in os.walk(folder, followlinks=True, onerror=fail):
        seen.add(os.path.realpath(place))
        below[:] = [name for name in below if os.path.realpath(os.path.join(place, name)) not in seen]
        found.append((place, sorted(names)))
    for place, names in sorted(found):
        yield from (Path(place, name) for name in names if name.lower().endswith(_PICTURES))


def read_csv(listing: Path, columns: CsvColumns, index: Mapping[str, int] | None, samples: Samples) -> None:
    """A list in CSV whose first line names the columns.

    Args:
        listing: The file.
        columns: Which columns hold file and label.
        index: The class of each name; None: labels that are no numbers are names, and sorted their position is the
            class.
        samples: Where they go.

    Raises:
        DataError: No such column, or one that is there twice; a line that lacks a value; a class that is not known.
    """
    found = list(_rows(listing, columns))
    names = {label for _, label, _ in found if not _WHOLE.fullmatch(label)}
    if index is None and names:
        numbers = [(label, where) for _, label, where in found if label not in names]
        if numbers:
            label, where = numbers[0]
            raise DataError(f"label {label!r} is a number, others are names", where=where, hint="write all in one way")
        if len(names) != samples.classes:
            raise DataError(
                f"the list has {len(names)} names of classes and the data set {samples.classes} classes, so their "
                "order does not tell the classes",
                where=str(listing),
                hint="name a class_index in the manifest",
            )
        index = {name: position for position, name in enumerate(sorted(names))}
    for name, label, where in found:
        number = (index or {}).get(label)
        if number is None:
            if label in names:
                raise DataError(f"the class {label!r} is not in the class index", where=where)
            number = int(label)
        samples.add(name, number, where)


def _rows(listing: Path, columns: CsvColumns) -> Iterator[tuple[str, str, str]]:
    """File, label and place of each row."""
    rows = csv.reader(io.StringIO(_text(listing, "list"), newline=""), strict=True)
    places: tuple[int, int] | None = None
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise DataError(f"the line is no CSV: {error}", where=f"{listing}:{max(1, rows.line_num)}") from error
        where = f"{listing}:{rows.line_num}"
        if row is None:
            return
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if places is None:
            places = _column(cells, columns.file, where), _column(cells, columns.label, where)
            continue
        for name, place in zip((columns.file, columns.label), places, strict=True):
            if not "".join(cells[place : place + 1]):
                raise DataError(f"the line has no value for {name!r}", where=where)
        yield cells[places[0]], cells[places[1]], where


def _column(header: list[str], name: str, where: str) -> int:
    if header.count(name) > 1:
        raise DataError(f"the column {name!r} is there twice", where=where)
    if name not in header:
        there = ", ".join(repr(cell) for cell in header[:12])
        hint = f"it has {there}; `columns` of the manifest names them"
        raise DataError(f"the list has no column {name!r}", where=where, hint=hint)
    return header.index(name)
