"""One member out of an archive: zip (wheels too), tar, tar.gz, tar.bz2, tar.xz, tar.zst.

Nothing is unpacked but the bytes of the one regular file that was asked for, into a file that the caller names;
so no name inside an archive ever becomes a path. Links and devices are refused, and so is what grows too much.
"""

from __future__ import annotations

import difflib
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from mlscope._files import explain_os_errors
from mlscope.errors import AssetError

__all__ = ["DAMAGE", "extract", "largest", "normal", "tar"]

LARGEST_MEMBER_BYTES = 64 << 30
LARGEST_RATIO = 200  # weights hardly shrink at all; what grows 200-fold was made to fill a disk
_ALWAYS_FINE_BYTES = 64 << 20
_CHUNK = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, struct.error),
    *(NotImplementedError, RuntimeError),
)
"""What a broken archive makes the libraries raise."""


def extract(archive: Path, member: str, out: Path, *, shown: str) -> None:
    """Write the bytes of `member` to `out`.

    Args:
        archive: The archive; its kind is told by its content.
        member: Path inside the archive, with forward slashes; a leading ``./`` does not matter.
        out: File to be written.
        shown: What messages call the archive.

    Raises:
        AssetError: No archive, a damaged one, no such member, or one that is no regular file or too large.
        ResourceError: The disk is full or `out` cannot be written.
    """
    name = normal(member)
    if not name or name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise AssetError(f"{member!r} cannot be a path inside an archive", where=shown)
    try:
        with _open(archive, name, shown) as content, explain_os_errors(out), out.open("wb") as file:
            _copy(content, file, largest(archive), f"{shown}: {member}")
    except DAMAGE as error:
        raise AssetError(f"the archive cannot be read: {error}", where=shown) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise AssetError(f"the archive is damaged: {error}", where=shown) from error


def largest(archive: Path) -> int:
    """Bytes that an archive may unpack to."""
    return min(LARGEST_MEMBER_BYTES, max(_ALWAYS_FINE_BYTES, LARGEST_RATIO * archive.stat().st_size))


def _copy(content: IO[bytes], file: IO[bytes], limit: int, shown: str) -> None:
    done = 0
    while chunk := content.read(_CHUNK):
        done += len(chunk)
        if done > limit:
            raise AssetError(
                f"it unpacks to more than {limit} bytes",
                where=shown,
                hint="if it is meant to be that large, unpack it yourself and name it with file:",
            )
        file.write(chunk)


@contextmanager
def _open(archive: Path, name: str, shown: str) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as package, _zip_member(package, name, shown) as content:
            yield content
    else:
        with tar(archive, shown) as tape, _tar_member(tape, name, shown) as content:
            yield content


def _zip_member(package: zipfile.ZipFile, name: str, shown: str) -> IO[bytes]:
    by_name = {normal(info.filename): info for info in package.infolist() if not info.is_dir()}
    if name not in by_name:
        raise _missing(name, list(by_name), shown)
    info = by_name[name]
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        raise AssetError(f"{name!r} is no regular file but a link or a device", where=shown)
    return package.open(info)


@contextmanager
def tar(archive: Path, shown: str) -> Iterator[tarfile.TarFile]:
    """A tar archive, read from its beginning to its end.

    Raises:
        AssetError: It is none.
    """
    with archive.open("rb") as file:
        compressed_by_zstd = file.read(4) == _ZSTD
    if compressed_by_zstd:
        import pyarrow as pa

        with (
            pa.input_stream(str(archive), compression="zstd") as plain,
            tarfile.open(fileobj=plain, mode="r|") as package,
        ):
            yield package
    elif tarfile.is_tarfile(archive):
        # As a stream: a member near the beginning of a large archive is had without reading the rest.
        with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r|*") as package:
            yield package
    else:
        raise AssetError("this is no zip or tar archive", where=shown, hint="check `member` and the source")


def _tar_member(package: tarfile.TarFile, name: str, shown: str) -> IO[bytes]:
    names = []
    for info in package:
        if normal(info.name) == name:
            content = package.extractfile(info) if info.isfile() else None
            if content is None:
                raise AssetError(f"{name!r} is no regular file but a folder, a link or a device", where=shown)
            return content
        if info.isfile():
            names.append(normal(info.name))
    raise _missing(name, names, shown)


def _missing(name: str, names: list[str], shown: str) -> AssetError:
    same_file = [other for other in names if PurePosixPath(other).name == PurePosixPath(name).name]
    near = same_file or difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {len(names)} other files"
    return AssetError(f"the archive has no member {name!r}", where=shown, hint=hint)


def normal(name: str) -> str:
    """A member's path without a leading ``./``."""
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name
