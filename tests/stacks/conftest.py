"""Machines made of files: what /proc and /sys would say, and commands that answer what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Machine = Callable[[Mapping[str, str]], Path]
Command = Callable[[str, str], None]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make a root folder with these files."""

    def make(files: Mapping[str, str]) -> Path:
        root = tmp_path / "root"
        root.mkdir()
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n")
        return root

    return make


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Put a command on an otherwise empty PATH: a shell script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return put
