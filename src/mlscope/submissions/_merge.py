"""Moving finished results into a tree."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from mlscope.errors import StoreError

__all__ = ["merge"]

_SHARED = "model_mapping.json"
"""The one file that several results write."""


def merge(tree: Path, root: Path, folders: Sequence[Path], *, overwrite: bool) -> None:
    """Move a tree into another.

    Args:
        tree: What is moved; on the same disk.
        root: Where to.
        folders: Folders that belong to one result alone, relative to the root.
        overwrite: Replace those that are there.

    Raises:
        StoreError: One of the folders is there, and is not to be replaced.
    """
    there = [folder for folder in folders if (root / folder).exists()]
    if there and not overwrite:
        where = str(root / there[0])
        raise StoreError("the tree has this result already", where=where, hint="add --overwrite to replace it")
    for folder in there:
        with contextlib.suppress(FileNotFoundError):  # one of them may lie in another
            shutil.rmtree(root / folder)
    for path in sorted(tree.rglob("*")):
        if not path.is_file():
            continue
        target = root / path.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.name == _SHARED and target.is_file():
            _join(path, target)
        path.replace(target)


def _join(new: Path, old: Path) -> None:
    """Add what the old mapping says to the new one."""
    try:
        known = json.loads(old.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StoreError(f"this is no mapping of models: {error}", where=str(old), hint="mend or remove it") from error
    joined = known | json.loads(new.read_text(encoding="utf-8"))
    new.write_text(json.dumps(joined, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
