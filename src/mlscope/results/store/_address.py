"""Database addresses: what a user may write, and what it means.

====================================  ==========================================================
address and ``--database-name``       database
====================================  ==========================================================
``sqlite:///runs.db``                 the file ``runs.db`` (four slashes for an absolute path)
``sqlite:///runs.db``, ``mine``       ``mine.db`` beside it: the name replaces the file's stem
``sqlite:///folder/``                 ``mlscope.db`` in that folder, also without the last slash
``sqlite:///folder/``, ``mine``       ``mine.db`` in that folder
``postgresql://user@host:port/db``    the schema ``mlscope`` of that database
``postgresql://…/db``, ``mine``       the schema ``mine`` of that database
====================================  ==========================================================

Names hold letters, digits, ``_`` and ``-``; a dot becomes ``_``, as in the original.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mlscope.errors import UsageError

__all__ = ["PostgresAddress", "SqliteAddress", "parse_address"]

_DEFAULT_NAME = "mlscope"
_FORMS = "sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"
_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")


@dataclasses.dataclass(frozen=True, slots=True)
class SqliteAddress:
    """A database in one file."""

    path: Path

    @property
    def shown(self) -> str:
        """The address as a user would write it."""
        return f"sqlite:///{self.path}"


@dataclasses.dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A schema of a database on a PostgreSQL server; None leaves a part to libpq's defaults."""

    host: str | None
    port: int | None
    user: str | None
    password: str | None = dataclasses.field(repr=False)
    database: str | None
    schema: str
    options: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    """libpq parameters after the question mark, for instance ``sslmode``."""

    @property
    def shown(self) -> str:
        """The address for messages: no password, no parameters."""
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host or ""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"postgresql://{user}{host}{port}/{self.database or ''}"


def parse_address(
    address: str, *, name: str | None = None, secret: str | None = None
) -> SqliteAddress | PostgresAddress:
    """Understand ``--database-address`` and ``--database-name``; nothing is opened.

    Args:
        address: See the table above.
        name: The file (SQLite) or schema (PostgreSQL); None or empty: the address' own.
        secret: The password, where the address has none.

    Raises:
        UsageError: The address or the name cannot be understood; the message shows how to write it.
    """
    if "://" not in address:
        raise _bare(address.strip())
    scheme, rest = address.split("://", 1)
    scheme = scheme.strip().lower()
    if scheme == "sqlite":
        return _sqlite(rest, name)
    if scheme in _POSTGRES:
        return _postgres(f"postgresql://{rest}", name, secret)
    if scheme in ("mongodb", "mongodb+srv"):
        raise UsageError("MongoDB comes later", where="database address", hint=f"write {_FORMS} today")
    raise UsageError(f"unknown kind of database {scheme}://", where="database address", hint=f"write {_FORMS}")


def _bare(address: str) -> UsageError:
    """The answer to an address without a scheme: a host, as the original took it, or a file."""
    if not address:
        return UsageError("the database address is empty", hint=f"write {_FORMS}")
    host = address.rsplit("@", 1)[-1]  # what stands before may be a password
    if "/" in host or Path(host).suffix in (".db", ".sqlite", ".sqlite3"):
        return UsageError(f"{host} is a path", where="database address", hint=f"write sqlite:///{host}")
    return UsageError(
        f"{host} is only a host",
        where="database address",
        hint=f"write postgresql://USER@{host}/DATABASE for a PostgreSQL server, or sqlite:///FILE.db for a file",
    )


def _clean_name(name: str) -> str:
    """A file stem or schema name that is safe everywhere.

    Raises:
        UsageError: It holds other characters than letters, digits, ``_``, ``-`` and dots.
    """
    clean = name.replace(".", "_")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}", clean):
        raise UsageError(
            f"{name!r} is no database name", hint="use up to 63 letters, digits, _ and -", where="--database-name"
        )
    return clean


def _sqlite(rest: str, name: str | None) -> SqliteAddress:
    text = rest.removeprefix("/")
    if not rest.startswith("/") or not text or text == ":memory:":
        raise UsageError(
            "a SQLite address names a file",
            where=f"sqlite://{rest}",
            hint="write sqlite:///FILE.db, or sqlite:////FOLDER/FILE.db for an absolute path",
        )
    try:
        path = Path(text).expanduser().absolute()
        is_folder = text.endswith("/") or path.is_dir() or (not path.suffix and not path.is_file())
    except (OSError, RuntimeError, ValueError) as error:  # too long a name, nobody's ~, a NUL
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"no path: {reason}", where="database address", hint="write sqlite:///FILE.db") from error
    if not name:
        return SqliteAddress(path / f"{_DEFAULT_NAME}.db" if is_folder else path)
    stem = _clean_name(re.sub(r"\.(db|sqlite3?)$", "", name))
    return SqliteAddress(path / f"{stem}.db" if is_folder else path.with_name(stem + (path.suffix or ".db")))


def _postgres(address: str, name: str | None, secret: str | None) -> PostgresAddress:
    schema = _clean_name(name or _DEFAULT_NAME)
    if schema.startswith("pg_") or schema == "information_schema":
        raise UsageError(f"PostgreSQL keeps {schema!r} to itself", where="--database-name", hint="take another name")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise _misread() from None
    database = unquote(parts.path.removeprefix("/"))
    if parts.fragment or "/" in database or "@" in database:
        raise _misread()
    user, password = _login(parts)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    password = password or options.pop("password", None) or secret
    return PostgresAddress(
        host=unquote(parts.hostname) if parts.hostname else None,
        port=port,
        user=user,
        password=password or None,
        database=database or None,
        schema=schema,
        options=tuple(options.items()),
    )


def _login(parts: SplitResult) -> tuple[str | None, str | None]:
    user = unquote(parts.username) if parts.username else None
    return user, unquote(parts.password) if parts.password else None


def _misread() -> UsageError:
    """Never shows the address: what could not be told apart may be the password."""
    return UsageError(
        "the PostgreSQL address cannot be read",
        where="database address",
        hint="write postgresql://USER@HOST:PORT/DATABASE and give a password with characters such as @ / : #"
        " by --secret",
    )
