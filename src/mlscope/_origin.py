"""Which mlscope this is: its version, and its commit where that can be told."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
from importlib import metadata
from pathlib import Path

__all__ = ["Origin", "origin", "origin_of"]

_PACKAGE = Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where the code comes from."""

    version: str
    commit: str | None
    """Of its git repository, as hexadecimal digits; None where there is no telling."""
    dirty: bool | None
    """Whether the code differs from that commit's; None where there is no commit."""

    def __str__(self) -> str:
        if self.commit is None:
            return self.version
        return f"{self.version} ({self.commit[:12]}{', changed since' if self.dirty else ''})"


@functools.cache
def origin() -> Origin:
    """The running mlscope, as it was when this was first asked."""
    return origin_of(_PACKAGE, metadata.distribution("mlscope").read_text("direct_url.json"))


def origin_of(package: Path, direct_url: str | None) -> Origin:
    """An mlscope in a folder: by git when that is part of a checkout, else by what pip noted of an installation.

    Args:
        package: Folder of the package.
        direct_url: What ``direct_url.json`` says (PEP 610: the commit of an installation out of a repository).
    """
    version = metadata.version("mlscope")
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is not None:
        commit, status = _git(package, "rev-parse", "HEAD"), _git(package, "status", "--porcelain", "--", ".")
        return Origin(version, commit, None if commit is None or status is None else bool(status))
    try:
        commit = json.loads(direct_url or "{}").get("vcs_info", {}).get("commit_id")
    except (ValueError, AttributeError):
        commit = None
    return Origin(version, commit, None if commit is None else False)


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None where it is not installed, or has nothing to say of this folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            env={**own, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
