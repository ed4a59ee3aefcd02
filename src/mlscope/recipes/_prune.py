"""The prepared sets of this machine: what there is, and how it goes."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlscope._files import explain_os_errors
from mlscope.loader import ABOUT, PIXELS
from mlscope.recipes._prepared import about_prepared, lease_of, prepared_dir

__all__ = ["PreparedEntry", "list_prepared", "prune_prepared"]


@dataclasses.dataclass(frozen=True, slots=True)
class PreparedEntry:
    """One prepared set."""

    key: str
    dataset: str
    samples: int
    shape: tuple[int, ...]
    """Of one sample."""
    libraries: dict[str, str]
    failed: int
    """Pictures that could not be prepared."""
    size_bytes: int
    created: datetime
    used: datetime
    path: Path


def list_prepared() -> list[PreparedEntry]:
    """The prepared sets of this machine, the last used first."""
    found = []
    for folder in prepared_dir().glob("[0-9a-f]*"):
        with contextlib.suppress(OSError, KeyError, TypeError, ValueError):
            found.append(_entry(folder))
    return sorted(found, key=lambda each: each.used, reverse=True)


def _entry(folder: Path) -> PreparedEntry:
    about = about_prepared(folder)
    return PreparedEntry(
        key=folder.name,
        dataset=f"{about['dataset']['name']} {about['dataset']['version']}",
        samples=about["shape"][0],
        shape=tuple(about["shape"][1:]),
        libraries=about["wanted"]["decoder"]["libraries"],
        failed=len(about["errors"]),
        size_bytes=(folder / PIXELS).stat().st_size,
        created=datetime.fromisoformat(about["made_at"]),
        used=datetime.fromtimestamp((folder / ABOUT).stat().st_mtime, UTC),
        path=folder,
    )


def prune_prepared(days: float) -> list[PreparedEntry]:
    """Remove the sets that were not used for so many days; one that a run uses stays.

    Returns:
        What is gone.

    Raises:
        ResourceError: The cache cannot be written.
    """
    oldest = datetime.now(UTC) - timedelta(days=days)
    gone = [each for each in list_prepared() if each.used <= oldest and _removed(each.path)]
    for memory in prepared_dir().glob("seen/*.json"):
        with contextlib.suppress(OSError):
            if datetime.fromtimestamp(memory.stat().st_mtime, UTC) <= oldest:
                memory.unlink()
    return gone


def _removed(folder: Path) -> bool:
    """Remove a set, unless it is in use."""
    with contextlib.closing(lease_of(folder)) as lease, explain_os_errors(folder):
        if not lease.take(fcntl.LOCK_EX, wait=False) or not folder.exists():
            return False
        going = folder.with_name(f".partial-{folder.name}")  # never a half of it under its own name
        folder.rename(going)
        shutil.rmtree(going)
    return True
