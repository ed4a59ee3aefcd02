"""``source.zip`` of an imported record: the files that it was made from, under the names they had there.

It is what makes imports lossless: a tree or an archive is written again by putting the files of its records side by
side (:func:`restore`).
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mlscope._files import explain_os_errors
from mlscope.errors import StoreError

__all__ = ["SOURCE_FILE", "content_id", "digests", "put_source", "restore"]

SOURCE_FILE = "source.zip"
_CHUNK = 1 << 20
_LARGE = 1 << 30
_LEVEL = 1
"""Of compression; logs shrink tenfold even so."""


def digests(files: Mapping[str, Path]) -> dict[str, bytes]:
    """sha256 of every file by its name.

    Raises:
        OSError: One cannot be read.
    """
    found = {}
    for name, path in files.items():
        with path.open("rb", buffering=0) as file:
            found[name] = hashlib.file_digest(file, "sha256").digest()
    return found


def content_id(found: Mapping[str, bytes]) -> str:
    """The id of a record that is made of files: a UUID version 8 (RFC 9562) of their names and digests."""
    whole = hashlib.sha256()
    for name in sorted(found):
        whole.update(name.encode("utf-8", errors="surrogateescape") + b"\0" + found[name])
    value = int.from_bytes(whole.digest()[:16])
    value = value & ~(0xF << 76) & ~(0b11 << 62) | 0x8 << 76 | 0b10 << 62
    return f"{value:032x}"


def put_source(folder: Path, files: Mapping[str, Path]) -> None:
    """Write ``source.zip`` into a run folder; the same files give the same bytes.

    Args:
        folder: The run folder.
        files: Name, with forward slashes → file.

    Raises:
        OSError: A file cannot be read, or the archive cannot be written.
    """
    with zipfile.ZipFile(folder / SOURCE_FILE, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as package:
        for name in sorted(files):
            large = files[name].stat().st_size > _LARGE
            with files[name].open("rb") as source, package.open(name, "w", force_zip64=large) as target:
                shutil.copyfileobj(source, target, _CHUNK)


def restore(sources: Iterable[BinaryIO], out: Path) -> int:
    """Write the files of many ``source.zip`` side by side below a folder.

    Args:
        sources: The archives, open.
        out: An empty or missing folder.

    Returns:
        How many files were written.

    Raises:
        StoreError: An archive is damaged, a name leads out of the folder, or two archives have different files of one
            name.
        ResourceError: The disk is full or the folder cannot be written.
    """
    known: dict[str, bytes] = {}
    for source in sources:
        try:
            with zipfile.ZipFile(source) as package:
                for item in package.infolist():
                    _restore_one(package, item, out, known)
        except zipfile.BadZipFile as error:
            raise StoreError(f"{SOURCE_FILE} of a record is damaged: {error}") from error
    return len(known)


def _restore_one(package: zipfile.ZipFile, item: zipfile.ZipInfo, out: Path, known: dict[str, bytes]) -> None:
    path = PurePosixPath(item.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in item.filename or not path.parts:
        raise StoreError(f"{item.filename!r} cannot be the name of a file", where=SOURCE_FILE)
    digest = hashlib.sha256()
    with package.open(item) as content:
        if item.filename in known:
            while data := content.read(_CHUNK):
                digest.update(data)
            if digest.digest() != known[item.filename]:
                raise StoreError(
                    f"the records have different files {item.filename}", hint="choose records of one import"
                )
            return
        target = out / path
        with explain_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                while data := content.read(_CHUNK):
                    digest.update(data)
                    file.write(data)
    known[item.filename] = digest.digest()
