"""Machines made of files: what /proc and /sys would say, and commands that answer what a test wants."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.stacks.wheels import only_from, use_uv, wheel

Machine = Callable[[Mapping[str, str]], Path]
Command = Callable[[str, str], None]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make a root folder with these files."""

    def make(files: Mapping[str, str]) -> Path:
        root = tmp_path / "root"
        root.mkdir()
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content + "\n")
        return root

    return make


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Put a command on an otherwise empty PATH: a shell script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return put


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that packages come from; numpy and LoadGen are there, as far as their names go."""
    folder = tmp_path / "links"
    only_from(folder, monkeypatch)
    return folder


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program; tests of environments need it."""
    return use_uv(monkeypatch)


@pytest.fixture
def toys(links: Path) -> Path:
    """Two versions of a framework."""
    wheel(links, "toy", "1.0", requires=["numpy"])
    wheel(links, "toy", "2.0", requires=["numpy"])
    return links


@pytest.fixture
def served(toys: Path) -> Iterator[str]:
    """Address of a server that has the wheels."""
    handler = functools.partial(Quiet, directory=str(toys))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""
