"""Which store the flags name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlscope.cli._flags import DatabaseFlags, Globals
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from mlscope.results import Store

__all__ = ["check_local", "opened"]

_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


def check_local(address: str | None, flags: Globals) -> None:
    """With ``--local``, refuse a database on another machine.

    Raises:
        UsageError: It is on another machine.
    """
    if not flags.local or not address:
        return
    host = urlsplit(address).hostname or "" if "://" in address else address
    if not address.startswith("sqlite:") and host not in _LOOPBACK:
        raise UsageError(
            f"--local rules out a database on {host}", where="--database-address", hint="leave one of the two out"
        )


def opened(database: DatabaseFlags, flags: Globals) -> Store:
    """The store that the flags name; without an address this machine's runs."""
    from mlscope.results import open_store

    check_local(database.database_address, flags)
    return open_store(database.database_address, name=database.database_name, secret=flags.secret)
