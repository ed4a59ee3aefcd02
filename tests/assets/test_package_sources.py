"""What pip is told of packages, and where the very same wheel can be had."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from packaging.tags import Tag
from packaging.version import Version

from mlscope.assets import Offered, PackageSources, locate_wheel, offered, package_sources, released_versions

NOTHING = PackageSources(None, (), (), (), False, (), None)
WHEEL = "toy-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A simple index in files; its packages' pages are written by the tests."""
    folder = tmp_path / "simple"
    (folder / "toy").mkdir(parents=True)
    monkeypatch.setenv("PIP_INDEX_URL", folder.as_uri())
    return folder


def test_without_settings_there_is_nothing() -> None:
    assert package_sources() == NOTHING


def test_files_and_variables_are_read_and_variables_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://a/simple\nextra-index-url =\n  https://b/simple\n  https://c/simple\n"
        "find-links = /wheels https://d/page\nconstraint = c.txt\nno-index = true\ntrusted-host = b\ncert = /x.pem\n"
        "[install]\nconstraint = special.txt\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    told = PackageSources(
        "https://a/simple",
        ("https://b/simple", "https://c/simple"),
        ("/wheels", "https://d/page"),
        ("special.txt",),
        True,
        ("b",),
        "/x.pem",
    )
    assert package_sources() == told
    monkeypatch.setenv("PIP_INDEX_URL", "https://e/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    assert (package_sources().index, package_sources().no_index) == ("https://e/simple", False)


def test_a_wheel_is_found_by_its_name_and_bytes(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = tmp_path / "links"
    links.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    sha256 = hashlib.sha256(b"wheel").hexdigest()
    assert locate_wheel(WHEEL, sha256, offline=False) is None
    page = index / "toy" / "index.html"
    page.write_text(f'<a href="https://files.example.org/{WHEEL}#sha256={sha256}">{WHEEL}</a>')
    assert locate_wheel(WHEEL, sha256, offline=False) == f"https://files.example.org/{WHEEL}"
    assert locate_wheel(WHEEL, "0" * 64, offline=False) is None
    (links / WHEEL).write_bytes(b"other bytes under the same name")
    assert locate_wheel(WHEEL, sha256, offline=False) == f"https://files.example.org/{WHEEL}"
    (links / WHEEL).write_bytes(b"wheel")
    assert locate_wheel(WHEEL, sha256, offline=True) == links / WHEEL


def test_versions_with_wheels_are_listed_oldest_first(index: Path) -> None:
    names = ["toy-1.10-py3-none-any.whl", "toy-1.9-py3-none-any.whl", "toy-2.0rc1-py3-none-any.whl", "toy-3.0.tar.gz"]
    (index / "toy" / "index.html").write_text("".join(f'<a href="{name}">{name}</a>' for name in names))
    assert released_versions("Toy") == [Version("1.9"), Version("1.10")]
    (index / "toy" / "index.html").write_text(f'<a href="{names[2]}">{names[2]}</a>')
    assert released_versions("toy") == [Version("2.0rc1")]
    assert released_versions("nowhere") == []


def test_what_is_offered_fits_this_python(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {
        "toy-1.9-py3-none-any.whl": "",
        "toy-2.0-py3-none-any.whl": 'data-requires-python="&gt;=3.12"',
        "toy-2.1-cp39-cp39-win_arm64.whl": "",
        "toy-2.2.tar.gz": "",
        "toy-1.8-py3-none-any.whl": 'data-requires-python="nonsense"',
        "toy-3.0rc1-py3-none-any.whl": "",
    }
    links = "".join(f'<a href="{name}" {more}>{name}</a>' for name, more in pages.items())
    (index / "toy" / "index.html").write_text(links)
    tags = frozenset({Tag("py3", "none", "any")})
    found = offered("Toy", "3.11.7", tags)
    assert found.versions == (Version("1.8"), Version("1.9"))
    assert (found.others, found.silent) == (3, None)
    assert offered("toy", "3.12.0", tags).versions[-1] == Version("2.0")
    assert offered("nowhere", "3.11.7", tags) == Offered((), 0, None)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://127.0.0.1:9/simple")
    unreachable = offered("toy", "3.11.7", tags)
    assert unreachable.versions == found.versions
    assert unreachable.silent is not None
    assert unreachable.silent.startswith("http://127.0.0.1:9/simple: ")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert offered("toy", "3.11.7", tags) == Offered((), 0, None)
