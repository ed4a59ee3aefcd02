"""Locks: which wheels an environment consists of, each with its digest (PEP 751).

mlscope writes them anew from what uv or pip resolved: one wheel a package, the one that suits the interpreter, and
nothing that differs between two machines with the same software (times, credentials of indexes).
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from mlscope._schema import canonical_digest
from mlscope.errors import StackError
from mlscope.stacks._pythons import Interpreter

__all__ = ["Lock", "LockedWheel"]


@dataclasses.dataclass(frozen=True, slots=True)
class LockedWheel:
    """One wheel."""

    name: str
    """Normalised."""
    version: str
    filename: str
    url: str
    """Where it was found: an address, or ``file:`` of the machine that made the lock."""
    sha256: str
    size: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Lock:
    """The wheels of an environment, and the Python that they are for."""

    python: dict[str, Any]
    """As :meth:`Interpreter.facts`."""
    wheels: tuple[LockedWheel, ...]
    """By name."""

    @classmethod
    def resolved(cls, pylock: str, python: Interpreter) -> Lock:
        """From the text of a ``pylock.toml``.

        Raises:
            StackError: A package has no wheel for this interpreter, or the text is no lock.
        """
        ranks = {tag: rank for rank, tag in enumerate(python.tags())}
        wheels = []
        try:
            for package in tomllib.loads(pylock)["packages"]:
                found = [_wheel(package, entry) for entry in package.get("wheels", ())]
                wheels.append(_best(str(package["name"]), found, ranks, python))
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise StackError(f"the lock cannot be read: {error}") from error
        return cls(python.facts(), tuple(sorted(wheels, key=lambda wheel: wheel.name)))

    @classmethod
    def stored(cls, lock: Mapping[str, Any]) -> Lock:
        """From what :meth:`stored_form` gave.

        Raises:
            StackError: It cannot be read, or its two lists of packages contradict each other.
        """
        try:
            packages = tomllib.loads(lock["pylock"])["packages"]
            wheels = tuple(_wheel(package, entry) for package in packages for entry in package["wheels"])
            read = cls(dict(lock["python"]), wheels)
            same = read._packages() == [dict(package) for package in lock["packages"]]
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise StackError(f"the lock cannot be read: {error}") from error
        if not same:
            raise StackError("the lock contradicts itself: 'packages' and 'pylock' name other wheels")
        return read

    def stored_form(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"kind": "uv", "python": self.python, "packages": self._packages(), "pylock": self.pylock()}

    def _packages(self) -> list[dict[str, str]]:
        return [{"name": each.name, "version": each.version, "sha256": each.sha256} for each in self.wheels]

    @property
    def sha256(self) -> str:
        """Of the software: Python and wheels, wherever these were found."""
        return canonical_digest({"kind": "uv", "python": self.python, "packages": self._packages()})

    def version_of(self, name: str) -> str:
        """The version of a distribution.

        Raises:
            StackError: It is not in the lock.
        """
        for wheel in self.wheels:
            if wheel.name == canonicalize_name(name):
                return wheel.version
        raise StackError(f"{name} is not in the lock")

    def moved(self, urls: Mapping[str, str]) -> Lock:
        """The same with other addresses, by file name."""
        wheels = (dataclasses.replace(each, url=urls.get(each.filename, each.url)) for each in self.wheels)
        return dataclasses.replace(self, wheels=tuple(wheels))

    def pylock(self, indexes: Mapping[str, str] | None = None) -> str:
        """The text of a ``pylock.toml``.

        Args:
            indexes: File name → address of the index that the wheel is from, where that is known.
        """
        minor = ".".join(str(self.python["version"]).split(".")[:2])
        lines = ['lock-version = "1.0"', 'created-by = "mlscope"', f'requires-python = "=={minor}.*"']
        for wheel in self.wheels:
            lines += ["", "[[packages]]", f"name = {_quoted(wheel.name)}", f"version = {_quoted(wheel.version)}"]
            if index := (indexes or {}).get(wheel.filename):
                lines += [f"index = {_quoted(index)}"]
            lines += ["", "[[packages.wheels]]", f"name = {_quoted(wheel.filename)}", f"url = {_quoted(wheel.url)}"]
            lines += [] if wheel.size is None else [f"size = {wheel.size}"]
            lines += [f"hashes = {{ sha256 = {_quoted(wheel.sha256)} }}"]
        return "\n".join(lines) + "\n"

    def requirements(self, urls: Mapping[str, str] | None = None) -> str:
        """The same as a requirements file of pip, with hashes; `urls` replace addresses, by file name."""
        chosen = self.moved(urls or {})
        return "".join(f"{each.name} @ {each.url} --hash=sha256:{each.sha256}\n" for each in chosen.wheels)

    def local(self) -> Iterable[tuple[LockedWheel, Path]]:
        """The wheels that were files of the machine that made the lock."""
        for wheel in self.wheels:
            if wheel.url.startswith("file:"):
                yield wheel, Path(unquote(urlsplit(wheel.url).path))


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False)


def _wheel(package: Mapping[str, Any], entry: Mapping[str, Any]) -> LockedWheel:
    url = str(entry["url"] if "url" in entry else Path(entry["path"]).absolute().as_uri())
    parts = urlsplit(url)
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    filename = str(entry.get("name") or unquote(parts.path.rpartition("/")[2]))
    size = entry.get("size")
    name = canonicalize_name(str(package["name"]))
    sha256 = str(entry["hashes"]["sha256"]).lower()
    return LockedWheel(name, str(package["version"]), filename, url, sha256, int(size) if size is not None else None)


def _best(name: str, found: list[LockedWheel], ranks: Mapping[Tag, int], python: Interpreter) -> LockedWheel:
    """The wheel that the interpreter likes best; of equals the later build."""

    def rank(wheel: LockedWheel) -> tuple[int, tuple[int, str], str]:
        try:
            _, _, build, tags = parse_wheel_filename(wheel.filename)
        except InvalidWheelFilename:
            return len(ranks), (0, ""), wheel.filename
        number, rest = build or (0, "")
        return min(ranks.get(tag, len(ranks)) for tag in tags), (-int(number), str(rest)), wheel.filename

    best = min(found, key=rank, default=None)
    if best is None or rank(best)[0] == len(ranks):
        raise StackError(
            f"{name} has no wheel for Python {python.minor} on this machine ({python.platform})",
            hint="choose another version, or another Python with --python",
        )
    return best
