"""What is committed can be used by anybody, anywhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.house._source import CHECKOUT

MACHINE_PATH = re.compile(r"(?<![\w.~$}])/(?:work|root|home/\w+|Users/\w+)/")
SIZE = 2_000_000


def tracked() -> list[Path]:
    if not (CHECKOUT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    files = [CHECKOUT / name for name in done.stdout.split("\0") if name]
    return [path for path in files if path.is_file()]


def texts() -> dict[Path, str]:
    contents = {path: path.read_bytes() for path in tracked()}
    return {path: data.decode("utf-8") for path, data in contents.items() if b"\0" not in data}


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert not [f"{path}: {match.group()}" for path, text in texts().items() for match in MACHINE_PATH.finditer(text)]


def test_the_lock_takes_packages_from_pypi_only() -> None:
    hosts = set(re.findall(r"\w+://([^/\"]+)", (CHECKOUT / "uv.lock").read_text(encoding="utf-8")))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_no_index_is_prescribed() -> None:
    names = {"pip.conf", "uv.toml", ".netrc", ".pypirc"}
    assert not [path for path in tracked() if path.name in names]
    assert not re.search(
        r"tool\.uv\.index|index-url|find-links", (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    )


def test_committed_files_are_small_text_or_small_data() -> None:
    assert not [str(path) for path in tracked() if path.stat().st_size > SIZE]


def test_scripts_can_be_executed() -> None:
    scripts = [path for path in tracked() if path.read_bytes().startswith(b"#!")]
    assert scripts
    assert not [str(path) for path in scripts if not path.stat().st_mode & 0o100]
