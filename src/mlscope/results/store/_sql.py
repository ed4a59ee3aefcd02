"""The store over SQLAlchemy: SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlscope._files import explain_os_errors
from mlscope.errors import StoreError
from mlscope.results._folder import blob_path
from mlscope.results._reading import parse_record
from mlscope.results._record import FileEntry, Record
from mlscope.results.store._engine import explain_database_errors, writing
from mlscope.results.store._protocol import EVERYTHING, Filter
from mlscope.results.store._schema import (
    CHUNK_BYTES,
    LOCAL,
    blob,
    blob_chunk,
    evaluation,
    evaluation_tag,
)

__all__ = ["SqlStore"]

_SPOOL_BYTES = 16 * CHUNK_BYTES
"""Blobs up to this size stay in memory when they are opened."""
_MIN_PREFIX = 4
_ID_DIGITS = 32
_SHOWN_MATCHES = 5


class SqlStore:
    """Evaluations in a database; implements :class:`mlscope.results.Store`.

    Args:
        engine: An open database with the newest schema.
        where: Its address without the password, for messages.
        origin: Gives the origin of rows that are put here: ``local``, or the publishing home's id.
        base: Folder of the database file; run folders below it are stored relative to it, so that a home can be
            moved. None for a server.
    """

    def __init__(self, engine: sa.Engine, where: str, origin: Callable[[], str], base: Path | None) -> None:
        self._engine = engine
        self._where = where
        self._origin = origin
        self._base = base
        self._folders: dict[str, str] = {}
        """Of local rows that were found: files of a thousand evaluations are opened without as many queries."""

    def put(self, record: Record, folder: Path, *, blobs: Sequence[str]) -> None:
        """Store a sealed run, all or nothing; see :class:`mlscope.results.Store`."""
        origin = self._origin()
        entries = {entry.path: entry for entry in record.files}
        if unknown := [name for name in blobs if name not in entries]:
            raise StoreError(f"the record has no file {unknown[0]}", where=str(folder))
        with explain_database_errors(self._where), writing(self._engine) as connection:
            self._put_row(connection, origin, record, folder)
            if origin != LOCAL:
                for name in blobs:
                    self._put_blob(connection, origin, record.id, entries[name], folder)

    def replace_local(self, runs: Sequence[tuple[Record, Path]], broken: Collection[Path]) -> None:
        """Make the local rows those of `runs`; other origins stay, and so do runs that were sealed meanwhile.

        Args:
            runs: Every run folder that could be read, with its record.
            broken: The folders that could not be read.
        """
        known = {record.id for record, _ in runs}
        local = sa.select(evaluation.c.id, evaluation.c.folder).where(evaluation.c.origin == LOCAL)
        with explain_database_errors(self._where), writing(self._engine) as connection:
            for identifier, text in connection.execute(local).all():
                folder = self._absolute(text)
                if identifier not in known and (folder is None or folder in broken or not folder.is_dir()):
                    self._delete_row(connection, LOCAL, identifier)
            for record, folder in runs:
                if folder.is_dir():
                    self._put_row(connection, LOCAL, record, folder)

    def put_local(self, runs: Sequence[tuple[Record, Path]]) -> None:
        """Put many run folders of this home into the local index, all or none."""
        with explain_database_errors(self._where), writing(self._engine) as connection:
            for record, folder in runs:
                self._put_row(connection, LOCAL, record, folder)

    def missing_local(self, identifiers: Collection[str]) -> set[str]:
        """Which of these ids the local index does not have."""
        query = sa.select(evaluation.c.id).where(evaluation.c.origin == LOCAL)
        with explain_database_errors(self._where), self._engine.connect() as connection:
            return set(identifiers) - set(connection.execute(query).scalars())

    def count_local(self) -> int:
        """Rows of the local index."""
        query = sa.select(sa.func.count()).select_from(evaluation).where(evaluation.c.origin == LOCAL)
        with explain_database_errors(self._where), self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def get(self, evaluation_id: str) -> Record:
        """The record with this id or unique prefix; see :class:`mlscope.results.Store`."""
        found = self.find(Filter(ids=(self._resolve(evaluation_id),)))
        if not found:  # deleted since
            raise self._missing(evaluation_id)
        return found[0]

    def find(
        self,
        where: Filter = EVERYTHING,
        *,
        newest_first: bool = True,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        """Records by time of their start; see :class:`mlscope.results.Store`."""
        order = (evaluation.c.created_at, evaluation.c.id)
        query = (
            sa.select(evaluation.c.id, evaluation.c.folder, sa.cast(evaluation.c.record, sa.Text))
            .where(*_conditions(where))
            .order_by(*(column.desc() if newest_first else column.asc() for column in order))
            .limit(None if limit is None or limit < 0 else limit)
            .offset(offset)
        )
        found = []
        with explain_database_errors(self._where), self._engine.connect() as connection:
            for identifier, folder, text in connection.execute(query):
                found.append(parse_record(text, where=f"{self._where}, evaluation {identifier}"))
                if folder is not None:
                    self._folders[identifier] = folder
        return found

    def count(self, where: Filter = EVERYTHING) -> int:
        """How many records there are; see :class:`mlscope.results.Store`."""
        query = sa.select(sa.func.count()).select_from(evaluation).where(*_conditions(where))
        with explain_database_errors(self._where), self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def blobs(self, evaluation_id: str) -> list[str]:
        """Names of the files that can be opened; see :class:`mlscope.results.Store`."""
        identifier = self._resolve(evaluation_id)
        query = sa.select(blob.c.name).where(blob.c.id == identifier)
        with explain_database_errors(self._where), self._engine.connect() as connection:
            names = set(connection.execute(query).scalars())
        folder = self._local_folder(identifier)
        if folder is not None:
            record = self.get(identifier)
            names |= {entry.path for entry in record.files if (folder / entry.path).is_file()}
        return sorted(names)

    def open_blob(self, evaluation_id: str, name: str) -> BinaryIO:
        """Open a file, from the run folder or out of the chunks; see :class:`mlscope.results.Store`."""
        identifier = normalise_prefix(evaluation_id)
        folder = self._local_folder(identifier) if len(identifier) == _ID_DIGITS else None
        if folder is None:
            identifier = self._resolve(evaluation_id)
            folder = self._local_folder(identifier)
        if folder is not None and (path := blob_path(folder, name)) is not None and path.is_file():
            return path.open("rb")
        return self._open_chunks(identifier, name, folder)

    def forget(self, identifier: str) -> None:
        """Remove this home's row of a whole id, if there is one."""
        with explain_database_errors(self._where), writing(self._engine) as connection:
            self._delete_row(connection, self._origin(), identifier)

    def delete(self, evaluation_id: str) -> None:
        """Remove what this home stored; see :class:`mlscope.results.Store`."""
        identifier = self._resolve(evaluation_id)
        with explain_database_errors(self._where), writing(self._engine) as connection:
            if not self._delete_row(connection, self._origin(), identifier):
                raise StoreError(
                    f"evaluation {identifier} was published from another home",
                    where=self._where,
                    hint="delete it from there",
                )

    def _resolve(self, evaluation_id: str) -> str:
        """The whole id behind a prefix."""
        prefix = normalise_prefix(evaluation_id)
        query = (
            sa.select(evaluation.c.id)
            .distinct()
            .where(evaluation.c.id == prefix if len(prefix) == _ID_DIGITS else evaluation.c.id.startswith(prefix))
            .order_by(evaluation.c.id)
            .limit(_SHOWN_MATCHES + 1)
        )
        with explain_database_errors(self._where), self._engine.connect() as connection:
            matches: list[str] = list(connection.execute(query).scalars())
        if not matches:
            raise self._missing(evaluation_id)
        if len(matches) > 1:
            raise ambiguous(prefix, matches, self._where)
        return matches[0]

    def _missing(self, evaluation_id: str) -> StoreError:
        return StoreError(
            f"there is no evaluation {evaluation_id}", where=self._where, hint="`mlscope runs list` shows all"
        )

    def _put_row(self, connection: sa.Connection, origin: str, record: Record, folder: Path) -> None:
        """Insert or update one evaluation and its tags."""
        key = {"origin": origin, "id": record.id}
        values = _columns(record)
        values["folder"] = self._relative(folder) if origin == LOCAL else None
        insert = self._insert(evaluation).values(**key, **values)
        connection.execute(insert.on_conflict_do_update(index_elements=list(key), set_=values))
        tags = sorted(set(record.tags))
        connection.execute(
            sa.delete(evaluation_tag).where(evaluation_tag.c.origin == origin, evaluation_tag.c.id == record.id)
        )
        if tags:
            connection.execute(sa.insert(evaluation_tag), [{**key, "tag": tag} for tag in tags])

    def _put_blob(
        self, connection: sa.Connection, origin: str, identifier: str, entry: FileEntry, folder: Path
    ) -> None:
        """Copy one file in chunks, unless it is there already."""
        insert = self._insert(blob).values(
            origin=origin, id=identifier, name=entry.path, size=entry.size, sha256=entry.sha256
        )
        insert = insert.on_conflict_do_nothing(index_elements=["origin", "id", "name"])
        key = connection.execute(insert.returning(blob.c.key)).scalar()
        if key is None:
            return
        digest = hashlib.sha256()
        for number, data in enumerate(_chunks(folder, entry.path)):
            digest.update(data)
            connection.execute(sa.insert(blob_chunk).values(blob=key, number=number, data=data))
        if digest.hexdigest() != entry.sha256:
            raise StoreError("was changed after the run was sealed", where=str(folder / entry.path))

    def _insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        return sqlite.insert(table) if self._engine.dialect.name == "sqlite" else postgresql.insert(table)

    @staticmethod
    def _delete_row(connection: sa.Connection, origin: str, identifier: str) -> bool:
        """Delete an evaluation with its tags and blobs; whether there was one."""
        delete = sa.delete(evaluation).where(evaluation.c.origin == origin, evaluation.c.id == identifier)
        return bool(connection.execute(delete).rowcount)

    def _local_folder(self, identifier: str) -> Path | None:
        """The run folder of a local row."""
        known = self._absolute(self._folders.get(identifier))
        if known is not None and known.is_dir():
            return known
        query = sa.select(evaluation.c.folder).where(evaluation.c.origin == LOCAL, evaluation.c.id == identifier)
        with explain_database_errors(self._where), self._engine.connect() as connection:
            return self._absolute(connection.execute(query).scalar())

    def _relative(self, folder: Path) -> str:
        folder = folder.absolute()
        if self._base is not None and folder.is_relative_to(self._base):
            folder = folder.relative_to(self._base)
        return folder.as_posix()

    def _absolute(self, folder: str | None) -> Path | None:
        return None if folder is None else (self._base or Path("/")) / folder

    def _open_chunks(self, identifier: str, name: str, folder: Path | None) -> BinaryIO:
        """Copy a blob's chunks to a temporary file and check its digest."""
        query = (
            sa.select(blob.c.key, blob.c.sha256)
            .where(blob.c.id == identifier, blob.c.name == name)
            .order_by(blob.c.key)
            .limit(1)
        )
        file = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - the caller closes it
        try:
            with explain_database_errors(self._where), self._engine.connect() as connection:
                found = connection.execute(query).one_or_none()
                if found is None:
                    raise self._no_blob(identifier, name, folder)
                if _copy_chunks(connection, found.key, file) != found.sha256:
                    raise StoreError(f"{name} of evaluation {identifier} is damaged", where=self._where)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return cast("BinaryIO", file)

    def _no_blob(self, identifier: str, name: str, folder: Path | None) -> StoreError:
        if folder is not None and not folder.is_dir():
            return StoreError(
                "the run folder is gone", where=str(folder), hint="`mlscope store rebuild` updates the index"
            )
        return StoreError(f"evaluation {identifier} has no {name} here", where=self._where)


