"""What all tests share: a home of their own, the command line, the sample data, quiet for what measures."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import settings

# A loaded machine is no fault of the code: no example has a time limit.
settings.register_profile("mlscope", deadline=None)
settings.load_profile("mlscope")

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Result:
    """How one command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one JSON document that stdout is."""
        return json.loads(self.out)


class Cli(Protocol):
    """Runs ``mlscope ARGS`` as a user does, in a process of its own."""

    def __call__(
        self,
        *args: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 300,
    ) -> Result: ...


@pytest.fixture(scope="session", autouse=True)
def _no_real_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that a test starts may touch the user's own files."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("MLSCOPE_HOME", str(folder / "mlscope"))
        patch.setenv("MLSCOPE_NO_FLOOR", "1")
        for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty MLSCOPE_HOME for this test."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("MLSCOPE_HOME", str(folder))
    return folder


@pytest.fixture
def cli(home: Path) -> Cli:
    """The command, with this test's `home`."""

    def run(
        *args: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 300,
    ) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "mlscope", *map(str, args)],
            env={**os.environ, "MLSCOPE_HOME": str(home), **(env or {})},
            cwd=cwd,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The sample data (``data/`` of the folder beside the checkout, or of ``$MLSCOPE_SHARED``)."""
    data = Path(os.environ.get("MLSCOPE_SHARED") or CHECKOUT.parent / "shared") / "data"
    if not data.is_dir():
        pytest.skip(f"no sample data at {data}; name its parent folder in MLSCOPE_SHARED")
    return data


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--all-frameworks``: also the tests of frameworks that continuous integration leaves out."""
    parser.addoption("--all-frameworks", action="store_true", help="also run the tests marked 'frameworks'")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what uses the sample data, so that ``-m 'not shared'`` leaves it out; leave out what is not asked for."""
    for item in items:
        if "shared_dir" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")
    if not config.getoption("--all-frameworks"):
        left_out = [item for item in items if item.get_closest_marker("frameworks")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test marked ``alone`` wait until no other xdist worker is in a test, and hold the others back."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        return (yield)
