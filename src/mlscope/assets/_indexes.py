"""Which package indexes this user's pip and uv are told to use.

Read are the environment variables of both tools and pip's configuration files
(https://pip.pypa.io/en/stable/topics/configuration/), as far as they say where packages come from.
"""

from __future__ import annotations

import configparser
import dataclasses
import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import platformdirs

__all__ = ["PackageSources", "file_of", "find_links", "indexes", "package_sources"]

_PYPI = "https://pypi.org/simple"
_SECTIONS = ("install", "download", "global")


@dataclasses.dataclass(frozen=True, slots=True)
class PackageSources:
    """Where pip is told to take packages from: what another tool must be told to act likewise."""

    index: str | None
    """The main index; None: pip's default."""
    extra_indexes: tuple[str, ...]
    """Indexes beside it; pip takes the best version of all."""
    links: tuple[str, ...]
    """Folders and pages with wheels (``find-links``)."""
    constraints: tuple[str, ...]
    """Files of constraints."""
    no_index: bool
    """Whether only `links` count."""
    trusted_hosts: tuple[str, ...]
    """Hosts whose certificates are not checked."""
    certificate: str | None
    """File of certificates to check against."""


def package_sources() -> PackageSources:
    """What ``pip config list`` and the ``PIP_*`` variables say; the variables come first, as with pip."""
    return PackageSources(
        index=next(iter(_pip("index-url")), None),
        extra_indexes=tuple(_pip("extra-index-url")),
        links=tuple(_pip("find-links")),
        constraints=tuple(_pip("constraint")),
        no_index=_pip("no-index") in (["1"], ["true"], ["yes"], ["on"]),
        trusted_hosts=tuple(_pip("trusted-host")),
        certificate=next(iter(_pip("cert")), None),
    )


def indexes() -> list[str]:
    """Addresses of simple indexes: the main one first, then the extra ones; none where only folders count."""
    if package_sources().no_index:
        return []
    main = (
        _environment("PIP_INDEX_URL")
        or _environment("UV_DEFAULT_INDEX")
        or _environment("UV_INDEX_URL")
        or _configured("index-url")
        or [_PYPI]
    )
    extra = (
        _environment("PIP_EXTRA_INDEX_URL") + _environment("UV_INDEX") + _environment("UV_EXTRA_INDEX_URL")
    ) or _configured("extra-index-url")
    # uv allows `name=https://…`
    plain = [text.partition("=")[2] if "=" in text.partition(":")[0] else text for text in main[:1] + extra]
    return list(dict.fromkeys(text.rstrip("/") for text in plain))


def find_links() -> list[Path]:
    """Folders of this machine that hold wheels."""
    links = _environment("PIP_FIND_LINKS") + _environment("UV_FIND_LINKS") or _configured("find-links")
    folders = [file_of(link) or Path(link).expanduser() for link in links if not link.startswith("http")]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def file_of(url: str) -> Path | None:
    """The path that a ``file://`` address stands for; None for any other."""
    return Path(unquote(urlsplit(url).path)) if url.lower().startswith("file:") else None


def _pip(option: str) -> list[str]:
    """The words of one of pip's options."""
    return _environment(f"PIP_{option.upper().replace('-', '_')}") or _configured(option)


def _environment(name: str) -> list[str]:
    """The words of a variable; uv separates some of its lists by commas."""
    text = os.environ.get(name, "")
    return (text.replace(",", " ") if name.startswith("UV_") else text).split()


def _configured(option: str) -> list[str]:
    """The words of pip's option; a file that is read later and a more special section override."""
    found: list[str] = []
    for file in _files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # pip itself tells what is wrong with its files
        for section in _SECTIONS:
            if words := parser.get(section, option, fallback="").split():
                found = words
                break
    return found


def _files() -> list[Path]:
    """Pip's configuration files, the one that wins last."""
    chosen = os.environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    files = [
        *(folder / "pip" / "pip.conf" for folder in _site_folders()),
        Path("/etc/pip.conf"),
        Path.home() / ".pip" / "pip.conf",
        Path(platformdirs.user_config_dir("pip")) / "pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    return [*files, Path(chosen).expanduser()] if chosen else files


def _site_folders() -> list[Path]:
    folders = platformdirs.site_config_dir("pip", multipath=True).split(os.pathsep)
    return [Path(folder).parent for folder in folders]
