"""Data sets on disk: which files, with which labels, in which order."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import re
import stat
from pathlib import Path, PurePosixPath

from mlscope.errors import DataError
from mlscope.manifests import DatasetManifest

__all__ = ["Dataset", "open_dataset"]

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


@dataclasses.dataclass(frozen=True, slots=True)
class Dataset:
    """Samples in the order of their list."""

    name: str
    version: str
    root: Path
    files: tuple[str, ...]
    """Names relative to `root`."""
    labels: tuple[int, ...] | None
    classes: int | None
    sha256: str
    """Digest of the list: names, labels and file sizes."""
    layout: str = "val_map"
    """How the list was read."""

    def __len__(self) -> int:
        return len(self.files)

    def path(self, row: int) -> str:
        """Path of a sample."""
        return str(self.root / self.files[row])


def open_dataset(manifest: DatasetManifest, base: Path, path: Path | None) -> Dataset:
    """Read a data set's list and find its files.

    A file that is listed twice is evaluated twice. Names lead into the folder, never out of it; a symbolic link
    inside of it may lead anywhere.

    Args:
        manifest: The data set's manifest.
        base: Folder of the manifest; its own `path` is relative to it.
        path: Where the pictures lie, when the user said so.

    Raises:
        DataError: No folder, no list, a line that is no ``file index``, a name that leads out of the folder, a
            label out of range, two labels for one file, a missing file, or no samples at all.
    """
    root = path if path is not None else (base / manifest.path if manifest.path else None)
    if root is None:
        raise DataError(
            f"the data set {manifest.name!r} does not say where its pictures lie", hint="give --dataset-path DIR"
        )
    root = root.absolute()
    if not root.is_dir():
        what = "this is a file, not a folder" if root.exists() else "there is no such folder"
        raise DataError(what, where=str(root), hint="give --dataset-path DIR")
    listing = root / manifest.list
    if not listing.is_file():
        there = sorted(item.name for item in root.glob("*.txt"))
        near = difflib.get_close_matches(manifest.list, there, 1)
        hint = f"did you mean {near[0]!r}?" if near else "it holds a line `file index` for each picture"
        raise DataError(f"the folder has no {manifest.list}", where=str(root), hint=hint)
    files, labels = _read_list(listing, manifest.classes)
    digest = hashlib.sha256()
    for name, label in zip(files, labels, strict=True):
        digest.update(f"{name} {label} {_file_size(root, name, manifest.list)}\n".encode())
    return Dataset(
        manifest.name, manifest.version, root, tuple(files), tuple(labels), manifest.classes, digest.hexdigest()
    )


def _file_size(root: Path, name: str, listing: str) -> int:
    try:
        found = (root / name).stat()
    except OSError as error:
        raise DataError(f"{listing} names {name!r}, which is not there", where=str(root)) from error
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{listing} names {name!r}, which is no file", where=str(root))
    return found.st_size


def _read_list(listing: Path, classes: int) -> tuple[list[str], list[int]]:
    found: list[tuple[str, int]] = []
    label_of: dict[str, int] = {}
    try:
        lines = listing.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list cannot be read: {error}", where=str(listing)) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{listing}:{number}"
        name, label = _read_line(line, where)
        if not 0 <= label < classes:
            raise DataError(f"label {label} is out of range (0 to {classes - 1})", where=where)
        if label_of.setdefault(name, label) != label:
            raise DataError(f"{name!r} has label {label} here and {label_of[name]} further up", where=where)
        found.append((name, label))
    if not found:
        raise DataError("the list names no pictures", where=str(listing))
    return [name for name, _ in found], [label for _, label in found]


def _read_line(line: str, where: str) -> tuple[str, int]:
    """The name (it may hold spaces) and the label of one line."""
    name, *index = line.strip().rsplit(maxsplit=1)
    if not index or not _WHOLE.fullmatch(index[0]):
        raise DataError(f"the line is no `file index`: {line.strip()[:60]!r}", where=where)
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise DataError(f"{name!r} leads out of the data set's folder", where=where, hint="write names relative to it")
    return name, int(index[0])
