"""Data sets on disk: which files, with which labels, in which order."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
from pathlib import Path

from mlscope.errors import DataError
from mlscope.manifests import DatasetManifest

__all__ = ["Dataset", "open_dataset"]


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

    def __len__(self) -> int:
        return len(self.files)

    def path(self, row: int) -> str:
        """Path of a sample."""
        return str(self.root / self.files[row])


def open_dataset(manifest: DatasetManifest, base: Path, path: Path | None) -> Dataset:
    """Read a data set's list and find its files.

    Args:
        manifest: The data set's manifest.
        base: Folder of the manifest; its own `path` is relative to it.
        path: Where the pictures lie, when the user said so.

    Raises:
        DataError: No folder, no list, a line that is no ``file index``, a label out of range, a missing file, or
            no samples at all.
    """
    root = path if path is not None else (base / manifest.path if manifest.path else None)
    if root is None:
        raise DataError(
            f"the data set {manifest.name!r} does not say where its pictures lie", hint="give --dataset-path DIR"
        )
    if not root.is_dir():
        raise DataError("there is no such folder", where=str(root), hint="give --dataset-path DIR")
    listing = root / manifest.list
    if not listing.is_file():
        there = sorted(item.name for item in root.glob("*.txt"))
        near = difflib.get_close_matches(manifest.list, there, 1)
        hint = f"did you mean {near[0]!r}?" if near else "it holds a line `file index` for each picture"
        raise DataError(f"the folder has no {manifest.list}", where=str(root), hint=hint)
    files, labels = _read_list(listing, manifest.classes)
    digest = hashlib.sha256()
    for name, label in zip(files, labels, strict=True):
        try:
            size = (root / name).stat().st_size
        except OSError as error:
            raise DataError(f"{manifest.list} names {name!r}, which is not there", where=str(root)) from error
        digest.update(f"{name} {label} {size}\n".encode())
    return Dataset(
        manifest.name, manifest.version, root, tuple(files), tuple(labels), manifest.classes, digest.hexdigest()
    )


def _read_list(listing: Path, classes: int | None) -> tuple[list[str], list[int]]:
    files, labels = [], []
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list cannot be read: {error}", where=str(listing)) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, index = line.strip().rpartition(" ")
        if not name or not index.lstrip("-").isdigit():
            raise DataError(f"the line is no `file index`: {line[:60]!r}", where=f"{listing}:{number}")
        label = int(index)
        if label < 0 or (classes is not None and label >= classes):
            limit = f"0 to {classes - 1}" if classes else "0 or more"
            raise DataError(f"label {label} is out of range ({limit})", where=f"{listing}:{number}")
        files.append(name.strip())
        labels.append(label)
    if not files:
        raise DataError("the list names no pictures", where=str(listing))
    return files, labels
