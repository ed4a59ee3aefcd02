"""Files that are either whole or not there, and their digests."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlscope.errors import ResourceError

__all__ = ["digest", "explain_os_errors", "fsync_dir", "write_atomic"]

_RESOURCE_ERRNOS = {
    errno.ENOSPC: ("no space left on the disk", "free some space and run it again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run it again"),
    errno.EROFS: ("the file system is read-only", "set MLSCOPE_HOME to a folder that can be written"),
    errno.EACCES: ("permission denied", "set MLSCOPE_HOME to a folder that can be written"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "set MLSCOPE_HOME to a folder that can be written"),
    errno.EEXIST: ("a file of this name is in the way", "set MLSCOPE_HOME to a folder that can be written"),
    errno.EPERM: ("permission denied", "set MLSCOPE_HOME to a folder that can be written"),
}


@contextmanager
def explain_os_errors(where: Path | str) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into a :class:`ResourceError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _RESOURCE_ERRNOS:
            raise
        what, hint = _RESOURCE_ERRNOS[error.errno]
        raise ResourceError(what, where=str(error.filename or where), hint=hint) from error


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def fsync_dir(path: Path) -> None:
    """Make the entries of a folder durable, so that a rename survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file so that readers see all of it or none: temporary file, fsync, rename.

    Raises:
        ResourceError: The disk is full or the folder cannot be written.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_dir(path.parent)
