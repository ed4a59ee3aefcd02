"""Trees of MLPerf results into this home's runs."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mlscope._files import explain_os_errors
from mlscope._home import cache_dir, runs_dir
from mlscope.assets import unpack
from mlscope.errors import DataError
from mlscope.results import Record, RunFolder, index_forgotten, index_runs, seal_together
from mlscope.submissions._official import official_record
from mlscope.submissions._sources import content_id, digests, put_source
from mlscope.submissions._summary import SUMMARY_FILE
from mlscope.submissions._tree import DIVISIONS, Result, find_root, guess_round, results_of

__all__ = ["Batch", "Imported", "import_results", "opened_tree"]

_TOGETHER = 100
"""Runs that are sealed and indexed in one go."""
_PLACES = {"results", "measurements", "systems", "compliance", "audit"}
_CODE = {"code", "src"}


@dataclasses.dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        added: Ids of the new records.
        known: How many were here already.
        warnings: How many files or folders were broken or passed over.
    """

    added: tuple[str, ...]
    known: int
    warnings: int


class Batch:
    """Runs that are being made; they appear together, and none of them after an error.

    Args:
        runs: This home's run folders.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._open: list[tuple[RunFolder, Record]] = []
        self._known: list[Path] = []
        self.added: list[str] = []

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.flush()
            index_forgotten(self._known)
        else:
            for run, _record in self._open:
                run.discard()

    def has(self, identifier: str) -> bool:
        """Whether a run is here already; it is counted then."""
        here = (self._runs / identifier).is_dir() or any(run.record_id == identifier for run, _ in self._open)
        if here:
            self._known.append(self._runs / identifier)
        return here

    @property
    def known(self) -> int:
        """How many runs were here already."""
        return len(self._known)

    def add(self, identifier: str, fill: Callable[[Path], Record]) -> None:
        """Make one run.

        Args:
            identifier: Its id.
            fill: Writes its files into a folder and gives the record. What it raises ends this run alone.
        """
        run = RunFolder.create(self._runs, identifier)
        try:
            record = fill(run.path)
        except BaseException:
            run.discard()
            raise
        self._open.append((run, record))
        if len(self._open) >= _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Seal and index what was made so far."""
        if self._open:
            sealed = seal_together(self._open)
            self.added += [record.id for record, _ in sealed]
            self._open.clear()
            index_runs(sealed)


def import_results(path: Path, *, round_name: str | None, warn: Callable[[str], None]) -> Imported:
    """Make a record of kind ``official`` of every result in a tree; those that are here already stay as they are.

    Args:
        path: A folder, or a zip or tar archive of one.
        round_name: ``v5.1`` and the like; None: what the folder's name says, if it says anything.
        warn: Hears one line for each file or folder that is broken, with its path.

    Raises:
        DataError: There is no such tree.
        AssetError: The archive is damaged, or made to do harm.
        ResourceError: The disk is full or the home cannot be written.
    """
    told: set[Path] = set()
    with opened_tree(path) as folder:
        root = find_root(folder)
        name = round_name or guess_round(root) or guess_round(path)

        def problem(where: Path, what: str) -> None:
            if where not in told:
                told.add(where)
                warn(f"{where.relative_to(root).as_posix()}: {what}")

        with Batch(runs_dir()) as batch:
            for result in results_of(root, problem):
                for run in result.runs or (None,):
                    try:
                        _take(batch, result, run, name, problem)
                    except OSError as error:
                        # A file of the tree; the home's own troubles are ResourceErrors.
                        problem(Path(error.filename or result.folder), f"{error.strerror or error}; passed over")
    return Imported(tuple(batch.added), batch.known, len(told))


def _take(
    batch: Batch, result: Result, run: int | None, name: str | None, problem: Callable[[Path, str], None]
) -> None:
    files = {}
    for path in result.files(run):
        short = path.relative_to(result.root).as_posix()
        if short.isprintable():
            files[short] = path
        else:
            problem(path.parent, "a file whose name cannot be written; passed over")
    identifier = content_id(digests(files))
    if batch.has(identifier):
        return

    def fill(folder: Path) -> Record:
        with explain_os_errors(folder):
            put_source(folder, files)
            test = result.runs[run] if run is not None else result.accuracy
            if test is not None and (summary := test / SUMMARY_FILE).is_file():
                (folder / "loadgen").mkdir()
                shutil.copyfile(summary, folder / "loadgen" / SUMMARY_FILE)
        record, warnings = official_record(result, run, identifier, name)
        for where, what in warnings:
            problem(where, what)
        return record

    batch.add(identifier, fill)


@contextmanager
def opened_tree(path: Path) -> Iterator[Path]:
    """A folder as it is, an archive unpacked for as long as it is needed.

    Raises:
        DataError: There is nothing of that name.
        AssetError: The archive is damaged, or made to do harm.
        ResourceError: The disk is full.
    """
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise DataError("there is no such folder or archive", where=str(path))
    with explain_os_errors(cache_dir()):
        cache_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="import-", dir=cache_dir()) as folder:
            unpack(path, _chosen, Path(folder), shown=str(path))
            yield Path(folder)


def _chosen(member: str) -> str | None:
    """Where a member of an archive goes; None: it is not needed. What leads out of the folder is left to be refused."""
    name = member.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts:
        return member
    if parts and parts[0].endswith(":"):  # a drive of Windows
        return f"/{name}"
    if not name.isprintable():
        return None
    for index in range(min(4, len(parts) - 2)):
        if parts[index] in DIVISIONS:
            below = parts[index + 2 :]
            code = below[0] in _CODE and len(below) == 3
            return name if len(below) == 1 or below[0] in _PLACES or code else None
    return None
