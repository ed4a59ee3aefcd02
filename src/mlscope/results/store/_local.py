"""This machine's index over its run folders, and publishing from it."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import string
from collections.abc import Callable, Sequence
from pathlib import Path

from mlscope._files import explain_os_errors
from mlscope._home import data_dir, index_address, runs_dir
from mlscope.errors import StoreError, UsageError
from mlscope.results._folder import sealed_folders
from mlscope.results._reading import read_record
from mlscope.results._record import Record
from mlscope.results.store._address import SqliteAddress, parse_address
from mlscope.results.store._engine import UnreachableError, connect
from mlscope.results.store._schema import LOCAL
from mlscope.results.store._sql import SqlStore, ambiguous, normalise_prefix

__all__ = [
    "index_forgotten",
    "index_runs",
    "open_database",
    "open_index",
    "publish",
    "rebuild",
    "remove_run",
    "run_folder",
]

_log = logging.getLogger(__name__)


def open_index(warn: Callable[[str], None] | None) -> SqlStore:
    """The local index; made when it is missing, rebuilt when it is empty and there are runs."""
    store = _index()
    if not store.count_local() and sealed_folders(runs_dir()):
        _fill(store, warn)
    return store


def open_database(address: str, *, name: str | None, secret: str | None, create: bool) -> SqlStore:
    """A database to publish to and to read from; rows that are put there have this home's id as origin."""
    target = parse_address(address, name=name, secret=secret)
    base = target.path.parent if isinstance(target, SqliteAddress) else None
    return SqlStore(connect(target, create=create), target.shown, _origin, base)


def rebuild(warn: Callable[[str], None] | None) -> int:
    """Read every run folder again; see :func:`mlscope.results.rebuild`."""
    return _fill(_index(), warn)


def index_runs(runs: Sequence[tuple[Record, Path]]) -> None:
    """Put sealed run folders into the local index; see :func:`mlscope.results.index_runs`."""
    _index().put_local(runs)


def index_forgotten(folders: Sequence[Path]) -> None:
    """Put the run folders that the local index does not have into it; see :func:`mlscope.results.index_forgotten`."""
    store = _index()
    missing = store.missing_local({folder.name for folder in folders}) if folders else set()
    if missing:
        store.put_local([(read_record(folder), folder) for folder in folders if folder.name in missing])


def publish(folder: Path, address: str | None, *, name: str | None, secret: str | None, predictions: bool) -> str:
    """Copy a sealed run to a database; see :func:`mlscope.results.publish`."""
    record = read_record(folder)
    if not address:
        raise UsageError(
            "no database to publish to",
            hint="add --database-address sqlite:///FILE.db or postgresql://USER@HOST/DATABASE",
        )
    shown = parse_address(address, name=name).shown
    blobs = [entry.path for entry in record.files if predictions or not _is_prediction(entry.path)]
    try:
        store = open_database(address, name=name, secret=secret, create=True)
        store.put(record, folder, blobs=blobs)
    except UnreachableError as error:
        again = f"mlscope runs publish {record.id} --database-address {shown}"
        again += f" --database-name {name}" if name else ""
        raise StoreError(
            error.what,
            where=error.where,
            hint=f"{error.hint}; the run is kept, publish it later with `{again}`",
        ) from error
    return shown


def run_folder(prefix: str) -> Path:
    """The sealed folder of a run; see :func:`mlscope.results.run_folder`."""
    folder = _match(prefix)
    if folder is None:
        raise StoreError(f"there is no run {prefix}", where=str(runs_dir()), hint="`mlscope runs list` shows all")
    return folder


def remove_run(prefix: str) -> str:
    """Delete a run's folder and row; see :func:`mlscope.results.remove_run`."""
    store = _index()
    folder = _match(prefix)
    if folder is None:  # a row whose folder somebody deleted
        identifier = store.get(prefix).id
    else:
        identifier = folder.name
        # Out of sight at once: a kill from here on leaves no half folder under the run's name.
        hidden = folder.with_name(f".removed-{identifier}")
        with explain_os_errors(folder):
            folder.rename(hidden)
            shutil.rmtree(hidden)
    store.forget(identifier)
    return identifier


def _match(prefix: str) -> Path | None:
    """The only run folder whose id begins so; works for broken folders, too, which the index leaves out."""
    wanted = normalise_prefix(prefix)
    matches = [path for path in sealed_folders(runs_dir()) if path.name.startswith(wanted)]
    if len(matches) > 1:
        raise ambiguous(wanted, [path.name for path in matches], str(runs_dir()))
    return matches[0] if matches else None


def _index() -> SqlStore:
    target = parse_address(index_address())
    return SqlStore(connect(target, create=True, wal=True), target.shown, lambda: LOCAL, data_dir())


def _fill(store: SqlStore, warn: Callable[[str], None] | None) -> int:
    tell = warn or (lambda text: _log.warning("%s", text))
    runs: dict[str, tuple[Record, Path]] = {}
    broken = []
    for folder in sealed_folders(runs_dir()):
        try:
            record = read_record(folder)
            if record.id in runs:
                raise StoreError(f"holds the same run as {runs[record.id][1].name}", where=str(folder))
        except StoreError as error:
            broken.append(folder)
            tell(f"left out of the index: {error}")
        else:
            runs[record.id] = (record, folder)
    store.replace_local(list(runs.values()), broken)
    return len(runs)


def _is_prediction(name: str) -> bool:
    return name == "predictions.parquet" or name.startswith("outputs-")


def _origin() -> str:
    """This home's id: 32 hex digits, made once."""
    path = data_dir() / "origin-id"
    with explain_os_errors(path):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".origin-id.{os.getpid()}.tmp")
            temporary.write_text(secrets.token_hex(16) + "\n")
            # Whoever is first decides for all processes of this home.
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
            temporary.unlink()
        origin = path.read_text().strip()
    if len(origin) != 32 or set(origin) - set(string.hexdigits.lower()):
        raise StoreError("not an id of 32 hex digits", where=str(path), hint="delete the file to get a new one")
    return origin
