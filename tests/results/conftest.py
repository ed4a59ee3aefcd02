"""Databases for the tests of this room."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres() -> str:
    """Address of a PostgreSQL server that may be written."""
    address = os.environ.get("MLSCOPE_TEST_POSTGRES")
    if not address:
        pytest.skip("no PostgreSQL server: run scripts/with-postgres pytest, or set MLSCOPE_TEST_POSTGRES")
    return address


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Address and name of a database that does not exist yet: once in SQLite, once in PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/databases/", "mine"
    return request.getfixturevalue("postgres"), f"test_{secrets.token_hex(6)}"


@pytest.fixture
def other_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another machine's home; current from here on."""
    folder = tmp_path / "other-home"
    monkeypatch.setenv("MLSCOPE_HOME", str(folder))
    return folder
