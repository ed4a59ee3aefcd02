"""Data sets that come as an archive, unpacked into the cache: ``cache/datasets/1234…/``.

The folder is the digest of the archive and of which of its files are taken. Deleting it only costs unpacking.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlscope._home import cache_dir
from mlscope._schema import canonical_digest
from mlscope.assets import Progress, fetch_asset, redact, unpack
from mlscope.errors import DataError
from mlscope.manifests import Archive, DatasetManifest, Found
from mlscope.recipes._once import build_once

if TYPE_CHECKING:
    from mlscope.loader import Dataset

__all__ = ["have_dataset", "materialise"]


def materialise(
    manifest: DatasetManifest,
    base: Path,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> Path | None:
    """The folder of a data set that comes as an archive; it is unpacked where it is not there yet.

    Where the names tell the labels, the folder has the list ``file label`` that the manifest names.

    Args:
        manifest: The data set's manifest.
        base: Folder of the manifest; a relative ``file:`` source counts from it.
        offline: Use only what is on this machine.
        progress: Hears of downloads.
        warn: Hears, one sentence each, what every user must know.

    Returns:
        The folder; None for a data set that is no archive.

    Raises:
        AssetError: The archive cannot be had or is damaged.
        DataError: None of its files is what the manifest says.
        ResourceError: The disk is full or the cache cannot be written.
    """
    archive, say = manifest.archive, warn or (lambda text: None)
    if archive is None:
        return None
    fetched = fetch_asset(archive, base, offline=offline, progress=progress, warn=say)
    listing = manifest.listing if archive.labelled else None
    key = canonical_digest({"archive": fetched.sha256, "files": archive.files, "list": listing})
    folder, shown = cache_dir() / "datasets" / key, redact(archive.sources[0])

    def build(partial: Path) -> None:
        _unpack(archive, fetched.path, partial, listing, shown)

    build_once(folder, build, whole=Path.is_dir, what=f"the data set {manifest.name}", warn=say)
    return folder


def have_dataset(
    found: Found[DatasetManifest],
    path: Path | None = None,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> Dataset:
    """A data set with its samples, unpacked where it comes as an archive.

    Args:
        found: The manifest.
        path: Where the pictures lie, when the user said so.
        offline: Use only what is on this machine.
        progress: Hears of downloads.
        warn: Hears, one sentence each, what every user must know.

    Raises:
        AssetError, ResourceError: As for :func:`materialise`.
        DataError: As for :func:`mlscope.loader.open_dataset`.
    """
    from mlscope.loader import open_dataset

    manifest, base = found.manifest, found.path.parent
    if path is None:
        path = materialise(manifest, base, offline=offline, progress=progress, warn=warn)
    index = None
    if manifest.class_index is not None:
        index = fetch_asset(manifest.class_index, base, offline=offline, progress=progress, warn=warn).path
    return open_dataset(manifest, base, path, index)


def _unpack(archive: Archive, path: Path, folder: Path, listing: str | None, shown: str) -> None:
    pattern, labels = archive.regex(), dict[str, str]()

    def choose(member: str) -> str | None:
        match = pattern.fullmatch(member)
        if match is None:
            return None
        name = member.removeprefix(archive.prefix)
        if listing is not None:
            labels[name] = match["label"]
        return name

    if not unpack(path, choose, folder, shown=shown):
        raise DataError(f"the archive has no file {archive.files!r}", where=shown)
    if listing is not None:
        lines = [f"{name} {int(label)}\n" for name, label in sorted(labels.items())]
        (folder / listing).write_text("".join(lines), encoding="utf-8")
