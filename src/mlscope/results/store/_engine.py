"""Connections: opening, migrating, and database errors told as ours."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mlscope._files import explain_os_errors
from mlscope.errors import ResourceError, StoreError
from mlscope.results.store._address import PostgresAddress, SqliteAddress
from mlscope.results.store._schema import HEAD, VERSION_TABLE

__all__ = ["UnreachableError", "connect", "explain_database_errors", "upgrade", "writing"]

_BUSY_TIMEOUT_S = 60.0
"""How long a writer waits for another one (SQLite)."""
_CONNECT_TIMEOUT_S = 5
_SQLITE_HEADER = b"SQLite format 3\0"


class UnreachableError(StoreError):
    """The server does not answer or does not let us in."""


def connect(address: SqliteAddress | PostgresAddress, *, create: bool = False, wal: bool = False) -> sa.Engine:
    """Open a database whose schema is the newest.

    Args:
        address: Where it is.
        create: Make it when it is not there and bring an older schema up to date; without it nothing is written.
        wal: Keep a write-ahead log, so that readers never wait for a writer (SQLite, with `create`).

    Raises:
        StoreError: It cannot be reached, is not there, or is not a database of this version of mlscope.
        ResourceError: It cannot be written.
    """
    if isinstance(address, SqliteAddress):
        engine, schema = _sqlite(address, create=create, wal=wal), None
    else:
        engine, schema = _postgres(address), address.schema
    with explain_database_errors(address.shown):
        revision = _revision(engine)
        if create and (revision is None or revision < HEAD):
            upgrade(engine, schema)
            revision = HEAD
    if revision is None:
        raise _not_found(engine, address)
    if revision != HEAD:
        newer = revision > HEAD
        raise StoreError(
            f"the database's schema ({revision}) is {'newer' if newer else 'older'} than this mlscope's ({HEAD})",
            where=address.shown,
            hint="upgrade mlscope" if newer else "publishing to it brings it up to date",
        )
    return engine


def upgrade(engine: sa.Engine, schema: str | None) -> None:
    """Bring a database to the newest schema, in one transaction that excludes other upgrades.

    Args:
        engine: The database.
        schema: PostgreSQL's schema, made when it is not there.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        if schema is not None:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"mlscope {schema}"))))
            if not sa.inspect(connection).has_schema(schema):
                connection.execute(sa.schema.CreateSchema(schema))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that will write; SQLite takes its lock at once, so that waiting writers wait in turn."""
    with engine.connect().execution_options(mlscope_writes=True) as connection, connection.begin():
        yield connection


def _sqlite(address: SqliteAddress, *, create: bool, wal: bool) -> sa.Engine:
    path = address.path
    if not path.is_file():
        if not create:
            raise StoreError("there is no such database", where=address.shown, hint=_neighbours(path))
        with explain_os_errors(path.parent), explain_database_errors(address.shown):
            _make_sqlite(path, wal=wal)
    return _sqlite_engine(path, "rw")


def _make_sqlite(path: Path, *, wal: bool) -> None:
    """Make a database file that appears whole, so that processes that start at once do not disturb each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        engine = _sqlite_engine(temporary, "rwc")
        upgrade(engine, None)
        if wal:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        try:
            os.link(temporary, path)
        except OSError:  # another process was faster, or the file system knows no links
            if not path.exists():
                temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _sqlite_engine(path: Path, mode: str) -> sa.Engine:
    def open_file() -> sqlite3.Connection:
        # Transactions are begun below: the module itself begins them too late to wait for each other.
        uri = f"{path.as_uri()}?mode={mode}"
        if path.is_file() and not os.access(path.parent, os.W_OK):
            # Even a reader of a write-ahead log makes files beside it, unless told that nobody can write.
            uri = f"{path.as_uri()}?mode=ro" + ("" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1")
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    engine = sa.create_engine("sqlite://", creator=open_file, poolclass=sa.pool.NullPool, hide_parameters=True)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("mlscope_writes") else "BEGIN")

    return engine


