"""What environments are made with: uv, or else venv and pip."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mlscope._files import explain_os_errors
from mlscope.errors import StackError
from mlscope.stacks._explain import explained
from mlscope.stacks._lock import Lock
from mlscope.stacks._pythons import Interpreter

__all__ = ["Tool", "Uv", "find_uv", "run_tool"]

_PYPI, _PYPI_FILES = "https://pypi.org/simple", "https://files.pythonhosted.org/"


About = tuple[Path, Interpreter, Mapping[str, str], bool]
"""What an error needs: folder, Python, requirement → who makes it, whether the network is ruled out."""


class Tool(Protocol):
    """Resolves requirements to wheels, and makes environments of wheels."""

    @property
    def name(self) -> str:
        """What it is called."""

    def resolve(
        self, python: Interpreter, requirements: Mapping[str, str], preferred: Sequence[str], offline: bool
    ) -> Lock:
        """Find wheels that fit together.

        Args:
            python: Who they are for.
            requirements: Requirement → who makes it.
            preferred: Further constraints, as a constraints file writes them.
            offline: Whether the network is ruled out.

        Raises:
            Unresolvable: There are none.
            StackError: The indexes cannot be reached.
            ResourceError: The disk is full or cannot be written.
        """

    def install(self, python: Interpreter, lock: Lock, folder: Path, offline: bool) -> None:
        """Make an environment in a folder that does not exist.

        Raises:
            ChecksumError: A wheel is not the one that the lock promises.
            StackError: A wheel cannot be had.
            ResourceError: The disk is full or cannot be written.
        """


def find_uv() -> Path | None:
    """``MLSCOPE_UV`` (empty: do without), the uv beside this interpreter, or that on ``PATH``.

    Raises:
        StackError: ``MLSCOPE_UV`` names something else.
    """
    named = os.environ.get("MLSCOPE_UV")
    if named is not None:
        if named and shutil.which(named) is None:
            raise StackError("MLSCOPE_UV names no program", where=named, hint="unset it, or name uv itself")
        return Path(str(shutil.which(named))) if named else None
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("uv")
    return Path(found) if found else None


@dataclasses.dataclass(frozen=True, slots=True)
class Uv:
    """Astral's uv: https://docs.astral.sh/uv/pip/."""

    program: Path
    name: str = "uv"

    def resolve(
        self, python: Interpreter, requirements: Mapping[str, str], preferred: Sequence[str], offline: bool
    ) -> Lock:
        """As :meth:`Tool.resolve`."""
        with explain_os_errors(tempfile.gettempdir()), tempfile.TemporaryDirectory(prefix="mlscope-lock-") as name:
            folder = Path(name)
            (folder / "wanted.in").write_text("".join(f"{text}\n" for text in requirements))
            (folder / "preferred.txt").write_text("".join(f"{text}\n" for text in preferred))
            constraints = [word for file in ("preferred.txt", *_constraints()) for word in ("--constraints", file)]
            words = ["--format", "pylock.toml", "--output-file", "pylock.toml", "--generate-hashes", "--no-header"]
            choice = ["--only-binary", ":all:", *_no_index(), "--python", str(python.path)]
            self._run(
                ["pip", "compile", "wanted.in", *constraints, *words, *choice],
                (folder, python, requirements, offline),
            )
            return Lock.resolved((folder / "pylock.toml").read_text(encoding="utf-8"), python)

    def install(self, python: Interpreter, lock: Lock, folder: Path, offline: bool) -> None:
        """As :meth:`Tool.install`."""
        with explain_os_errors(folder):
            folder.mkdir(parents=True)
            (folder / "pylock.toml").write_text(lock.pylock(_indexes(lock)), encoding="utf-8")
        about: About = (folder, python, {}, offline)
        self._run(["venv", "--relocatable", "--python", str(python.path), "env"], about)
        target = str(folder / "env" / "bin" / "python")
        self._run(["pip", "sync", "pylock.toml", "--require-hashes", "--python", target, *_no_index()], about)

    def _run(self, words: Sequence[str], about: About) -> None:
        folder, python, origins, offline = about
        command = [str(self.program), *words, "--quiet", "--no-progress", *(["--offline"] if offline else [])]
        done = run_tool(command, _environment(), folder)
        if done.returncode:
            raise explained(done.stderr, python, origins, offline)


def run_tool(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder; its words are kept, nothing is asked on the terminal.

    Raises:
        StackError: It cannot be started.
    """
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise StackError(f"cannot be started: {error.strerror}", where=command[0]) from error


def _environment() -> dict[str, str]:
    """The caller's variables and, for uv does not read them, pip's settings; uv's own variables come first."""
    from mlscope.assets import package_sources

    sources = package_sources()
    given = {
        name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
    }
    if sources.index and not given.get("UV_DEFAULT_INDEX") and not given.get("UV_INDEX_URL"):
        given["UV_DEFAULT_INDEX"] = sources.index
    if sources.extra_indexes:
        given["UV_INDEX"] = " ".join([*given.get("UV_INDEX", "").split(), *sources.extra_indexes])
        given.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # what pip does
    if sources.links:
        links = [*given.get("UV_FIND_LINKS", "").replace(",", " ").split(), *sources.links]
        given["UV_FIND_LINKS"] = ",".join(map(_place, links))
    if sources.trusted_hosts:
        given["UV_INSECURE_HOST"] = " ".join([*given.get("UV_INSECURE_HOST", "").split(), *sources.trusted_hosts])
    if sources.certificate:
        given.setdefault("SSL_CERT_FILE", sources.certificate)
    return {**given, "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}


def _indexes(lock: Lock) -> dict[str, str]:
    """The index of each wheel, as far as it can be told: uv keeps what it has downloaded by index and by address."""
    from mlscope.assets import package_sources

    sources = package_sources()
    main = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or sources.index or _PYPI
    one = not sources.extra_indexes and not os.environ.get("UV_INDEX")
    return {
        wheel.filename: main
        for wheel in lock.wheels
        if wheel.url.startswith("http") and (one if main != _PYPI else wheel.url.startswith(_PYPI_FILES))
    }


def _constraints() -> list[str]:
    """Files of constraints, of uv's variable and of pip's settings."""
    from mlscope.assets import package_sources

    return [_place(file) for file in (*os.environ.get("UV_CONSTRAINT", "").split(), *package_sources().constraints)]


def _no_index() -> list[str]:
    from mlscope.assets import package_sources

    return ["--no-index"] if package_sources().no_index else []


def _place(file: str) -> str:
    """A file's whole path (uv runs in another folder); addresses stay."""
    return file if "://" in file else str(Path(file).expanduser().absolute())
