"""The table of commands, the functions behind it and the help pages agree."""

from __future__ import annotations

import importlib
import inspect
import shlex
import subprocess

import pytest

from mlscope.cli._app import arguments_of, build, command_at, flags_below
from mlscope.cli._argv import normalise
from mlscope.cli._pages import COMMANDS, Path, resolve
from mlscope.cli._spellings import ALIASES, TWO_WORDS
from tests.cli.conftest import Run

LEAVES = [path for path, command in COMMANDS.items() if command.target]
by_words = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_a_commands_summary_is_its_docstrings_first_line(path: Path) -> None:
    module, _, name = str(COMMANDS[path].target).partition(":")
    document = inspect.getdoc(getattr(importlib.import_module(module), name)) or ""
    assert document.split("\n")[0] == COMMANDS[path].summary


def test_other_words_lead_to_commands() -> None:
    assert all(target in COMMANDS and alias not in COMMANDS for alias, target in ALIASES.items())
    assert resolve(("predict",), "url") == ("predict", "urls")
    assert all(target in COMMANDS for target, _ in TWO_WORDS.values())


@by_words
def test_every_help_page_has_an_example(run: Run, path: Path) -> None:
    for argv in ([*path, "--help"], ["help", *path]):
        page = run(*argv)
        assert page.code == 0
        assert page.out.startswith(f"Usage: mlscope {' '.join(path)}")
        assert "Example" in page.out
        assert f"  mlscope {path[0]}" in page.out


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_flag_is_explained(run: Run, path: Path) -> None:
    page = run(*path, "--help").out
    arguments = [each for each in arguments_of(command_at(build(), path)) if each.show]
    assert {"--config", "--verbose", "--debug", "--secret", "--local", "--profile"} <= {
        name for each in arguments for name in each.names
    }
    for argument in arguments:
        assert argument.parameter.help, argument.names
        assert all(name in page for name in argument.names)


@pytest.mark.parametrize(
    "example",
    sorted({example for command in COMMANDS.values() for example in command.examples if ">" not in example}),
)
def test_every_example_can_be_parsed(example: str) -> None:
    app = build()
    words = shlex.split(example)
    assert words[0] == "mlscope"
    line = normalise(words[1:], lambda path: flags_below(app, path))
    assert COMMANDS[line.path].target
    app.parse_args(line.tokens, print_error=False, exit_on_error=False)


def test_without_arguments_the_commands_are_listed(run: Run) -> None:
    listed = run()
    assert listed.code == 0
    assert listed == run("--help")
    assert all(f"  {path[0]} " in listed.out for path in COMMANDS)


def test_pages_fit_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = run("predict", "--help").out.splitlines()
    assert max(len(line) for line in lines if not line.startswith("  mlscope")) <= 60


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_flags(run: Run, shell: str) -> None:
    script = run("completion", shell)
    assert script.code == 0
    assert "predict" in script.out
    assert "partition-list-size" in script.out


def test_the_completion_script_is_good_bash(run: Run) -> None:
    done = subprocess.run(["bash", "-n"], input=run("completion", "bash").out, text=True, check=False)
    assert done.returncode == 0


def test_version(run: Run) -> None:
    shown = run("version")
    assert shown.code == 0
    assert shown.out.startswith("mlscope 0.")
    assert run("--version").out == shown.out
