"""Running the command line inside the test's process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlscope import conductor
from mlscope.cli import main
from mlscope.conductor import Observer, Outcome
from mlscope.plan import Request
from tests.conftest import Result

Run = Callable[..., Result]


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """``main`` in this process, with an empty MLSCOPE_HOME; gives code, stdout and stderr."""

    def call(*argv: str | Path) -> Result:
        capsys.readouterr()
        code = main([str(word) for word in argv])
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return call


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What commands ask the conductor for; nothing is evaluated."""
    asked: list[Request] = []

    def evaluate(request: Request, observer: Observer | None = None) -> list[Outcome]:
        asked.append(request)
        return []

    monkeypatch.setattr(conductor, "evaluate", evaluate)
    return asked
