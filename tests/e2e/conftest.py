"""What the tests of whole evaluations share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mlscope.cli import main
from tests.conftest import Cli, Result


@pytest.fixture(scope="session", autouse=True)
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands start quickly even where Python was told to write no byte code."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("PYTHONDONTWRITEBYTECODE"):
            patch.delenv("PYTHONDONTWRITEBYTECODE")
            base = tmp_path_factory.getbasetemp()
            base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
            patch.setenv("PYTHONPYCACHEPREFIX", str(base / "pycache"))
        yield


@pytest.fixture
def inside(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command without a process of its own: quicker, for what ends before anything is measured."""

    def run(
        *args: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 0
    ) -> Result:
        capsys.readouterr()
        code = main([str(each) for each in args])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run
