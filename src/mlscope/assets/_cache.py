"""The shared cache: files by their sha256, and which source had which.

::

    cache/assets/
      objects/ab/abcd…/name.onnx   whole, verified, read-only; the folder is the file's sha256
      sources/1234….json           source → sha256, where no manifest promises a digest
      partial/1234….part           downloads that were interrupted, with what is needed to resume them
      locks/1234….lock             one download of a source at a time, on this machine

``1234…`` is the sha256 of the source. Deleting the folder, or any part of it, only costs downloads.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from mlscope._files import digest, explain_os_errors, fsync_dir, write_atomic
from mlscope._home import cache_dir

__all__ = ["Cache"]

_NAME_LENGTH = 120
_SILENT_WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache's folder; `warn` hears of damage and of waiting."""

    root: Path
    warn: Callable[[str], None]

    @classmethod
    def open(cls, warn: Callable[[str], None]) -> Cache:
        """The cache of this user; nothing is created until something is kept."""
        return cls(cache_dir() / "assets", warn)

    def find(self, sha256: str, name: str) -> Path | None:
        """The file with this digest, under this name; its bytes are hashed anew, a damaged copy is dropped."""
        folder = self._folder(sha256)
        wanted = folder / _safe(name)
        for path in sorted(folder.glob("*"), key=lambda path: path != wanted):
            if not path.name.startswith(".") and self._intact(path, sha256):
                return _also_named(path, wanted)
        return None

    def add(self, file: Path, sha256: str, name: str) -> Path:
        """Move a verified file of this file system into the cache.

        Raises:
            ResourceError: The disk is full or the cache cannot be written.
        """
        path = self._folder(sha256) / _safe(name)
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
            file.chmod(0o444)
            file.replace(path)
            fsync_dir(path.parent)
        return path

    def recall(self, key: str) -> str | None:
        """The digest of what a source held when it was fetched."""
        try:
            found = json.loads(self._entry("sources", key, ".json").read_bytes())["sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, str) and re.fullmatch("[0-9a-f]{64}", found) else None

    def remember(self, key: str, sha256: str, shown: str) -> None:
        """Note what a source held; `shown` is the source without secrets, for people who look."""
        text = json.dumps({"source": shown, "sha256": sha256}, indent=1, ensure_ascii=False)
        write_atomic(self._entry("sources", key, ".json"), text + "\n")

    def partial(self, key: str, suffix: str = ".part") -> Path:
        """Where a download or an extraction of `key` grows; the folder is made.

        Raises:
            ResourceError: The cache cannot be written.
        """
        path = self._entry("partial", key, suffix)
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def lock(self, key: str, name: str) -> Iterator[None]:
        """Be the only one, among all processes, who fetches `key`; says so once when it has to wait.

        Raises:
            ResourceError: The cache cannot be written.
        """
        path = self._entry("locks", key, ".lock")
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                lock.acquire(timeout=_SILENT_WAIT_S)
            except Timeout:
                self.warn(f"another process is fetching {name}; waiting for it")
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _folder(self, sha256: str) -> Path:
        return self.root / "objects" / sha256[:2] / sha256

    def _entry(self, kind: str, key: str, suffix: str) -> Path:
        return self.root / kind / (hashlib.sha256(key.encode()).hexdigest() + suffix)

    def _intact(self, path: Path, sha256: str) -> bool:
        try:
            if digest(path) == sha256:
                return True
            self.warn(f"{path}: the cached copy was damaged and is dropped")
            path.unlink()
        except OSError as error:
            self.warn(f"{path}: the cached copy cannot be used: {error.strerror}")
        return False


def _safe(name: str) -> str:
    """A plain file name, whatever the source called itself."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", name).lstrip(".")[-_NAME_LENGTH:].lstrip(".") or "asset"


def _also_named(path: Path, wanted: Path) -> Path:
    """The same bytes under the wanted name: frameworks go by suffixes. Else under the name that exists."""
    if path != wanted:
        with suppress(OSError):
            os.link(path, wanted)
    return wanted if wanted.exists() else path
