"""Finding a wheel in a package index, without pip.

Spoken are the simple repository API as JSON (PEP 691) and, for private indexes and folders that know nothing
else, as HTML (PEP 503). Nothing of a wheel is ever run: it serves as an archive.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from mlscope._files import digest
from mlscope.assets._http import ATTEMPTS, Absent, Page, read_page
from mlscope.assets._indexes import file_of, find_links, indexes
from mlscope.assets._sources import PypiSource, redact
from mlscope.errors import AssetError, OfflineError

__all__ = ["Offered", "Wheel", "find_wheel", "locate_wheel", "offered", "released_versions"]

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that can be had."""

    filename: str
    place: Path | str
    """A file of this machine, or an address."""
    sha256: str | None
    """What the index promises."""
    requires_python: str | None = None
    """Versions of Python that it is for, as the index says; None: it does not say."""


def find_wheel(source: PypiSource, *, offline: bool) -> Wheel:
    """The wheel of this version that suits this machine best.

    Local folders are looked at first, then the indexes in their order. Where no wheel suits the machine, the first
    one by name is taken: what is wanted from it is a data file, whose digest the manifest tells.

    Raises:
        AssetError: No index has one.
        OfflineError: The indexes are not on this machine, and the network was ruled out.
    """
    reasons: list[str] = []
    places: list[Path | str] = [*find_links(), *indexes()]
    for place in places:
        try:
            wheels = [wheel for wheel in _wheels(place, source.name, offline) if _is(wheel.filename, source)]
        except AssetError as error:
            reasons.append(str(error))
            continue
        if wheels:
            ranks = {tag: rank for rank, tag in enumerate(sys_tags())}
            return min(wheels, key=lambda wheel: (_rank(wheel.filename, ranks), wheel.filename))
        reasons.append(f"{redact(str(place))}: no wheel of this version")
    raise (OfflineError if offline else AssetError)(
        f"no wheel of {source.name} {source.version} is to be had: {'; '.join(reasons)}",
        where=f"pypi:{source.name}=={source.version}",
        hint="fetch it once with a network" if offline else "check name and version",
    )


def locate_wheel(filename: str, sha256: str, *, offline: bool) -> Path | str | None:
    """Where these very bytes can be had: a file of this machine or an address; None when nowhere.

    Local folders are looked at first, then the indexes; what these promise is taken for true (who installs the
    wheel checks it), files of this machine are hashed.
    """
    name = parse_wheel_filename(filename)[0]
    places: list[Path | str] = [*find_links(), *indexes()]
    for place in places:
        try:
            wheels = [wheel for wheel in _wheels(place, name, offline) if wheel.filename == filename]
        except AssetError:
            continue
        for wheel in wheels:
            found = digest(wheel.place) if isinstance(wheel.place, Path) and wheel.place.is_file() else wheel.sha256
            if found == sha256:
                return wheel.place
    return None


def released_versions(name: str, *, offline: bool = False) -> list[Version]:
    """The versions of a distribution that have wheels somewhere, oldest first.

    Pre-releases count only where there is nothing else. Indexes that cannot be asked are left out: it is for hints.
    """
    name = canonicalize_name(name)
    found: set[Version] = set()
    places: list[Path | str] = [*find_links(), *indexes()]
    for place in places:
        with suppress(AssetError):
            found.update(version for wheel in _wheels(place, name, offline) if (version := _version(wheel, name)))
    return sorted(version for version in found if not version.is_prerelease) or sorted(found)


@dataclass(frozen=True, slots=True)
class Offered:
    """What indexes and folders have of a distribution."""

    versions: tuple[Version, ...]
    """Those with a wheel that fits, oldest first; pre-releases only where there is nothing else."""
    others: int
    """Files that do not fit: sources, and wheels for other Pythons and platforms."""
    silent: str | None
    """Why an index could not be asked; None where all answered."""


