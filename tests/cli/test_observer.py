"""How an evaluation reports while it runs."""

from __future__ import annotations

import io

import pytest

from mlscope.cli._observer import TerminalObserver


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


def evaluation(verbose: bool) -> None:
    with TerminalObserver(verbose) as observer:
        observer.stage("load the model")
        observer.stage("predict", 1000)
        for done in range(0, 1001, 10):
            observer.advance(done)
        observer.note("a note")
        observer.warn("a warning")


def test_without_a_terminal_only_warnings_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    evaluation(verbose=False)
    assert capsys.readouterr() == ("", "mlscope: warning: a warning\n")


def test_verbose_shows_stages_and_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    evaluation(verbose=True)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert not out
    assert lines[:3] == ["mlscope: load the model", "mlscope: predict (1000)", "mlscope: predict: 100 of 1000"]
    assert len(lines) == 2 + 10 + 2
    assert lines[-2:] == ["mlscope: a note", "mlscope: warning: a warning"]


@pytest.mark.parametrize("color", [True, False])
def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, color: bool) -> None:
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not color:
        monkeypatch.setenv("NO_COLOR", "1")
    evaluation(verbose=False)
    shown = stderr.getvalue()
    assert "predict" in shown
    assert "1000/1000" in shown
    assert "a warning" in shown
    assert "a note" not in shown
    assert ("\x1b[3" in shown or "\x1b[38" in shown) is color
