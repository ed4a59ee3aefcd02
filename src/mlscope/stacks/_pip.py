"""Environments without uv: the standard library's venv, and the pip that it brings."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope._files import digest, explain_os_errors
from mlscope.errors import StackError
from mlscope.stacks._explain import explained
from mlscope.stacks._lock import Lock
from mlscope.stacks._pythons import Interpreter
from mlscope.stacks._tools import run_tool

__all__ = ["Pip"]


@dataclasses.dataclass(frozen=True, slots=True)
class Pip:
    """``python -m venv`` and pip 22.3 or newer: https://pip.pypa.io/en/stable/reference/installation-report/."""

    name: str = "pip"

    def resolve(
        self, python: Interpreter, requirements: Mapping[str, str], preferred: Sequence[str], offline: bool
    ) -> Lock:
        """As :meth:`Tool.resolve`."""
        _refuse(offline)
        with explain_os_errors(tempfile.gettempdir()), tempfile.TemporaryDirectory(prefix="mlscope-lock-") as name:
            folder = Path(name)
            pip = _venv(python, folder)
            (folder / "preferred.txt").write_text("".join(f"{text}\n" for text in preferred))
            words = ["install", "--dry-run", "--ignore-installed", "--report", "report.json", "--only-binary", ":all:"]
            constraints = ["--constraint", "preferred.txt"] if preferred else []
            _run([*pip, *words, *constraints, *requirements], folder, python, requirements)
            report = json.loads((folder / "report.json").read_bytes())
        return Lock.resolved(_pylock(report), python)

    def install(self, python: Interpreter, lock: Lock, folder: Path, offline: bool) -> None:
        """As :meth:`Tool.install`; pip takes itself away in the end, for it is not in the lock."""
        _refuse(offline)
        with explain_os_errors(folder):
            folder.mkdir(parents=True)
            (folder / "pylock.toml").write_text(lock.pylock(), encoding="utf-8")
            (folder / "requirements.txt").write_text(lock.requirements(), encoding="utf-8")
        pip = _venv(python, folder)
        _run([*pip, "install", "--no-deps", "--require-hashes", "-r", "requirements.txt"], folder, python, {})
        locked = {wheel.name for wheel in lock.wheels}
        brought = [name for name in ("setuptools", "pip") if name not in locked]
        if brought:
            _run([*pip, "uninstall", "--yes", *brought], folder, python, {})


def _refuse(offline: bool) -> None:
    if offline:
        raise StackError(
            "pip cannot make an environment without a network", hint="install uv, whose cache serves for that"
        )


def _venv(python: Interpreter, folder: Path) -> list[str]:
    """Make ``env`` in the folder; the command of its pip."""
    done = run_tool([str(python.path), "-m", "venv", "env"], _environment(), folder)
    if done.returncode:
        said = f"{done.stderr} {done.stdout}"
        if "ensurepip" in said:
            raise StackError(
                f"Python {python.version} has no venv", where=str(python.path), hint="install uv, or python3-venv"
            )
        raise explained(said, python, {}, False)
    return [str(folder / "env" / "bin" / "python"), "-m", "pip"]


def _run(command: Sequence[str], folder: Path, python: Interpreter, origins: Mapping[str, str]) -> None:
    done = run_tool([*command, "--disable-pip-version-check", "--no-input"], _environment(), folder)
    if done.returncode:
        raise explained(f"{done.stdout} {done.stderr}", python, origins, False)


def _environment() -> dict[str, str]:
    """The caller's variables; pip reads its own settings."""
    hidden = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_REQUIRE_VIRTUALENV"}
    return {name: value for name, value in os.environ.items() if name not in hidden} | {"PIP_NO_COLOR": "1"}


def _sha256(source: Mapping[str, Any]) -> str | None:
    """A wheel's digest; pip before 23.1 writes it otherwise, and not at all for a file of this machine."""
    from mlscope.assets import file_of

    about = source.get("archive_info", {})
    found = about.get("hashes", {}).get("sha256") or str(about.get("hash", "")).removeprefix("sha256=")
    path = file_of(source["url"])
    return str(found) if found else digest(path) if path is not None and path.is_file() else None


def _pylock(report: Mapping[str, Any]) -> str:
    """The report of ``pip install --dry-run`` as the text of a lock."""
    lines = ['lock-version = "1.0"']
    for item in report["install"]:
        about, source = item["metadata"], item["download_info"]
        sha256 = _sha256(source)
        if not sha256:
            raise StackError(f"pip names no sha256 for {about['name']}", hint="update pip, or install uv")
        lines += ["[[packages]]", f"name = {json.dumps(about['name'])}", f"version = {json.dumps(about['version'])}"]
        lines += ["[[packages.wheels]]", f"url = {json.dumps(source['url'])}", f'hashes = {{ sha256 = "{sha256}" }}']
    return "\n".join(lines) + "\n"
