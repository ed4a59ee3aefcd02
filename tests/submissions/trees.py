"""A tree as text, so that it can be kept and compared."""

from __future__ import annotations

import re
from pathlib import Path


def shown(root: Path) -> str:
    """Every file of a tree with its text; what differs from run to run is made equal."""
    parts = []
    for path in sorted(root.rglob("*")):
        if path.is_file():
            text = re.sub(r"hash=[0-9a-f]{64}", "hash=(sha256)", path.read_text(encoding="utf-8"))
            parts.append(f"==== {path.relative_to(root).as_posix()}\n{text.rstrip()}\n")
    return "\n".join(parts)


def matches(golden: Path, root: Path) -> None:
    """Compare a tree with the golden one; the message of a failure says how to renew it.

    Raises:
        AssertionError: They differ.
    """
    found = shown(root)
    known = golden.read_text(encoding="utf-8") if golden.is_file() else ""
    if found != known:
        renewed = root.parent / golden.name
        renewed.write_text(found, encoding="utf-8")
        raise AssertionError(f"the tree is not that of {golden}; what was found is in {renewed}")
