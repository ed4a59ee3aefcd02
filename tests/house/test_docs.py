"""The documents say what is: commands in them run, links lead somewhere, every error is explained.

A block is run when ``<!-- run -->`` stands right above it: in ``console`` blocks the lines after ``$ `` are commands
and the others their output, where ``...`` stands for anything; ``python`` blocks are whole programs. The blocks of
one document share a folder and an MLSCOPE_HOME, in their order.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlscope import errors
from tests.house._source import CHECKOUT
from tests.house._tree import DOCUMENT as ARCHITECTURE
from tests.house._tree import updated

DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")])
RUN = re.compile(r"^<!-- run -->\n```(console|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def read(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def programs(document: Path) -> list[tuple[list[str], str]]:
    """(command line, expected output) of everything in a document that is to be run."""
    found = []
    for language, body in RUN.findall(read(document)):
        if language == "python":
            found.append(([sys.executable, "-c", body], "..."))
            continue
        for step in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, output = re.sub(r"\\\n", "", step).partition("\n")
            found.append((["bash", "-euc", command], output or "..."))
    return found


def anchors(document: Path) -> set[str]:
    """The names that headings can be linked by, as code forges make them."""
    headings = HEADING.findall(FENCED.sub("", read(document)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.slow
@pytest.mark.parametrize("document", [path for path in DOCUMENTS if programs(path)], ids=lambda path: path.name)
def test_the_commands_of_a_document_print_what_it_shows(document: Path, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for name in ("examples", "src"):
        (folder / name).symlink_to(CHECKOUT / name)
    for command, expected in programs(document):
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "MLSCOPE_HOME": str(home), "PATH": path, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stderr}"
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(expected, done.stdout, flags), (
            f"{command[-1]}\nprinted\n{done.stdout}\nbut {document.name} shows\n{expected}"
        )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(FENCED.sub("", read(document))):
        if re.match(r"(https?|mailto):", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (document.parent / name).resolve() if name else document
        assert linked.exists(), f"{document.name} links to {target}"
        if anchor:
            assert anchor in anchors(linked), f"{document.name} links to {target}"


def test_every_error_has_its_row_among_the_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", read(CHECKOUT / "docs" / "exit-codes.md"), re.MULTILINE)
    classes = {name: getattr(errors, name) for name in errors.__all__ if not name.isupper()}
    assert {name: int(code) for code, name in rows} == {name: cls.exit_code for name, cls in classes.items()}


def test_the_architecture_lists_todays_files() -> None:
    assert updated(read(ARCHITECTURE)) == read(ARCHITECTURE), "run: python -m tests.house._tree"


def test_the_readme_begins_with_the_two_commands() -> None:
    first = read(CHECKOUT / "README.md").split("\n## ")[0]
    assert first.index("scripts/demo") < first.index("scripts/test")
    assert len(first.split("scripts/test")[0].splitlines()) <= 10
