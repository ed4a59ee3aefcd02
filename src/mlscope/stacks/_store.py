"""The environments of this machine: made once, whole or not at all, shared, locked while in use, removed on demand.

::

    cache/stacks/
      0123456789abcdef/             one stack: stack.json (what it is), pylock.toml, env/ or a Containerfile
      .building-0123456789abcdef/   one that is being made; never used, taken away by the next who tries
      locks/0123456789abcdef.lock   flock: shared by those who use it, exclusive for who makes or removes it
      resolved/….json               request → lock
      pythons.json                  what the interpreters of this machine said of themselves
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mlscope._files import explain_os_errors, write_atomic
from mlscope._home import cache_dir
from mlscope._lease import Lease
from mlscope.errors import StackError

__all__ = ["StoredStack", "folder_of", "kept", "list_stacks", "prune_stacks", "remove_stack", "stacks_dir"]

ABOUT = "stack.json"
_ID = re.compile(r"[0-9a-f]{16}")
_SILENT_WAIT_S = 2.0


def stacks_dir() -> Path:
    """Where environments are."""
    return cache_dir() / "stacks"


def folder_of(identity: str) -> Path:
    """The folder of a stack."""
    return stacks_dir() / identity


@dataclasses.dataclass(frozen=True, slots=True)
class StoredStack:
    """One environment or image of this machine."""

    id: str
    kind: str
    framework: str
    framework_version: str
    python: str
    """Version of Python."""
    packages: int
    """How many distributions it has."""
    size_bytes: int
    """Of its folder; files that it shares with uv's cache count too."""
    created: datetime
    used: datetime
    """When it was last given out."""
    in_use: bool
    path: Path


def kept(
    identity: str,
    make: Callable[[Path], dict[str, Any]],
    *,
    fits: Callable[[dict[str, Any]], bool],
    fresh: bool = False,
    warn: Callable[[str], None],
) -> tuple[dict[str, Any], Lease]:
    """The stack of this identity; made first where it is not there.

    Args:
        identity: 16 hexadecimal digits.
        make: Makes it in a folder that does not exist and gives what is to be kept in ``stack.json``.
        fits: Whether what is there can be used.
        fresh: Make it anew in any case.
        warn: Is told of waiting for another process.

    Returns:
        What ``stack.json`` says, and the lease.

    Raises:
        StackError: It is to be made anew, but it is in use.
        ResourceError: The disk is full or cannot be written.
    """
    folder = folder_of(identity)
    while True:
        if not fresh:
            lease = _locked(identity, fcntl.LOCK_SH, warn)
            about = _read(folder)
            if about is not None and fits(about):
                _touch(folder)
                return about, lease
            lease.close()
        _make(identity, make, fits, fresh, warn)
        fresh = False


def _make(
    identity: str,
    make: Callable[[Path], dict[str, Any]],
    fits: Callable[[dict[str, Any]], bool],
    fresh: bool,
    warn: Callable[[str], None],
) -> None:
    """Make a stack and put it in its place, unless another process has just done it."""
    folder = folder_of(identity)
    with contextlib.closing(_locked(identity, fcntl.LOCK_EX, warn, patient=not fresh)):
        about = _read(folder)
        if about is not None and fits(about) and not fresh:
            return
        building = folder.with_name(f".building-{identity}")
        with explain_os_errors(folder):
            _remove(building)
            try:
                about = make(building)
                write_atomic(building / ABOUT, json.dumps(about, indent=1) + "\n")
                _remove(folder)
                building.rename(folder)
            except BaseException:  # Ctrl-C too: nothing half-made stays
                shutil.rmtree(building, ignore_errors=True)
                raise


def list_stacks() -> list[StoredStack]:
    """The stacks of this machine, the last used first."""
    found = []
    for folder in sorted(stacks_dir().glob("*")):
        about = _read(folder) if _ID.fullmatch(folder.name) else None
        if about is None:
            continue
        with contextlib.suppress(KeyError, TypeError, ValueError, OSError):
            found.append(_stored(folder, about))
    return sorted(found, key=lambda each: each.used, reverse=True)


