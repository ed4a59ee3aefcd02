"""The generated documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlscope.cli import reference
from mlscope.cli._pages import COMMANDS
from mlscope.errors import EXIT_CODES


def test_the_documents_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0, capsys.readouterr().out


def test_every_command_and_exit_code_is_in_the_reference() -> None:
    text = reference.cli_reference()
    assert all(f"# mlscope {' '.join(path)}\n" in text for path in COMMANDS)
    assert all(f"| {code} | " in text for code in EXIT_CODES)
    assert "\x1b" not in text


def test_a_check_names_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    docs = str(tmp_path)
    assert reference.main([docs]) == 0
    assert reference.main([docs, "--check"]) == 0
    (tmp_path / "cli.md").write_text("old")
    capsys.readouterr()
    assert reference.main([docs, "--check"]) == 1
    assert capsys.readouterr().out == f"{tmp_path / 'cli.md'} is not up to date\n"
    assert (tmp_path / "cli.md").read_text() == "old"
    assert {"model.json", "dataset.json", "framework.json"} == {path.name for path in (tmp_path / "schemas").iterdir()}
    assert json.loads((tmp_path / "schemas" / "model.json").read_text())["$schema"]


def test_the_terminals_width_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference.cli_reference()
    monkeypatch.setenv("COLUMNS", "50")
    assert reference.cli_reference() == before
