"""Folders that are made once: whole or not there, by one process at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mlscope._files import explain_os_errors, fsync_dir

__all__ = ["build_once"]

_PARTIAL = ".partial-"
_SILENT_WAIT_S = 2.0


def build_once(
    folder: Path,
    build: Callable[[Path], None],
    *,
    whole: Callable[[Path], bool],
    what: str,
    warn: Callable[[str], None],
) -> None:
    """Have a folder, built by this process or by another one that is at it.

    Args:
        folder: The folder; what is in it never changes.
        build: Fills an empty folder. Where it raises, nothing stays.
        whole: Whether a folder that is there can be used; else it is built anew.
        what: What messages call it.
        warn: Hears of waiting.

    Raises:
        ResourceError: The disk is full or the cache cannot be written.
    """
    if folder.is_dir() and whole(folder):
        return
    root, partial = folder.parent, folder.with_name(_PARTIAL + folder.name)
    with explain_os_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    with _alone(folder, what, warn):
        if folder.is_dir() and whole(folder):
            return
        _remove(folder)
        _sweep(root, besides=partial)
        _remove(partial)
        try:
            with explain_os_errors(partial):
                partial.mkdir()
                build(partial)
                fsync_dir(partial)
                partial.rename(folder)
                fsync_dir(root)
        finally:
            _remove(partial)


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.parent / ".locks" / f"{folder.name}.lock")


@contextmanager
def _alone(folder: Path, what: str, warn: Callable[[str], None]) -> Iterator[None]:
    lock = _lock(folder)
    with explain_os_errors(folder):
        Path(lock.lock_file).parent.mkdir(exist_ok=True)
        try:
            lock.acquire(timeout=_SILENT_WAIT_S)
        except Timeout:
            warn(f"another process is making {what}; waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _sweep(root: Path, besides: Path) -> None:
    """Remove what processes left that were killed."""
    for partial in root.glob(f"{_PARTIAL}*"):
        if partial == besides:
            continue
        lock = _lock(partial.with_name(partial.name.removeprefix(_PARTIAL)))
        try:
            with lock.acquire(timeout=0):
                _remove(partial)
        except Timeout:
            continue  # somebody is at it


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    for path, folders, _ in os.walk(folder):
        for name in folders:  # a script may have taken its own rights away
            inner = Path(path, name)
            if not inner.is_symlink():
                inner.chmod(0o700)
    shutil.rmtree(folder)
