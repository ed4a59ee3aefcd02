"""The run folder: partial while a run is under way, then sealed in one step and never changed.

::

    runs/.partial-<id>/        files of a run under way
    runs/.partial-<id>.lock    locked (flock) for as long as the run's process lives
    runs/<id>/                 sealed: read-only files, evaluation.json written last
    runs/<id>/notes.jsonl      what was added later; append-only, in no digest
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlscope._files import digest, explain_os_errors, fsync_dir, write_atomic
from mlscope.errors import StoreError
from mlscope.results._reading import RECORD_FILE, parse_record, read_record
from mlscope.results._record import FileEntry, Record

__all__ = [
    "NOTES_FILE",
    "RunFolder",
    "abandoned",
    "blob_path",
    "seal_together",
    "sealed_folders",
    "take_in",
    "verify_folder",
]

NOTES_FILE = "notes.jsonl"
_PARTIAL = ".partial-"
_MANY = 200
"""Files; flushing so many one by one takes about a second."""


class RunFolder:
    """The folder of a run under way.

    Attributes:
        path: Where the run writes its files.
        record_id: The id of the record that it will be sealed with.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.record_id = path.name.removeprefix(_PARTIAL)
        self._lock: int | None = lock

    @classmethod
    def create(cls, runs_dir: Path, record_id: str) -> RunFolder:
        """Make an empty partial folder and lock it for as long as this process lives.

        Raises:
            ResourceError: The disk is full or `runs_dir` cannot be written.
        """
        path = runs_dir / f"{_PARTIAL}{record_id}"
        with explain_os_errors(runs_dir):
            runs_dir.mkdir(parents=True, exist_ok=True)
            # Locked before the folder appears, so that nobody takes it for an abandoned one.
            lock = _try_lock(path)
            if lock is None:
                raise StoreError("a run with this id is under way", where=str(path))
            try:
                path.mkdir()
            except OSError:
                _unlock(path, lock)
                raise
        return cls(path, lock)

    @classmethod
    def adopt(cls, path: Path) -> RunFolder | None:
        """Take over an abandoned partial folder; None when its owner is alive or it is gone."""
        lock = _try_lock(path)
        if lock is None:
            return None
        if not path.is_dir():
            _unlock(path, lock)
            return None
        return cls(path, lock)

    def seal(self, record: Record) -> tuple[Record, Path]:
        """Make the folder permanent: digests, evaluation.json, fsync, read-only files, rename.

        Readers see the whole folder under its final name or nothing. When sealing fails, the partial folder
        stays and can be sealed again.

        Args:
            record: What was found; its ``files`` are filled in here.

        Returns:
            The record with its files, and the folder's final path.

        Raises:
            StoreError: The record is not this run's or cannot be read back, the folder exists already, or it
                holds a symbolic link.
            ResourceError: The disk is full or the folder cannot be written.
        """
        target = self._target(record)
        with explain_os_errors(self.path):
            record = self._write(record, durable=True)
            for folder, _, _ in os.walk(self.path):
                fsync_dir(Path(folder))
            self._publish(target)
            fsync_dir(target.parent)
        return record, target

    def _target(self, record: Record) -> Path:
        """Where the sealed folder will be."""
        if record.id != self.record_id:
            raise StoreError(f"the record's id is {record.id}", where=str(self.path))
        return self.path.with_name(self.record_id)

    def _write(self, record: Record, *, durable: bool) -> Record:
        """Take the digests and write evaluation.json; without `durable` the caller flushes everything to the disk."""
        entries = tuple(_seal_file(self.path, path, durable=durable) for path in _files(self.path))
        record = record.model_copy(update={"files": entries})
        text = record.model_dump_json(indent=2) + "\n"
        parse_record(text, where=str(self.path / RECORD_FILE))
        if durable:
            write_atomic(self.path / RECORD_FILE, text)
        else:
            (self.path / RECORD_FILE).write_text(text, encoding="utf-8")
        (self.path / RECORD_FILE).chmod(0o444)
        return record

    def _publish(self, target: Path) -> None:
        """Give the folder its final name."""
        if target.exists():
            raise StoreError("this run is sealed already", where=str(target))
        self.path.rename(target)
        self._release()

    def discard(self) -> None:
        """Delete the folder and everything in it."""
        with explain_os_errors(self.path):
            shutil.rmtree(self.path, ignore_errors=False)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            _unlock(self.path, self._lock)
            self._lock = None


def seal_together(runs: Sequence[tuple[RunFolder, Record]]) -> list[tuple[Record, Path]]:
    """Seal many folders of one home, which are flushed to the disk in one go, not file by file.

    Args:
        runs: Folders and what was found; each as for :meth:`RunFolder.seal`.

    Returns:
        Records with their files, and the folders' final paths.

    Raises:
        StoreError: As for :meth:`RunFolder.seal`; the folders before the faulty one are sealed.
        ResourceError: The disk is full or a folder cannot be written.
    """
    sealed = []
    for run, record in runs:
        with explain_os_errors(run.path):
            sealed.append((run, run._write(record, durable=False), run._target(record)))
    # Before any folder gets its final name: a reader, even after a power cut, sees whole ones.
    _flush([run.path for run, _, _ in sealed])
    for run, _, target in sealed:
        with explain_os_errors(run.path):
            run._publish(target)
    for folder in {target.parent for _, _, target in sealed}:
        fsync_dir(folder)
    return [(record, target) for _, record, target in sealed]


