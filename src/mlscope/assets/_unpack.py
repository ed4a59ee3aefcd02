"""Many members out of an archive, into a folder.

The same care as for one member: names never lead out of the folder, links and devices are refused, and what grows
too much is not unpacked to its end.
"""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from mlscope._files import explain_os_errors
from mlscope.assets._archive import DAMAGE, largest, normal, tar
from mlscope.errors import AssetError

__all__ = ["unpack"]

_CHUNK = 1 << 20
_MOST_FILES = 4_000_000  # several times ImageNet


def unpack(archive: Path, choose: Callable[[str], str | None], out: Path, *, shown: str) -> list[tuple[str, str]]:
    """Write the members that are chosen into a folder.

    Args:
        archive: zip (wheels too) or tar; its kind is told by its content.
        choose: From a member's path to the path that it gets below `out`; None leaves it out.
        out: The folder; it exists.
        shown: What messages call the archive.

    Returns:
        (member, path below `out`) of what was written, in the order of the archive.

    Raises:
        AssetError: No archive, a damaged one, one that grows too much, a chosen member that is no regular file or
            whose name leads out of the folder, or two that get one name.
        ResourceError: The disk is full or `out` cannot be written.
    """
    left, found, taken = largest(archive), list[tuple[str, str]](), set[str]()
    try:
        for member, regular, content in _members(archive, shown):
            name = choose(member)
            if name is None:
                continue
            _check(name, member, regular, shown)
            if name in taken or len(taken) >= _MOST_FILES:
                why = f"two files would be named {name!r}" if name in taken else f"more than {_MOST_FILES} files"
                raise AssetError(why, where=shown)
            taken.add(name)
            left -= _write(content, out / name, left, f"{shown}: {member}")
            found.append((member, name))
    except (*DAMAGE, ValueError, OverflowError) as error:
        raise AssetError(f"the archive cannot be read: {error}", where=shown) from error
    except OSError as error:  # a full disk is told by explain_os_errors; this is a name or an offset that cannot be
        raise AssetError(f"the archive cannot be read: {error.strerror or error}", where=shown) from error
    return found


def _check(name: str, member: str, regular: bool, shown: str) -> None:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
        raise AssetError(f"{member!r} cannot be the name of a file", where=shown)
    if not regular:
        raise AssetError(f"{member!r} is no regular file but a link or a device", where=shown)


def _write(content: Callable[[], IO[bytes] | None], path: Path, limit: int, shown: str) -> int:
    done = 0
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        source = content()
        if source is None:
            raise AssetError("it cannot be read", where=shown)
        with source, path.open("wb") as file:
            while chunk := source.read(_CHUNK):
                done += len(chunk)
                if done > limit:
                    raise AssetError("the archive unpacks to far more than its own size", where=shown)
                file.write(chunk)
        path.chmod(0o444)
    return done


def _members(archive: Path, shown: str) -> Iterator[tuple[str, bool, Callable[[], IO[bytes] | None]]]:
    """Path, whether it is a regular file, and how its content is read; folders are left out."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as package:
            for item in package.infolist():
                if not item.is_dir():
                    regular = stat.S_IFMT(item.external_attr >> 16) in {0, stat.S_IFREG}
                    yield normal(item.filename), regular, _opener(package, item)
        return
    with tar(archive, shown) as tape:
        for info in tape:
            if not info.isdir():
                yield normal(info.name), info.isfile(), _extractor(tape, info)


def _opener(package: zipfile.ZipFile, item: zipfile.ZipInfo) -> Callable[[], IO[bytes] | None]:
    return lambda: package.open(item)


def _extractor(tape: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes] | None]:
    return lambda: tape.extractfile(info)
