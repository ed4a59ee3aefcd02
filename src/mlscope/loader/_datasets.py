"""Data sets on disk: which files, with which labels, in which order."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import stat
from collections.abc import Mapping
from pathlib import Path

from mlscope.errors import DataError
from mlscope.loader._lists import (
    Samples,
    class_folders,
    read_class_index,
    read_csv,
    read_folders,
    read_val_map,
)
from mlscope.manifests import CsvColumns, DatasetManifest

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
    layout: str = "val_map"
    """How the list was read."""

    def __len__(self) -> int:
        return len(self.files)

    def path(self, row: int) -> str:
        """Path of a sample."""
        return str(self.root / self.files[row])


def open_dataset(manifest: DatasetManifest, base: Path, path: Path | None, class_index: Path | None = None) -> Dataset:
    """Read a data set's list and find its files.

    A file that is listed twice is evaluated twice. Names lead into the folder, never out of it; a symbolic link
    inside of it may lead anywhere. A folder of class folders is recognised where the manifest expects a ``val_map``
    list, there is no list of any kind, and the class index has the name of every folder (or, without one, there are
    exactly as many folders as classes).

    Args:
        manifest: The data set's manifest.
        base: Folder of the manifest; its own `path` is relative to it.
        path: Where the pictures lie, when the user said so.
        class_index: The file that the manifest's `class_index` names.

    Raises:
        DataError: No folder, no list, a line that cannot be read, a name that leads out of the folder, a label out of
            range, two labels for one file, a missing file, or no samples at all.
    """
    root = _root(manifest, base, path)
    index = read_class_index(class_index, manifest.classes) if class_index is not None else None
    layout = _layout(manifest, root, index)
    listing = root / manifest.listing
    samples = Samples(manifest.classes)
    if layout == "folders":
        read_folders(root, manifest.classes, index, samples)
    elif not listing.is_file():
        raise _no_list(manifest, root, index)
    elif layout == "csv":
        read_csv(listing, manifest.columns or CsvColumns(), index, samples)
    else:
        read_val_map(listing, samples)
    if not samples.files:
        raise DataError("the list names no pictures", where=str(listing))
    digest = hashlib.sha256()
    for name, label in zip(samples.files, samples.labels, strict=True):
        digest.update(f"{name} {label} {_file_size(root, name, manifest.listing)}\n".encode())
    return Dataset(
        manifest.name,
        manifest.version,
        root,
        tuple(samples.files),
        tuple(samples.labels),
        manifest.classes,
        digest.hexdigest(),
        layout,
    )


def _root(manifest: DatasetManifest, base: Path, path: Path | None) -> Path:
    root = path if path is not None else (base / manifest.path if manifest.path else None)
    if root is None:
        raise DataError(
            f"the data set {manifest.name!r} does not say where its pictures lie", hint="give --dataset-path DIR"
        )
    root = root.absolute()
    if not root.is_dir():
        what = "this is a file, not a folder" if root.exists() else "there is no such folder"
        raise DataError(what, where=str(root), hint="give --dataset-path DIR")
    return root


def _layout(manifest: DatasetManifest, root: Path, index: Mapping[str, int] | None) -> str:
    """How the folder is to be read: as the manifest says, unless it can only be a folder of class folders."""
    lists = (root / manifest.listing).exists() or any(any(root.glob(f"*{suffix}")) for suffix in (".txt", ".csv"))
    if manifest.layout == "val_map" and not lists and _has_classes(root, manifest.classes, index):
        return "folders"
    return manifest.layout


def _has_classes(root: Path, classes: int, index: Mapping[str, int] | None) -> bool:
    names = class_folders(root)
    return len(names) == classes if index is None else bool(names) and all(name in index for name in names)


def _no_list(manifest: DatasetManifest, root: Path, index: Mapping[str, int] | None) -> DataError:
    """With the list that may be meant, or the folder."""
    there = sorted(item.name for item in root.glob(f"*{Path(manifest.listing).suffix}"))
    near = difflib.get_close_matches(manifest.listing, there, 1)
    below = [name for name in class_folders(root) if _has_classes(root / name, manifest.classes, index)]
    if near:
        hint = f"did you mean {near[0]!r}?"
    elif below:
        hint = f"did you mean --dataset-path {root / ('val' if 'val' in below else below[0])}?"
    elif manifest.layout == "csv":
        hint = "its first line names columns, `columns` of the manifest says which"
    elif _has_classes(root, manifest.classes, index):
        hint = "for a folder of class folders beside other lists write `layout: folders` into a manifest"
    else:
        hint = "it holds a line `file index` for each picture"
    return DataError(f"the folder has no {manifest.listing}", where=str(root), hint=hint)


def _file_size(root: Path, name: str, listing: str) -> int:
    try:
        found = (root / name).stat()
    except OSError as error:
        raise DataError(f"{listing} names {name!r}, which is not there", where=str(root)) from error
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{listing} names {name!r}, which is no file", where=str(root))
    return found.st_size
