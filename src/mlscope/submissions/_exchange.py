"""Runs between machines: archives of run folders, CK's archives, and trees of MLPerf results as they came."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from mlscope._files import digest, explain_os_errors
from mlscope._home import cache_dir, runs_dir
from mlscope.assets import unpack
from mlscope.errors import DataError, StoreError, UsageError
from mlscope.results import Record, index_forgotten, index_runs, read_record, run_folder, take_in, verify_folder
from mlscope.submissions._ck import find_points, holds_points, write_logs
from mlscope.submissions._ck_record import ck_record
from mlscope.submissions._ck_write import write_entries
from mlscope.submissions._import import Batch, Imported
from mlscope.submissions._pack import check_target, pack
from mlscope.submissions._sources import SOURCE_FILE, content_id, digests, put_source, restore

__all__ = ["Layout", "export_experiments", "import_experiments"]

Layout = Literal["mlscope", "ck", "mlperf"]

LIST_FILE = "mlscope-runs.json"
"""In archives of run folders: ``{"runs": {id: sha256 of its evaluation.json}}``."""
RECORD = "evaluation.json"
_KINDS: dict[Layout, tuple[str, ...]] = {"ck": ("ck", "own", "rehearsal"), "mlperf": ("official",)}

Warn = Callable[[str], None]


def export_experiments(
    records: Sequence[Record], out: Path, layout: Layout = "mlscope", *, overwrite: bool = False
) -> int:
    """Write runs of this home to an archive or a folder.

    Args:
        records: Of this home.
        out: ``….zip``, ``….tar.zst`` or a folder.
        layout: ``mlscope``: the run folders with their digests. ``ck``: experiments of CK; points that came from CK are
            written as they were. ``mlperf``: trees of results as they were imported.
        overwrite: Replace an archive that is there.

    Returns:
        How many files were written.

    Raises:
        UsageError: There is nothing to export, the place is taken, or the records are of a kind that the layout has
            no place for.
        StoreError: A run was changed after it was sealed.
        ResourceError: The disk is full or the place cannot be written.
    """
    check_target(out, overwrite=overwrite)
    if not records:
        raise UsageError("there is no run to export", hint="mlscope runs list shows all")
    for record in records:
        if layout in _KINDS and record.kind not in _KINDS[layout]:
            other = "official records" if layout == "mlperf" else "own runs and those of CK"
            raise UsageError(
                f"a record of kind {record.kind} cannot be written so; --to {layout} is for {other}", where=record.id
            )
    folders = {record.id: run_folder(record.id) for record in records}
    for identifier, folder in folders.items():
        if problems := verify_folder(folder):
            raise StoreError(f"was changed after it was sealed: {problems[0]}", where=identifier)
    if layout == "mlscope":
        files: dict[str, Path | bytes] = {LIST_FILE: _list(folders)}
        for identifier, folder in folders.items():
            files |= {f"{identifier}/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()}
        pack(files, out)
        return len(files)
    with _workplace() as place:
        count = _lay_out(records, folders, place)
        pack({path.relative_to(place).as_posix(): path for path in place.rglob("*") if path.is_file()}, out)
    return count


def _list(folders: dict[str, Path]) -> bytes:
    runs = {identifier: digest(folder / RECORD) for identifier, folder in sorted(folders.items())}
    return (json.dumps({"runs": runs}, indent=2) + "\n").encode()


def _lay_out(records: Sequence[Record], folders: dict[str, Path], place: Path) -> int:
    """Put the sources of imported records side by side, and what CK would have recorded of own runs beside them."""
    imported = [record for record in records if (folders[record.id] / SOURCE_FILE).is_file()]
    count = restore(_sources(folders[record.id] for record in imported), place)
    own = [record for record in records if record not in imported]
    return count + write_entries([(record, folders[record.id]) for record in own], place)


def _sources(folders: Iterator[Path]) -> Iterator[BinaryIO]:
    for folder in folders:
        with (folder / SOURCE_FILE).open("rb") as file:
            yield file


def import_experiments(path: Path, *, warn: Warn) -> Imported:
    """Take in an archive or folder of run folders, or of CK experiments; what is here already stays as it is.

    Args:
        path: A zip or tar archive, or a folder.
        warn: Hears one line for each run or file that is broken and left out.

    Raises:
        DataError: It holds neither.
        AssetError: The archive is damaged, or made to do harm.
        ResourceError: The disk is full or the home cannot be written.
    """
    with _opened(path) as folder:
        runs = _run_folders(folder)
        if runs:
            return _import_runs(folder, runs, warn)
        if holds_points(folder):
            return _import_points(folder, warn)
    raise DataError(
        "holds neither run folders of mlscope nor experiments of CK",
        where=str(path),
        hint="trees of MLPerf results are read by mlscope submission import",
    )


@contextmanager
def _opened(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise DataError("there is no such archive or folder", where=str(path))
    with _workplace() as folder:
        unpack(path, _chosen, folder, shown=str(path))
        yield folder


@contextmanager
def _workplace() -> Iterator[Path]:
    with explain_os_errors(cache_dir()):
        cache_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="exchange-", dir=cache_dir()) as folder:
            yield Path(folder)


def _chosen(member: str) -> str:
    name = member.replace("\\", "/")
    return f"/{name}" if ":" in name.partition("/")[0] else name


def _run_folders(folder: Path) -> list[Path]:
    """Folders with a record, at most two levels down."""
    found = [path.parent for depth in ("", "*/", "*/*/") for path in folder.glob(f"{depth}{RECORD}")]
    return sorted(path for path in found if not path.is_symlink())


def _import_runs(place: Path, folders: list[Path], warn: Warn) -> Imported:
    promised = _promised(place, warn)
    fresh, known, warnings = [], list[Path](), 0
    for folder in folders:
        try:
            problems = verify_folder(folder)
            identifier = read_record(folder).id
        except StoreError as error:
            problems, identifier = [error.what], folder.name
        if not problems and promised.get(identifier) not in (None, digest(folder / RECORD)):
            problems = [f"{RECORD}: its content was changed"]
        if problems:
            warnings += 1
            warn(f"{folder.relative_to(place).as_posix()}: {problems[0]}; left out")
        elif (runs_dir() / identifier).is_dir():
            known.append(runs_dir() / identifier)
        else:
            fresh.append(folder)
    for identifier in sorted(set(promised) - {folder.name for folder in folders}):
        warnings += 1
        warn(f"{identifier}: the archive's list names it, but it is not there")
    taken = take_in(fresh, runs_dir()) if fresh else []
    index_runs(taken)
    index_forgotten(known)
    return Imported(tuple(record.id for record, _ in taken), len(known), warnings)


def _promised(place: Path, warn: Warn) -> dict[str, str]:
    path = place / LIST_FILE
    if not path.is_file():
        return {}
    try:
        runs = json.loads(path.read_bytes())["runs"]
        return {str(key): str(value) for key, value in runs.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        warn(f"{LIST_FILE}: not understood; the runs are checked by their own digests alone")
        return {}


def _import_points(place: Path, warn: Warn) -> Imported:
    told: set[Path] = set()

    def problem(where: Path, what: str) -> None:
        if where not in told:
            told.add(where)
            warn(f"{where.relative_to(place).as_posix()}: {what}")

    with Batch(runs_dir()) as batch:
        for point in find_points(place, problem):
            found = digests(point.files)
            if point.repetition > 1:
                found["repetition"] = hashlib.sha256(str(point.repetition).encode()).digest()
            identifier = content_id(found)
            if batch.has(identifier):
                continue

            def fill(folder: Path, point=point, identifier=identifier) -> Record:  # type: ignore[no-untyped-def]
                with explain_os_errors(folder):
                    put_source(folder, point.files)
                    (folder / "loadgen").mkdir()
                    write_logs(point.run, folder / "loadgen")
                return ck_record(point, identifier, folder / "loadgen")

            batch.add(identifier, fill)
    return Imported(tuple(batch.added), batch.known, len(told))