def offered(name: str, python: str, tags: Container[Tag], *, offline: bool = False) -> Offered:
    """The versions of a distribution that could be installed; each index is asked once, without patience.

    Args:
        name: Of the distribution.
        python: Version of the Python that would use it.
        tags: Kinds of wheels that it takes.
        offline: Look at files of this machine only.
    """
    name = canonicalize_name(name)
    found: set[Version] = set()
    others, silent = 0, None
    places: list[Path | str] = [*find_links(), *indexes()]
    for place in places:
        try:
            for wheel in _wheels(place, name, offline, attempts=1):
                version = _version(wheel, name)
                if version and _fits(wheel, python, tags):
                    found.add(version)
                elif version or isinstance(place, str):
                    others += 1
        except Absent:
            continue
        except AssetError as error:
            silent = f"{redact(str(place))}: {error.what}"
    final = sorted(version for version in found if not version.is_prerelease)
    return Offered(tuple(final or sorted(found)), others, silent)


def _fits(wheel: Wheel, python: str, tags: Container[Tag]) -> bool:
    if not any(tag in tags for tag in parse_wheel_filename(wheel.filename)[3]):
        return False
    try:
        return wheel.requires_python is None or SpecifierSet(wheel.requires_python).contains(python)
    except InvalidSpecifier:  # old files hold all sorts of things; pip takes them
        return True


def _version(wheel: Wheel, name: str) -> Version | None:
    try:
        named, version, _, _ = parse_wheel_filename(wheel.filename)
    except InvalidWheelFilename:
        return None
    return version if named == name else None


def _wheels(place: Path | str, name: str, offline: bool, attempts: int = ATTEMPTS) -> Iterator[Wheel]:
    if isinstance(place, Path):
        for path in place.glob("*.whl"):
            yield Wheel(path.name, path, None)
        return
    page = _page(f"{place}/{name}/", offline, attempts)
    files = _from_json(page) if page.content_type.endswith("json") else _from_html(page)
    for filename, url, sha256, requires_python in files:
        yield Wheel(filename, file_of(url) or url, sha256, requires_python)


def _page(url: str, offline: bool, attempts: int) -> Page:
    folder = file_of(url)
    if folder is not None:
        file = folder / "index.html"
        try:
            return Page(url, "text/html", file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            raise Absent("this index has no such package", where=redact(url)) from None
    if offline:
        raise OfflineError("not asked (offline)", where=redact(url))
    page = read_page(url, _ACCEPT, attempts)
    return Page(page.url, page.content_type.partition(";")[0].strip().lower(), page.text)


_File = tuple[str, str, str | None, str | None]


def _from_json(page: Page) -> Iterator[_File]:
    try:
        for file in json.loads(page.text)["files"]:
            sha256, requires_python = file.get("hashes", {}).get("sha256"), file.get("requires-python")
            yield file["filename"], _join(page.url, file["url"]), sha256, requires_python
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError("the index does not speak PEP 691", where=redact(page.url)) from error


def _from_html(page: Page) -> Iterator[_File]:
    anchors = _Anchors()
    anchors.feed(page.text)
    for href, requires_python in anchors.files:
        url, fragment = urldefrag(_join(page.url, href))
        algorithm, _, value = fragment.partition("=")
        filename, sha256 = unquote(urlsplit(url).path.rpartition("/")[2]), value if algorithm == "sha256" else None
        yield filename, url, sha256, requires_python


def _join(page: str, href: str) -> str:
    """The address of a file; credentials of the index hold for files on the same host, as with pip."""
    url = urljoin(page, href)
    index, file = urlsplit(page), urlsplit(url)
    if "@" in index.netloc and index.netloc.rpartition("@")[2] == file.netloc and index.scheme == file.scheme:
        return file._replace(netloc=index.netloc).geturl()
    return url


class _Anchors(HTMLParser):
    """The links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "a" and (href := named.get("href")):
            self.files.append((href, named.get("data-requires-python")))


def _is(filename: str, source: PypiSource) -> bool:
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return False
    return name == source.name and version == source.version


def _rank(filename: str, ranks: dict[Tag, int]) -> int:
    """Place of a wheel's best tag in this interpreter's order of preference."""
    return min(ranks.get(tag, len(ranks)) for tag in parse_wheel_filename(filename)[3])
