"""The Pythons of this machine: environments are made of them, none is ever downloaded."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

from mlscope._files import write_atomic
from mlscope._home import cache_dir
from mlscope.errors import MlscopeError, StackError
from mlscope.manifests import Constraint

__all__ = ["Interpreter", "find_python", "this_python"]

OLDEST = Version("3.9")
"""The worker is written for it and for what came later."""

_FACTS = """
import json, platform, sys, sysconfig
print(json.dumps([
    getattr(sys, "_base_executable", None) or sys.executable, platform.python_implementation(),
    platform.python_version(), sys.version, sysconfig.get_platform(),
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
]))
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Interpreter:
    """One installed Python."""

    path: Path
    """The program itself, not a link to it nor that of a virtual environment."""
    implementation: str
    version: str
    build: str
    """``sys.version``: when it was compiled, and with what."""
    platform: str
    """Such as ``linux-x86_64``."""
    free_threaded: bool

    @property
    def minor(self) -> str:
        """Such as ``3.12``."""
        return ".".join(self.version.split(".")[:2])

    def facts(self) -> dict[str, Any]:
        """What a lock says of it."""
        return {
            "implementation": self.implementation,
            "version": self.version,
            "build": self.build,
            "platform": self.platform,
        }

    def tags(self) -> list[Tag]:
        """The kinds of wheels that it takes, the best first."""
        version = tuple(int(part) for part in self.minor.split("."))
        name = f"cp{version[0]}{version[1]}"
        abi = f"{name}t" if self.free_threaded else name
        return [*cpython_tags(version, abis=[abi]), *compatible_tags(version, name)]

    def stamp(self) -> list[int]:
        """Changes when another program takes its place."""
        status = self.path.stat()
        return [status.st_size, status.st_mtime_ns]


def this_python() -> Interpreter:
    """The interpreter that mlscope runs in, without its virtual environment."""
    return Interpreter(
        Path(getattr(sys, "_base_executable", None) or sys.executable).resolve(),
        platform.python_implementation(),
        platform.python_version(),
        sys.version,
        sysconfig.get_platform(),
        bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    )


def find_python(wanted: str | None, supported: str | None, what: str) -> Interpreter:
    """An installed Python.

    Looked at are the running one, ``PATH``, pyenv's versions and those that uv manages; asked for by version the
    running one wins where it will do, else the newest.

    Args:
        wanted: ``3.12``, ``3.12.1``, ``>=3.10``, the path of an interpreter; None: any.
        supported: Versions that will do at all (PEP 440), where that is known.
        what: What it is for, as an error says it.

    Raises:
        StackError: There is none, or one that will not do was asked for.
    """
    possible = SpecifierSet(f">={OLDEST},{supported}" if supported else f">={OLDEST}")
    if wanted is not None and (os.sep in wanted or Path(wanted).is_file()):
        return _checked(_at(Path(wanted)), possible, what)
    specifiers = _specifiers(wanted)
    here = this_python()
    if _fits(here, specifiers) and _fits(here, possible):
        return here
    found = sorted(_installed(specifiers), key=lambda each: Version(each.version), reverse=True)
    asked_for = [each for each in found if _fits(each, specifiers)]
    for each in asked_for:
        if _fits(each, possible):
            return each
    if asked_for and wanted is not None:
        return _checked(asked_for[0], possible, what)
    usable = SpecifierSet(f">={OLDEST}")
    known = ", ".join(
        dict.fromkeys(each.version for each in _sorted([here, *_installed(usable)]) if _fits(each, usable))
    )
    name = f"Python {wanted}" if wanted else f"a Python {possible}, which {what} needs,"
    raise StackError(
        f"{name} is not installed; there are {known}", hint="install it, or give the path of one: --python"
    )


def _sorted(found: Sequence[Interpreter]) -> list[Interpreter]:
    return sorted(found, key=lambda each: Version(each.version))