def remove_stack(identity: str) -> StoredStack:
    """Remove a stack.

    Args:
        identity: Its id, or the first digits of it that no other has.

    Raises:
        StackError: There is no such stack, there are several, or it is in use.
    """
    found = one_stack(identity)
    if not _removed(found.id):
        raise StackError("the stack is in use", where=found.id, hint="wait for the run that uses it")
    return found


def one_stack(identity: str) -> StoredStack:
    """The stack with this id, or with these first digits of it.

    Raises:
        StackError: There is none, or there are several.
    """
    found = [each for each in list_stacks() if each.id.startswith(identity)] if identity else []
    if len(found) != 1:
        what = f"{len(found)} stacks begin with '{identity}'" if found else f"there is no stack '{identity}'"
        raise StackError(what, hint="mlscope stack list shows them")
    return found[0]


def about_stack(identity: str) -> dict[str, Any]:
    """What ``stack.json`` says; errors as for :func:`one_stack`."""
    found = one_stack(identity)
    return (_read(found.path) or {}) | {"id": found.id, "path": str(found.path)}


def prune_stacks(days: float) -> list[StoredStack]:
    """Remove the stacks that were not used for so many days, and what builds that died left; those in use stay."""
    oldest = datetime.now(UTC) - timedelta(days=days)
    gone = [each for each in list_stacks() if each.used <= oldest and _removed(each.id)]
    for building in stacks_dir().glob(".building-*"):
        identity = building.name.removeprefix(".building-")
        with _exclusive(identity) as mine:
            if mine:
                _remove(building)
    for resolved in stacks_dir().glob("resolved/*.json"):
        with contextlib.suppress(OSError):
            if datetime.fromtimestamp(resolved.stat().st_mtime, UTC) <= oldest:
                resolved.unlink()
    return gone


def _removed(identity: str) -> bool:
    """Remove a stack, unless it is in use."""
    with _exclusive(identity) as mine:
        if mine:
            folder = folder_of(identity)
            with explain_os_errors(folder):
                going = folder.with_name(f".building-{identity}")  # never a half of it under its own name
                _remove(going)
                folder.rename(going)
                _remove(going)
        return mine


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _locked(identity: str, how: int, warn: Callable[[str], None], *, patient: bool = True) -> Lease:
    """The lock of a stack; says so once when it has to wait."""
    lease = _lease(identity)
    deadline = time.monotonic() + _SILENT_WAIT_S
    while not lease.take(how, wait=False):
        if time.monotonic() < deadline:
            time.sleep(0.02)
        elif patient:
            warn(f"another process is making stack {identity}; waiting for it")
            lease.take(how, wait=True)
            break
        else:
            lease.close()
            raise StackError("the stack is in use", where=identity, hint="wait for the run that uses it")
    return lease


@contextlib.contextmanager
def _exclusive(identity: str) -> Iterator[bool]:
    """The exclusive lock, if nobody has it."""
    with contextlib.closing(_lease(identity)) as lease:
        yield lease.take(fcntl.LOCK_EX, wait=False)


def _lease(identity: str) -> Lease:
    return Lease(stacks_dir() / "locks" / f"{identity}.lock")


def _read(folder: Path) -> dict[str, Any] | None:
    """What ``stack.json`` says; it is written last, so a stack without it is none."""
    try:
        about = json.loads((folder / ABOUT).read_bytes())
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) else None


def _touch(folder: Path) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written can still be used
        os.utime(folder / ABOUT)


def _stored(folder: Path, about: dict[str, Any]) -> StoredStack:
    status = (folder / ABOUT).stat()
    with _exclusive(folder.name) as mine:
        return StoredStack(
            folder.name,
            about["kind"],
            about["framework"],
            about["framework_version"],
            about["lock"]["python"]["version"],
            len(about["lock"]["packages"]),
            _size(folder),
            datetime.fromisoformat(about["created"]),
            datetime.fromtimestamp(status.st_mtime, UTC),
            not mine,
            folder,
        )


def _size(folder: Path) -> int:
    """Bytes on the disk; a file with several names counts once."""
    seen, total = set(), 0
    for root, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(root, name))
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_blocks * 512
    return total
