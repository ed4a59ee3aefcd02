"""Made files as they are kept: beside them stands where they come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlscope._files import digest
from mlscope.assets import Fetched

__all__ = ["FILES", "LOCK", "PROVENANCE", "SCHEMA", "intact", "kept", "provenance"]

SCHEMA = "mlscope/made/v1"
FILES = "files"
"""Folder of what the script left."""
PROVENANCE = "recipe.json"
LOCK = "lock.json"


def provenance(file: Path) -> dict[str, Any] | None:
    """Where a made file comes from: digests of script, sources, lock and outputs; None for any other file.

    Args:
        file: A path that :func:`mlscope.recipes.make` gave.
    """
    return _read(file.parent.parent)


def kept(folder: Path) -> dict[str, Fetched]:
    """Role → file, of a folder that is whole."""
    outputs = (_read(folder) or {})["outputs"]
    return {role: Fetched(folder / FILES / item["file"], item["sha256"]) for role, item in outputs.items()}


def intact(folder: Path, warn: Callable[[str], None]) -> bool:
    """Whether every file still has the digest that it had when it was made."""
    try:
        if all(digest(found.path) == found.sha256 for found in kept(folder).values()):
            return True
    except (OSError, KeyError, TypeError):
        pass
    warn(f"{folder}: what was made before is damaged and is made again")
    return False


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / PROVENANCE).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None
