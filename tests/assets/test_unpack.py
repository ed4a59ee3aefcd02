"""Unpacking: what is chosen comes out whole, below the folder, and nothing else does."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlscope.assets import unpack
from mlscope.errors import AssetError
from tests.assets.test_archives import FILES, MAKERS, make_tar, make_zip


def below_net(member: str) -> str | None:
    return member.removeprefix("net/") if member.startswith("net/") else None


def unpacked(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("kind", MAKERS)
def test_the_chosen_members_come_out_of_every_kind_of_archive(tmp_path: Path, out: Path, kind: str) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(MAKERS[kind]())
    found = unpack(archive, below_net, out, shown="it")
    assert found == [("net/graph.pb", "graph.pb"), ("net/labels.txt", "labels.txt")]
    assert unpacked(out) == {name.removeprefix("net/"): content for name, content in FILES.items()}


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\\b", "a\nb"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, out: Path, name: str) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(make_tar({name: b"x"}))
    with pytest.raises(AssetError, match="cannot be the name of a file"):
        unpack(archive, lambda member: member, out, shown="it")
    assert not list(tmp_path.rglob("evil"))


def test_links_are_refused_where_they_are_chosen(tmp_path: Path, out: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as package:
        link = tarfile.TarInfo("net/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        package.addfile(link)
    archive = tmp_path / "archive"
    archive.write_bytes(packed.getvalue())
    assert unpack(archive, lambda member: None, out, shown="it") == []
    with pytest.raises(AssetError, match="no regular file"):
        unpack(archive, below_net, out, shown="it")


def test_two_files_with_one_name_are_refused(tmp_path: Path, out: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(make_zip({"a/x": b"1", "b/x": b"2"}))
    with pytest.raises(AssetError, match="two files would be named 'x'"):
        unpack(archive, lambda member: "x", out, shown="it")


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path: Path, out: Path) -> None:
    archive = tmp_path / "archive"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as package:
        for number in range(10):
            package.writestr(f"{number}", bytes(10 << 20))
    with pytest.raises(AssetError, match="far more than its own size"):
        unpack(archive, lambda member: member, out, shown="it")
    assert sum(len(content) for content in unpacked(out).values()) <= 64 << 20


@pytest.mark.parametrize("content", [b"", b"no archive", make_zip(FILES)[:-30]])
def test_what_is_no_archive_is_one_clear_error(tmp_path: Path, out: Path, content: bytes) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(content)
    with pytest.raises(AssetError, match="it: "):
        unpack(archive, below_net, out, shown="it")
