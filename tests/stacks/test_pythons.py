"""Which Python an environment is made with: installed ones only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.tags import sys_tags

from mlscope.errors import StackError
from mlscope.stacks._pythons import find_python, this_python
from tests.stacks.conftest import Command

pytestmark = pytest.mark.usefixtures("home")


def fake(folder: Path, name: str, version: str, implementation: str = "CPython") -> Path:
    """A program that answers as a Python does; compiled programs do not begin with #!."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    facts = f'["{path}", "{implementation}", "{version}", "{version} (main)", "linux-x86_64", false]'
    path.write_text(f"echo '{facts}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of programs without #!, which ``sh`` runs; nothing else is found."""
    folder = tmp_path / "pythons"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "managed"))
    run = subprocess.run

    def through_sh(command: list[str], **more: object) -> subprocess.CompletedProcess[bytes]:
        return run(["/bin/sh", *command], **more)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(subprocess, "run", through_sh)
    return folder


def test_the_running_python_is_taken_where_it_will_do() -> None:
    here = this_python()
    assert find_python(None, None, "x") == here
    assert find_python(here.minor, None, "x") == here
    assert find_python(f"python{here.minor}", ">=3.9", "x") == here
    assert find_python(here.version, None, "x") == here
    assert here.path.resolve() == here.path
    assert here.path.samefile(os.path.realpath(sys.executable))


def test_its_wheel_tags_are_those_of_the_running_interpreter() -> None:
    assert this_python().tags() == list(sys_tags())


def test_a_path_names_one_python() -> None:
    assert find_python(sys.executable, None, "x") == this_python()
    with pytest.raises(StackError, match=r"/no/python: this is no Python that runs"):
        find_python("/no/python", None, "x")


def test_the_newest_that_fits_is_taken(pythons: Path, tmp_path: Path) -> None:
    fake(pythons, "python3.97", "3.97.1")
    fake(tmp_path / "pyenv" / "versions" / "3.97.4" / "bin", "python3.97", "3.97.4")
    fake(tmp_path / "managed" / "cpython-3.98.0-linux" / "bin", "python3.98", "3.98.0")
    assert find_python("3.97", None, "x").version == "3.97.4"
    assert find_python(">=3.97", None, "x").version == "3.98.0"
    assert find_python("3.97.1", None, "x").version == "3.97.1"
    assert find_python(None, ">=3.97,<3.98", "x").version == "3.97.4"


def test_what_programs_answered_is_remembered_until_they_change(pythons: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake(pythons, "python3.97", "3.97.1")
    assert find_python("3.97", None, "x").version == "3.97.1"
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", None)
        assert find_python("3.97", None, "x").version == "3.97.1"
    fake(pythons, "python3.97", "3.97.10")
    assert path.exists()
    assert find_python("3.97", None, "x").version == "3.97.10"


def test_scripts_that_start_a_python_are_no_python(pythons: Path, command: Command, tmp_path: Path) -> None:
    command("python3.97", "exit 127")
    with pytest.raises(StackError, match=r"Python 3\.97 is not installed; there are .*, or give the path of one"):
        find_python("3.97", None, "x")


def test_pythons_that_will_not_do_are_told(pythons: Path) -> None:
    fake(pythons, "python3.97", "3.97.1")
    for wanted, supported, words in (
        ("3.97", "<3.12", r"mxnet runs on Python \S*<3\.12\S*, not on 3\.97\.1"),
        (None, ">=3.98", r"a Python \S*>=3\.98\S* which mxnet needs, is not installed"),
        ("3.96", None, r"Python 3\.96 is not installed"),
        ("abc", None, "'abc' names no Python"),
        (str(fake(pythons, "old", "3.8.1")), None, r"the worker needs Python 3\.9 or newer, not 3\.8\.1"),
        (str(fake(pythons, "other", "3.11.1", "PyPy")), None, "PyPy is not supported"),
    ):
        with pytest.raises(StackError, match=words):
            find_python(wanted, supported, "mxnet")