def _specifiers(wanted: str | None) -> SpecifierSet:
    text = re.sub(r"^(python|cpython-?|cp)(?=[0-9])", "", (wanted or "").strip().lower())
    try:
        return Constraint.parse(text).specifiers
    except ValueError as error:
        raise StackError(
            f"'{wanted}' names no Python", hint="write a version (3.12, >=3.10) or the path of an interpreter"
        ) from error


def _fits(python: Interpreter, specifiers: SpecifierSet) -> bool:
    return python.implementation == "CPython" and specifiers.contains(python.version, prereleases=True)


def _checked(python: Interpreter, possible: SpecifierSet, what: str) -> Interpreter:
    if python.implementation != "CPython":
        raise StackError(f"{python.implementation} is not supported", where=str(python.path), hint="CPython is")
    if Version(python.version) < OLDEST:
        raise StackError(f"the worker needs Python {OLDEST} or newer, not {python.version}", where=str(python.path))
    if not _fits(python, possible):
        raise StackError(f"{what} runs on Python {possible}, not on {python.version}", hint="choose another: --python")
    return python


def _at(path: Path) -> Interpreter:
    """The Python of a path."""
    found = _Known.read().ask(path.expanduser().absolute())
    if found is None:
        raise StackError("this is no Python that runs", where=str(path))
    return found


def _installed(specifiers: SpecifierSet) -> list[Interpreter]:
    """Every Python that can be found and whose name does not contradict these versions, each once."""
    known, found = _Known.read(), dict[Path, Interpreter]()
    for path in _candidates():
        minor = re.fullmatch(r"python(3\.[0-9]+)", path.name)
        if minor and not any(specifiers.contains(f"{minor[1]}.{patch}", prereleases=True) for patch in range(40)):
            continue
        if (python := known.ask(path)) is not None:
            found.setdefault(python.path, python)
    known.write()
    return list(found.values())


def _candidates() -> Iterator[Path]:
    """Files that look like a Python: on PATH, of pyenv, of uv."""
    folders = [Path(word) for word in os.environ.get("PATH", "").split(os.pathsep) if word]
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    roots = [
        *(folder.parent / "versions" for folder in folders if folder.name == "shims"),  # pyenv
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions",
        Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python"),
    ]
    inner = [folder for root in dict.fromkeys(roots) for folder in sorted(root.glob("*/bin"))]
    for folder in dict.fromkeys([*folders, *inner]):
        name = r"python3\.[0-9]+" if folder in inner else r"python3(\.[0-9]+)?"
        with contextlib.suppress(OSError):
            yield from sorted(path for path in folder.iterdir() if re.fullmatch(name, path.name))


@dataclasses.dataclass
class _Known:
    """What programs answered when they were asked who they are; asked again when the program has changed."""

    entries: dict[str, Any]
    changed: bool = False

    @classmethod
    def read(cls) -> _Known:
        try:
            entries = json.loads(_file().read_bytes())
        except (OSError, ValueError):
            entries = {}
        return cls(entries if isinstance(entries, dict) else {})

    def write(self) -> None:
        if self.changed:
            with contextlib.suppress(MlscopeError):  # it only saves time
                write_atomic(_file(), json.dumps(self.entries, indent=1))

    def ask(self, path: Path) -> Interpreter | None:
        """The Python of a path; None where it is none, or a script that starts one (pyenv's shims)."""
        try:
            real = path.resolve(strict=True)
            status = real.stat()
            with real.open("rb") as file:
                if file.read(2) == b"#!":
                    return None
        except OSError:
            return None
        stamp = [status.st_size, status.st_mtime_ns]
        entry = self.entries.get(str(path))
        if not (isinstance(entry, dict) and entry.get("stamp") == stamp):
            entry = self.entries[str(path)] = {"stamp": stamp, "facts": _facts(path)}
            self.changed = True
        try:
            base, *facts = entry["facts"]
            return Interpreter(Path(base).resolve(), *facts)
        except (TypeError, ValueError):
            return None


def _file() -> Path:
    return cache_dir() / "stacks" / "pythons.json"


def _facts(path: Path) -> list[Any] | None:
    """What a program says of itself."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", _FACTS], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=True
        )
        facts: list[Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return facts
