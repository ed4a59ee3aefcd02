"""What killed commands left: their runs are sealed with what was measured until then."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from mlscope._files import write_atomic
from mlscope._home import runs_dir
from mlscope.conductor._outcome import Observer, SilentObserver
from mlscope.conductor._run import scratch_folder
from mlscope.errors import MlscopeError
from mlscope.results import Record, RunFolder, abandoned, open_store, read_record, seal_samples

__all__ = ["draft_file", "recover", "write_draft"]

_DRAFT = ".draft"


def draft_file(path: Path) -> Path:
    """The draft of a run, beside its folder, so that it is there until the run is sealed and in the index."""
    return path.with_name(path.name + _DRAFT)


def write_draft(path: Path, record: Record) -> None:
    """What is known now, for :func:`recover` when this process does not live to say more."""
    write_atomic(draft_file(path), record.model_dump_json())


def recover(observer: Observer | None = None) -> list[Record]:
    """Seal the runs of commands that were killed, with what was measured until then.

    Returns:
        Their records.
    """
    hears = observer or SilentObserver()
    records = []
    for path in abandoned(runs_dir()):
        folder = RunFolder.adopt(path)
        if folder is None:
            continue
        try:
            record = _salvage(folder, path)
        except (MlscopeError, OSError, ValueError) as error:
            hears.warn(f"what a killed command had measured cannot be kept: {' '.join(str(error).split())}: {path}")
            continue
        if record is not None:
            hears.warn(f"run {record.id} was killed at {_local(record.created_at)}; what it had measured is kept")
            records.append(record)
    _index_forgotten()
    return records


def _index_forgotten() -> None:
    """Runs of commands that were killed between sealing and indexing: their drafts still lie there."""
    for draft in runs_dir().glob(f"*{_DRAFT}"):
        partial = draft.with_name(draft.name.removesuffix(_DRAFT))
        sealed = runs_dir() / partial.name.removeprefix(".partial-")
        if partial.is_dir():
            continue
        if sealed.is_dir():
            open_store(create=True).put(read_record(sealed), sealed, blobs=())
        draft.unlink(missing_ok=True)


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _salvage(folder: RunFolder, path: Path) -> Record | None:
    """Seal one abandoned folder; a folder in which nothing was begun is removed."""
    shutil.rmtree(scratch_folder(folder.record_id), ignore_errors=True)
    shutil.rmtree(path / "scratch", ignore_errors=True)
    draft = draft_file(path)
    if not draft.is_file():
        folder.discard()
        return None
    record = Record.model_validate_json(draft.read_bytes())
    raws = sorted(path.glob("samples*.bin"))
    if raws:
        joined = path / "joined.bin"
        with joined.open("wb") as out:
            for raw in raws:
                with raw.open("rb") as part:
                    shutil.copyfileobj(part, out)
        seal_samples(joined, {}, path / "samples.parquet")
        for raw in [*raws, joined]:
            raw.unlink()
    record, sealed = folder.seal(record)
    open_store(create=True).put(record, sealed, blobs=())
    draft.unlink()
    return record
