"""Sources: what they may say, files of this machine, and alternatives."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlscope.assets
from mlscope.assets import fetch
from mlscope.assets._sources import FileSource, HttpSource, PypiSource, parse_source, redact
from mlscope.errors import AssetError, ChecksumError, OfflineError
from tests.assets.conftest import Served, Server, cached_files

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


def test_the_public_names_are_these() -> None:
    assert mlscope.assets.__all__ == [
        "Fetched",
        "Offered",
        "PackageSources",
        "Progress",
        "SilentProgress",
        "fetch",
        "fetch_asset",
        "file_of",
        "find_links",
        "locate_wheel",
        "offered",
        "package_sources",
        "redact",
        "released_versions",
        "unpack",
    ]


@pytest.fixture
def local(tmp_path: Path) -> Path:
    file = tmp_path / "models" / "a b%.onnx"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    return file


def test_a_local_file_is_used_where_it_lies(home: Path, tmp_path: Path, local: Path) -> None:
    found = fetch("file:a b%.onnx", sha256=SHA256, base=local.parent, offline=True)
    assert found == mlscope.assets.Fetched(local, SHA256)
    assert fetch(f"file:{local}", sha256=None, base=tmp_path).path == local
    assert fetch(f"file://{str(local).replace('%', '%25')}", sha256=None, base=tmp_path).path == local
    assert list(home.iterdir()) == []


def test_a_local_file_must_have_the_promised_digest(home: Path, local: Path) -> None:
    with pytest.raises(ChecksumError) as caught:
        fetch("file:a b%.onnx", sha256="0" * 64, base=local.parent)
    assert "0" * 64 in str(caught.value)
    assert SHA256 in str(caught.value)
    assert str(local) in str(caught.value)
    with pytest.raises(ChecksumError, match="wrong md5"):
        fetch("file:a b%.onnx", sha256=None, md5="0" * 32, base=local.parent)


def test_md5_of_a_local_file_is_accepted_with_a_warning(home: Path, local: Path) -> None:
    said: list[str] = []
    fetch("file:a b%.onnx", sha256=None, md5=MD5, base=local.parent, warn=said.append)
    assert len(said) == 1
    assert "MD5" in said[0]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("file:none.onnx", "no such file"),
        ("file:models", "this is no file"),
        ("file:", "names no path"),
        ("file://elsewhere/x", "another machine"),
        ("model.onnx", "no source of a file; write file:PATH"),
        ("s3://store.carml.org/net", "no source of a file"),
        ("https:///net", "address cannot be read"),
        ("https://[::1/net", "address cannot be read"),
        ("pypi:tensorflow", "incomplete"),
        ("pypi:tensorflow==1.0#", "incomplete"),
        ("pypi:tensorflow==new#a", "'new' is no version"),
        ("", "no source of a file"),
    ],
)
def test_a_source_that_cannot_be_is_one_clear_error(
    home: Path, tmp_path: Path, local: Path, source: str, message: str
) -> None:
    with pytest.raises(AssetError, match=message):
        fetch(source, sha256=SHA256, base=tmp_path)


@pytest.mark.parametrize(("sha256", "md5"), [("abc", None), (None, "xyz"), ("g" * 64, None)])
def test_a_digest_that_is_none_is_told(tmp_path: Path, sha256: str | None, md5: str | None) -> None:
    with pytest.raises(AssetError, match="hexadecimal digits"):
        fetch("file:x", sha256=sha256, md5=md5, base=tmp_path)


def test_alternatives_are_tried_in_order(home: Path, tmp_path: Path, local: Path, server: Server) -> None:
    url = server.add("/net", Served(CONTENT))
    assert fetch(["file:none", url], sha256=SHA256, base=tmp_path).path.is_relative_to(home)
    assert fetch([f"file:{local}", url], sha256=SHA256, base=tmp_path).path == local
    assert len(server.asked) == 1


def test_an_alternative_with_the_wrong_bytes_is_told_and_passed_over(
    home: Path, tmp_path: Path, server: Server
) -> None:
    bad, good = server.add("/bad", Served(b"other")), server.add("/good", Served(CONTENT))
    said: list[str] = []
    assert fetch([bad, good], sha256=SHA256, base=tmp_path, warn=said.append).sha256 == SHA256
    assert len(said) == 1
    assert "wrong sha256" in said[0]
    assert [path.read_bytes() for path in cached_files(home)] == [CONTENT]


def test_when_all_alternatives_fail_the_error_tells_why_each_did(home: Path, tmp_path: Path, server: Server) -> None:
    bad = server.add("/bad", Served(b"other"))
    with pytest.raises(AssetError) as caught:
        fetch(["file:none", bad, server.url("/gone")], sha256=SHA256, base=tmp_path)
    text = str(caught.value)
    assert "none of the 3 sources" in text
    assert "no such file" in text
    assert "wrong sha256" in text
    assert "404" in text
    assert "\n" not in text


def test_the_kind_of_the_error_is_kept_where_all_fail_alike(home: Path, tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match="none of the 2"):
        fetch(["https://a.test/x", "https://b.test/x"], sha256=SHA256, base=tmp_path, offline=True)
    with pytest.raises(AssetError, match="no source is given"):
        fetch([], sha256=SHA256, base=tmp_path)


@given(st.one_of(st.text(), st.from_regex(r"(file|https?|pypi):.{0,40}", fullmatch=True)))
def test_any_text_is_a_source_or_a_clear_error(text: str) -> None:
    with suppress(AssetError):  # and nothing else may be raised
        assert isinstance(parse_source(text, Path("/base")), FileSource | HttpSource | PypiSource)


WORD = st.text("abcdefghij0123456789._~-", min_size=1)


@given(user=WORD, password=st.text("xyz@:!$&", min_size=1), path=WORD)
def test_a_password_never_shows(user: str, password: str, path: str) -> None:
    shown = redact(f"https://{user}:{password}geheim@host/{path}?token=geheim#x")
    assert "geheim" not in shown
    assert shown.startswith(f"https://host/{path}?")
