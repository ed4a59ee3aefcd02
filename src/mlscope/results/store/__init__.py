"""The index over run folders, local or shared.

SQLAlchemy lives in this package only, and is imported when a store is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mlscope.results._record import Record
from mlscope.results.store._address import parse_address
from mlscope.results.store._protocol import Filter, Store

__all__ = [
    "Filter",
    "Store",
    "index_forgotten",
    "index_runs",
    "open_store",
    "parse_address",
    "publish",
    "rebuild",
    "remove_run",
    "run_folder",
]


def open_store(
    address: str | None = None,
    *,
    name: str | None = None,
    secret: str | None = None,
    create: bool = False,
    warn: Callable[[str], None] | None = None,
) -> Store:
    """Open the local index, or a database that runs were published to.

    Args:
        address: ``sqlite:///FILE.db``, ``sqlite:///FOLDER/`` or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``;
            None: the local index, which is made when it is missing and filled from the run folders when it is
            empty.
        name: The file (SQLite: ``NAME.db`` in the folder, or in place of the file's stem) or the schema
            (PostgreSQL) of the database; a dot becomes ``_``.
        secret: Password for an address that has none.
        create: Make a database that does not exist, and bring an older one up to date; reading never does.
        warn: Hears one line for each broken run folder while the local index is filled; None: the log.

    Raises:
        UsageError: The address or the name cannot be understood.
        StoreError: The database is not there, cannot be reached, or is damaged.
        ResourceError: The disk is full or the folder cannot be written.
    """
    from mlscope.results.store import _local

    if address is None:
        return _local.open_index(warn)
    return _local.open_database(address, name=name, secret=secret, create=create)


def rebuild(warn: Callable[[str], None] | None = None) -> int:
    """Make the local index again from the run folders; rows of other origins are not touched.

    Args:
        warn: Hears one line for each run folder that is broken and left out; None: the log.

    Returns:
        The number of runs in the index.

    Raises:
        StoreError: The index is damaged (it can be deleted).
        ResourceError: The disk is full or the folder cannot be written.
    """
    from mlscope.results.store import _local

    return _local.rebuild(warn)


def index_runs(runs: Sequence[tuple[Record, Path]]) -> None:
    """Put sealed run folders of this home into the local index, all or none.

    Args:
        runs: Records and the folders that hold them.

    Raises:
        StoreError: The index is damaged (it can be deleted).
        ResourceError: The disk is full or the folder cannot be written.
    """
    from mlscope.results.store import _local

    _local.index_runs(runs)


def index_forgotten(folders: Sequence[Path]) -> None:
    """Put those sealed run folders of this home into the local index that it does not have.

    A command that was killed between sealing and indexing leaves such folders.

    Args:
        folders: The run folders.

    Raises:
        StoreError: The index is damaged (it can be deleted), or a folder's record is.
        ResourceError: The disk is full or the folder cannot be written.
    """
    from mlscope.results.store import _local

    _local.index_forgotten(folders)


def publish(
    folder: Path,
    address: str | None,
    *,
    name: str | None = None,
    secret: str | None = None,
    predictions: bool = False,
) -> str:
    """Copy a sealed run's record and files to a database, which is made when it is missing.

    Publishing again adds what is not there yet. Every file goes along, but predictions only when asked for.

    Args:
        folder: The sealed run folder; it stays.
        address: See :func:`open_store`; None is an error that says which flag is missing.
        name: See :func:`open_store`.
        secret: See :func:`open_store`.
        predictions: Copy ``predictions.parquet`` and ``outputs-*`` too.

    Returns:
        The address without its password.

    Raises:
        UsageError: The address or the name cannot be understood.
        StoreError: The database cannot be reached (the message says how to publish later), or a file was changed
            after the run was sealed.
        ResourceError: The database's disk is full or cannot be written.
    """
    from mlscope.results.store import _local

    return _local.publish(folder, address, name=name, secret=secret, predictions=predictions)


def run_folder(prefix: str) -> Path:
    """The sealed local folder of a run, by its id or a unique prefix of 4 digits or more.

    Raises:
        StoreError: There is none, or there are several (the message lists them).
    """
    from mlscope.results.store import _local

    return _local.run_folder(prefix)


def remove_run(prefix: str) -> str:
    """Delete a run of this home: its folder and its row in the local index; published copies stay.

    Args:
        prefix: Its id or a unique prefix of 4 digits or more.

    Returns:
        The whole id.

    Raises:
        StoreError: There is none, or there are several (the message lists them).
        ResourceError: The folder cannot be deleted.
    """
    from mlscope.results.store import _local

    return _local.remove_run(prefix)