def take_in(folders: Sequence[Path], runs_dir: Path) -> list[tuple[Record, Path]]:
    """Copy sealed run folders of another place to a home, as they are, notes too; all or none of them appear.

    Args:
        folders: Each verified by :func:`verify_folder`; none of them is at home already.
        runs_dir: The home's run folders.

    Returns:
        Their records, and the folders' paths at home.

    Raises:
        StoreError: A run of that id is under way or at home.
        ResourceError: The disk is full or the folder cannot be written.
    """
    copies: list[tuple[RunFolder, Record, Path]] = []
    try:
        for folder in folders:
            record = read_record(folder)
            run = RunFolder.create(runs_dir, record.id)
            copies.append((run, record, run._target(record)))
            names = [entry.path for entry in record.files] + [RECORD_FILE]
            with explain_os_errors(run.path):
                for name in [*names, *([NOTES_FILE] if (folder / NOTES_FILE).is_file() else [])]:
                    target = run.path / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(folder / name, target)
                    target.chmod(0o644 if name == NOTES_FILE else 0o444)
    except BaseException:
        for run, _, _ in copies:
            run.discard()
        raise
    _flush([run.path for run, _, _ in copies])
    for run, _, target in copies:
        run._publish(target)
    fsync_dir(runs_dir)
    return [(record, target) for _, record, target in copies]


def abandoned(runs_dir: Path) -> list[Path]:
    """Partial folders whose process is dead, oldest first; :meth:`RunFolder.adopt` takes one over."""
    found = []
    for path in sorted(runs_dir.glob(f"{_PARTIAL}*")):
        if path.is_dir() and not _alive(path):
            found.append(path)
    return found


def sealed_folders(runs_dir: Path) -> list[Path]:
    """Every sealed run folder (or what looks like one), oldest first."""
    try:
        return sorted(path for path in runs_dir.iterdir() if path.is_dir() and path.name[0] != ".")
    except FileNotFoundError:
        return []


def verify_folder(folder: Path) -> list[str]:
    """Compare a sealed folder with the digests in its record.

    Returns:
        One line for each file that is missing, changed or was added; empty when all is well.

    Raises:
        StoreError: The record itself cannot be read.
    """
    record = read_record(folder)
    problems = [] if folder.name == record.id else [f"the folder is called {folder.name}, its run {record.id}"]
    for entry in record.files:
        path = blob_path(folder, entry.path)
        if path is None or not path.is_file():
            problems.append(f"{entry.path}: missing")
        elif path.stat().st_size != entry.size:
            problems.append(f"{entry.path}: {path.stat().st_size} bytes, sealed with {entry.size}")
        elif digest(path) != entry.sha256:
            problems.append(f"{entry.path}: its content was changed")
    known = {entry.path for entry in record.files} | {RECORD_FILE, NOTES_FILE}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    problems += [f"{name}: was added after sealing" for name in sorted(present - known)]
    return problems


def blob_path(folder: Path, name: str) -> Path | None:
    """The file `name` of a folder; None where the name or a link leads out of it (folders are mailed)."""
    path = folder / name
    return path if path.resolve().is_relative_to(folder.resolve()) else None


def _flush(folders: Sequence[Path]) -> None:
    """Make all files of folders safe from power cuts: few of them one by one, many by flushing everything at once."""
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    if len(paths) > _MANY:
        os.sync()
        return
    for path in paths:
        fsync_dir(path)  # opens to read only, which does for files too


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder but the record, by name."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise StoreError("a run folder holds no symbolic links", where=str(path))
        if path.is_file() and path != folder / RECORD_FILE:
            yield path


def _seal_file(folder: Path, path: Path, *, durable: bool) -> FileEntry:
    """Make one file read-only and, if `durable`, safe from power cuts, and take its digest."""
    if durable:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    path.chmod(0o444)
    return FileEntry(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=digest(path))


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _try_lock(path: Path) -> int | None:
    """Lock a partial folder; None when another process holds it."""
    while True:
        handle = os.open(_lock_path(path), os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        # An owner that sealed meanwhile has unlinked the file: then this lock is worth nothing.
        with contextlib.suppress(FileNotFoundError):
            if _lock_path(path).stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)


def _alive(path: Path) -> bool:
    """Whether a process holds a partial folder's lock; leaves nothing behind, writes nothing."""
    try:
        handle = os.open(_lock_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _unlock(path: Path, lock: int) -> None:
    _lock_path(path).unlink(missing_ok=True)
    os.close(lock)