def normalise_prefix(text: str) -> str:
    """An id or its beginning as ids are stored; a UUID's dashes and capitals are fine.

    Raises:
        StoreError: It has fewer than 4 or more than 32 digits, or others than hex ones.
    """
    prefix = text.strip().lower().replace("-", "")
    if not re.fullmatch(f"[0-9a-f]{{{_MIN_PREFIX},32}}", prefix):
        raise StoreError(f"{text!r} is no id", hint=f"an id, or its beginning, has {_MIN_PREFIX} to 32 hex digits")
    return prefix


def ambiguous(prefix: str, matches: Sequence[str], where: str) -> StoreError:
    """The error that lists which ids begin with `prefix`."""
    shown = ", ".join(matches[:_SHOWN_MATCHES]) + (", …" if len(matches) > _SHOWN_MATCHES else "")
    return StoreError(
        f"several evaluations have ids that begin with {prefix}: {shown}", where=where, hint="give more digits"
    )


def _columns(record: Record) -> dict[str, Any]:
    """The columns that can be filtered by, and the record itself."""
    created = record.created_at if record.created_at.tzinfo else record.created_at.replace(tzinfo=UTC)
    return {
        "created_at": created.astimezone(UTC),
        "kind": record.kind,
        "status": record.status,
        "command": record.command,
        "experiment": record.experiment,
        "model_name": record.model_name,
        "model_version": record.model_version,
        "dataset_name": record.dataset_name,
        "framework_name": record.framework_name,
        "framework_version": record.framework_version,
        "batch_size": record.batch_size,
        "scenario": record.scenario,
        "machine_architecture": record.system.machine_architecture,
        "hostname": record.system.hostname,
        "record": json.loads(record.model_dump_json()),
    }


