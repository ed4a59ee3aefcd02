"""A loaded model kept from one run of a sweep to the next."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from mlscope.conductor._worker import Worker
from mlscope.errors import MlscopeError
from mlscope.worker.protocol import Loaded

__all__ = ["Keeper"]

_PREFIX = "mlscope-kept-"


class Keeper:
    """Keeps the last worker, for the next run that wants the very same one.

    A kept worker's folder and log lie outside of all run folders, which are sealed while it lives on; each run
    copies its part of the log.
    """

    def __init__(self) -> None:
        _tidy()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self.log = self.folder / "worker.log"
        self._kept: tuple[str, Worker, Loaded] | None = None

    def take(self, key: str) -> tuple[Worker, Loaded] | None:
        """The kept worker, if it is the one of this key and still there; any other is ended."""
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        if kept[0] == key and kept[1].channel.process.poll() is None:
            return kept[1], kept[2]
        _end(kept[1])
        return None

    def give(self, key: str, worker: Worker, loaded: Loaded) -> None:
        """Keep a worker that has finished its run."""
        self._kept = key, worker, loaded

    def log_size(self) -> int:
        """Bytes of the log so far."""
        return self.log.stat().st_size if self.log.exists() else 0

    def copy_log(self, begin: int, to: Path) -> None:
        """The log from one of its bytes on."""
        if not self.log.exists():
            return
        with self.log.open("rb") as file, to.open("ab") as out:
            file.seek(begin, os.SEEK_SET)
            shutil.copyfileobj(file, out)

    def close(self) -> None:
        """End the worker and remove its folder."""
        kept, self._kept = self._kept, None
        if kept is not None:
            _end(kept[1])
        shutil.rmtree(self.folder, ignore_errors=True)


def _end(worker: Worker) -> None:
    """Its results are sealed already: however it ends, nothing is lost."""
    try:
        worker.quit()
    except MlscopeError:
        worker.kill()


def _tidy() -> None:
    """Remove the folders of commands that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = Path("/proc") / folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.parent.is_dir() and not owner.exists():
            shutil.rmtree(folder, ignore_errors=True)
