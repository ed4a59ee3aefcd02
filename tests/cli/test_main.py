"""The process boundary: exit codes, one line for every error, what --debug and --profile add."""

from __future__ import annotations

import errno
import os
import pstats
import subprocess
import sys
from pathlib import Path

import pytest

from mlscope import conductor, errors
from mlscope.cli import main
from mlscope.conductor import Observer, Outcome
from mlscope.errors import MlscopeError
from mlscope.plan import Request
from tests.cli.conftest import Run

CLASSES = [getattr(errors, name) for name in errors.__all__ if not name.isupper()]


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(request: Request, observer: Observer | None = None) -> list[Outcome]:
        raise error

    monkeypatch.setattr(conductor, "evaluate", evaluate)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_is_one_line_and_its_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, cls: type[MlscopeError]
) -> None:
    raising(cls("it is broken", where="a.yml:1:2", hint="mend it"), monkeypatch)
    done = run("predict", "dataset")
    assert done.code == cls.exit_code
    assert done.err == "mlscope: error: a.yml:1:2: it is broken; mend it\n"
    assert not done.out


def test_an_unexpected_error_is_one_line_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(ZeroDivisionError("oh\nno"), monkeypatch)
    done = run("predict", "dataset")
    assert done.code == 1
    assert done.err == "mlscope: error: ZeroDivisionError: oh no; --debug shows where\n"


@pytest.mark.parametrize("flag", ["--debug", "-d", "--debug=true", "-vd"])
def test_debug_shows_where_it_happened(run: Run, monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    raising(ZeroDivisionError("oh no"), monkeypatch)
    done = run("predict", "dataset", flag)
    assert done.code == 1
    assert "Traceback" in done.err
    assert done.err.endswith("mlscope: error: ZeroDivisionError: oh no\n")


def test_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(KeyboardInterrupt(), monkeypatch)
    done = run("predict", "dataset")
    assert (done.code, done.err) == (130, "mlscope: interrupted\n")


def test_profile_is_written_and_its_path_said(
    run: Run, requests: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("predict", "dataset", "--profile")
    assert done.code == 0
    assert f"profile written to {tmp_path / 'mlscope-profile.pstats'}" in done.err
    functions = pstats.Stats(str(tmp_path / "mlscope-profile.pstats")).get_stats_profile().func_profiles
    assert any("make_request" in name for name in functions)


def test_a_profile_that_cannot_be_written(run: Run, requests: list[Request], monkeypatch: pytest.MonkeyPatch) -> None:
    import cProfile

    def refuse(self: object, file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cProfile.Profile, "dump_stats", refuse)
    done = run("predict", "dataset", "--profile")
    assert done.code == 10
    assert "no space left" in done.err


def process(*argv: str, **changes: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "mlscope", *argv], stderr=subprocess.PIPE, **changes)  # type: ignore[call-overload, no-any-return]


def test_a_reader_that_goes_away_is_no_error_to_speak_of(home: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with process("benchmark", "--help", stdout=writing) as running:
        os.close(writing)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 141
    assert not err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_below_stdout_is_said(home: Path) -> None:
    with Path("/dev/full").open("wb") as full, process("runs", "--help", stdout=full) as running:
        _, err = running.communicate(timeout=60)
    assert running.returncode == 10
    assert b"standard output" in err
    assert b"Traceback" not in err


def test_python_m_mlscope(home: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "mlscope", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: mlscope COMMAND")


def test_main_takes_the_process_own_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mlscope", "version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("mlscope ")