def _conditions(where: Filter) -> Iterator[sa.ColumnElement[bool]]:
    """A filter in SQL; of an evaluation with several origins one row, the local one where there is one."""
    other = evaluation.alias()
    # The greatest origin: "local" comes after every hex digit.
    origin = sa.select(sa.func.max(other.c.origin)).where(other.c.id == evaluation.c.id).scalar_subquery()
    yield evaluation.c.origin == origin
    for field in (
        "model_name",
        "model_version",
        "framework_name",
        "framework_version",
        "hostname",
        "batch_size",
        "dataset_name",
        "kind",
        "status",
        "experiment",
        "command",
        "scenario",
    ):
        if (value := getattr(where, field)) is not None:
            yield evaluation.c[field] == value
    if where.arch is not None:
        yield evaluation.c.machine_architecture == where.arch
    if where.tag is not None:
        yield sa.exists().where(
            evaluation_tag.c.origin == evaluation.c.origin,
            evaluation_tag.c.id == evaluation.c.id,
            evaluation_tag.c.tag == where.tag,
        )
    if where.ids:
        yield evaluation.c.id.in_(where.ids)


def _copy_chunks(connection: sa.Connection, key: int, file: IO[bytes]) -> str:
    """Write a blob's chunks to a file, one in memory at a time; the sha256 of them all."""
    query = sa.select(blob_chunk.c.data).where(blob_chunk.c.blob == key).order_by(blob_chunk.c.number)
    digest = hashlib.sha256()
    with explain_os_errors(tempfile.gettempdir()):
        for data in connection.execute(query.execution_options(yield_per=1)).scalars():
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def _chunks(folder: Path, name: str) -> Iterator[bytes]:
    path = blob_path(folder, name)
    try:
        if path is None:
            raise StoreError(f"{name} leads out of the run folder", where=str(folder))
        with path.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                yield data
    except FileNotFoundError:
        raise StoreError("was deleted after the run was sealed", where=str(folder / name)) from None