def _postgres(address: PostgresAddress) -> sa.Engine:
    url = sa.URL.create(
        "postgresql+psycopg",
        username=address.user,
        password=address.password,
        host=address.host,
        port=address.port,
        database=address.database,
        query=dict(address.options),
    )
    engine = sa.create_engine(
        url,
        poolclass=sa.pool.NullPool,
        hide_parameters=True,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_S, "application_name": "mlscope"},
    )

    @sa.event.listens_for(engine, "connect", insert=True)
    def use_schema(connection: Any, _record: object) -> None:
        from psycopg import sql

        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(address.schema)))
        connection.commit()

    return engine


def _revision(engine: sa.Engine) -> str | None:
    """The schema's revision; None where mlscope has made no tables."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return None
        return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608


def _not_found(engine: sa.Engine, address: SqliteAddress | PostgresAddress) -> StoreError:
    if isinstance(address, SqliteAddress):
        return StoreError(
            "the database holds no evaluations of mlscope", where=address.shown, hint=_neighbours(address.path)
        )
    query = sa.text("SELECT table_schema FROM information_schema.tables WHERE table_name = :name ORDER BY 1")
    with explain_database_errors(address.shown), engine.connect() as connection:
        names = connection.execute(query, {"name": VERSION_TABLE}).scalars().all()
    return StoreError(
        f"the server's database has no schema {address.schema!r} with evaluations",
        where=address.shown,
        hint=_choices(list(names), "publish to it first"),
    )


def _neighbours(path: Path) -> str:
    """Which databases there are beside `path`."""
    return _choices([file.stem for file in sorted(path.parent.glob("*.*")) if _is_sqlite(file) and file != path])


def _choices(names: list[str], otherwise: str = "check the address, or publish to it first") -> str:
    return f"--database-name can be {', '.join(names)} here" if names else otherwise


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER
    except OSError:
        return False


@contextmanager
def explain_database_errors(where: str) -> Iterator[None]:
    """Turn a database's errors into ours; `where` is an address without its password.

    Raises:
        UnreachableError: A server does not answer or refuses us.
        ResourceError: The disk is full or the database cannot be written.
        StoreError: Anything else that the database said.
    """
    try:
        yield
    except DBAPIError as error:
        raise _explain(error.orig or error, where, lost=error.connection_invalidated) from error
    except SQLAlchemyError as error:
        raise StoreError(f"the database answered: {_first_line(error)}", where=where) from error


_SQLITE_ERRORS: tuple[tuple[str, type[StoreError | ResourceError], str, str], ...] = (
    ("disk is full", ResourceError, "no space left on the disk", "free some space and run it again"),
    ("disk i/o error", ResourceError, "the disk cannot be read or written", "check the disk and its quota"),
    ("readonly", ResourceError, "the database cannot be written", "check who may write it and its folder"),
    ("unable to open", ResourceError, "the database cannot be opened", "check who may write it and its folder"),
    ("locked", StoreError, "another process has kept the database busy for too long", "run it again"),
    (
        "not a database",
        StoreError,
        "this file is no SQLite database",
        "a local index can be deleted: it is rebuilt from the run folders",
    ),
    (
        "malformed",
        StoreError,
        "the database is damaged",
        "a local index can be deleted: it is rebuilt from the run folders",
    ),
)
_POSTGRES_ERRORS = (
    ("password authentication failed", "check the user and its password (in the address, or --secret)"),
    ("no password supplied", "give the password in the address or by --secret"),
    ("does not exist", "make it on the server, or check the address"),
    ("", "check that the server runs and that the address is right"),
)


def _explain(error: BaseException, where: str, *, lost: bool = False) -> StoreError | ResourceError:
    text = _first_line(error)
    if isinstance(error, sqlite3.Error):
        for part, kind, what, hint in _SQLITE_ERRORS:
            if part in text.lower():
                return kind(what, where=where, hint=hint)
        return StoreError(f"the database answered: {text}", where=where)
    # psycopg's errors of connecting carry no SQLSTATE.
    import psycopg

    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    if lost or (isinstance(error, psycopg.OperationalError) and state is None):
        hint = next(hint for part, hint in _POSTGRES_ERRORS if part in text)
        return UnreachableError(f"the server cannot be reached ({text})", where=where, hint=hint)
    if state == "42501":
        return StoreError(text, where=where, hint="ask the server's owner for the right to create and to write")
    return StoreError(f"the database answered: {text}", where=where)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(":. ") if lines else type(error).__name__
