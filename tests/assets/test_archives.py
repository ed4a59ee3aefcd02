"""Archives: the one file that was asked for comes out, and nothing else ever does."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from mlscope.assets import fetch
from mlscope.errors import AssetError, ChecksumError, OfflineError, ResourceError
from tests.assets.conftest import Served, Server, cached_files

GRAPH = random.Random(2).randbytes(50_000)
LABELS = b"cat\ndog\n"
FILES = {"net/graph.pb": GRAPH, "net/labels.txt": LABELS}
SHA256 = hashlib.sha256(GRAPH).hexdigest()
MD5 = hashlib.md5(GRAPH).hexdigest()


def make_zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            package.writestr(name, content)
    return packed.getvalue()


def make_tar(files: dict[str, bytes], compression: str = "", prefix: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{compression}") as package:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(content)
            package.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def make_tar_zst(files: dict[str, bytes]) -> bytes:
    return bytes(pa.Codec("zstd").compress(make_tar(files), asbytes=True))


MAKERS: dict[str, Callable[[], bytes]] = {
    "zip": lambda: make_zip(FILES),
    "tar": lambda: make_tar(FILES),
    "tar.gz": lambda: make_tar(FILES, "gz"),
    "tar.bz2": lambda: make_tar(FILES, "bz2"),
    "tar.xz": lambda: make_tar(FILES, "xz", prefix="./"),
    "tar.zst": lambda: make_tar_zst(FILES),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_member_comes_out_of_every_kind_of_archive(home: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "archive").write_bytes(MAKERS[kind]())
    for name, content in FILES.items():
        sha256 = hashlib.sha256(content).hexdigest()
        found = fetch("file:archive", sha256=sha256, member=name, base=tmp_path)
        assert found.path.read_bytes() == content
        assert found.path.name == name.rpartition("/")[2]
        assert found.sha256 == sha256
    assert sorted(path.name for path in cached_files(home)) == ["graph.pb", "labels.txt"]


@pytest.mark.parametrize("kind", MAKERS)
def test_an_archive_that_was_cut_is_told(home: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "archive").write_bytes(MAKERS[kind]()[:30_000])
    with pytest.raises(AssetError):
        fetch("file:archive", sha256=SHA256, member="net/graph.pb", base=tmp_path)
    assert cached_files(home) == []


def test_what_is_no_archive_is_told(home: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(GRAPH)
    with pytest.raises(AssetError, match="no zip or tar archive"):
        fetch("file:archive", sha256=SHA256, member="net/graph.pb", base=tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_member_that_is_not_there_is_told_with_a_suggestion(home: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "archive").write_bytes(MAKERS[kind]())
    with pytest.raises(AssetError, match=r"no member 'graph.pb'; did you mean 'net/graph.pb'\?"):
        fetch("file:archive", sha256=SHA256, member="graph.pb", base=tmp_path)
    with pytest.raises(AssetError, match=r"did you mean 'net/labels\.txt'"):
        fetch("file:archive", sha256=SHA256, member="net/label.txt", base=tmp_path)


@pytest.mark.parametrize("member", ["/etc/passwd", "../graph.pb", "net/../../graph.pb", "./"])
def test_a_member_outside_of_the_archive_is_refused(home: Path, tmp_path: Path, member: str) -> None:
    (tmp_path / "archive").write_bytes(make_tar({member: GRAPH}))
    with pytest.raises(AssetError, match="cannot be a path inside an archive"):
        fetch("file:archive", sha256=SHA256, member=member, base=tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_links_devices_and_folders_are_refused(home: Path, tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "archive", "w") as package:
        info = tarfile.TarInfo("graph.pb")
        info.type, info.linkname = kind, "/etc/passwd"
        package.addfile(info)
    with pytest.raises(AssetError, match="no regular file"):
        fetch("file:archive", sha256=None, member="graph.pb", base=tmp_path)


def test_a_link_in_a_zip_is_refused(home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as package:
        info = zipfile.ZipInfo("graph.pb")
        info.external_attr = 0o120777 << 16
        package.writestr(info, "/etc/passwd")
    with pytest.raises(AssetError, match="no regular file"):
        fetch("file:archive", sha256=None, member="graph.pb", base=tmp_path)


def test_an_encrypted_zip_is_told(home: Path, tmp_path: Path) -> None:
    packed = bytearray(make_zip({"graph.pb": GRAPH}))
    packed[6] |= 1  # the flag in the local header
    packed[packed.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    (tmp_path / "archive").write_bytes(packed)
    with pytest.raises(AssetError, match="encrypted"):
        fetch("file:archive", sha256=None, member="graph.pb", base=tmp_path)


def test_what_was_made_to_fill_the_disk_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(make_zip({"graph.pb": bytes(100 << 20)}))
    with pytest.raises(AssetError, match="unpacks to more than"):
        fetch("file:archive", sha256=None, member="graph.pb", base=tmp_path)
    assert cached_files(home) == []


def test_the_digest_is_the_members_and_a_wrong_one_is_not_kept(home: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(MAKERS["tar.gz"]())
    with pytest.raises(ChecksumError, match=SHA256):
        fetch("file:archive", sha256="0" * 64, member="net/graph.pb", base=tmp_path)
    with pytest.raises(ChecksumError, match=MD5):
        fetch("file:archive", sha256=None, md5="0" * 32, member="net/graph.pb", base=tmp_path)
    assert cached_files(home) == []


def test_two_members_cost_one_download(home: Path, server: Server) -> None:
    url = server.add("/net.tgz", Served(MAKERS["tar.gz"]()))
    said: list[str] = []
    graph = fetch(url, sha256=None, md5=MD5, member="net/graph.pb", base=Path(), warn=said.append)
    labels = fetch(url, sha256=None, member="net/labels.txt", base=Path(), offline=True)
    assert graph.path.read_bytes() == GRAPH
    assert labels.path.read_bytes() == LABELS
    assert len(server.asked) == 1
    assert any(SHA256 in text for text in said)


def test_a_member_is_unpacked_once(home: Path, server: Server) -> None:
    url = server.add("/net.tgz", Served(MAKERS["tar.gz"]()))
    first = fetch(url, sha256=None, member="net/graph.pb", base=Path())
    inode = first.path.stat().st_ino
    assert fetch(url, sha256=None, member="net/graph.pb", base=Path()) == first
    assert first.path.stat().st_ino == inode


def test_a_newer_archive_is_fetched_where_the_manifest_promises_a_newer_member(home: Path, server: Server) -> None:
    url = server.add("/net.tgz", Served(make_tar({"net/graph.pb": b"old"}, "gz")))
    fetch(url, sha256=None, member="net/graph.pb", base=Path())
    with pytest.raises(ChecksumError):
        fetch(url, sha256=SHA256, member="net/graph.pb", base=Path(), offline=True)
    server.add("/net.tgz", Served(MAKERS["tar.gz"]()))
    assert fetch(url, sha256=SHA256, member="net/graph.pb", base=Path()).path.read_bytes() == GRAPH
    with pytest.raises(ChecksumError):
        fetch(url, sha256="0" * 64, member="net/graph.pb", base=Path())
    assert len(server.asked) == 3


def test_a_known_member_needs_no_archive(home: Path, tmp_path: Path, server: Server) -> None:
    (tmp_path / "archive").write_bytes(MAKERS["zip"]())
    fetch("file:archive", sha256=SHA256, member="net/graph.pb", base=tmp_path)
    found = fetch(server.url("/gone"), sha256=SHA256, member="graph.pb", base=tmp_path, offline=True)
    assert found.path.read_bytes() == GRAPH
    with pytest.raises(OfflineError):
        fetch(server.url("/gone"), sha256=None, member="graph.pb", base=tmp_path, offline=True)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSCOPE_HOME", "/sys/mlscope")
    (tmp_path / "archive").write_bytes(MAKERS["zip"]())
    with pytest.raises(ResourceError):
        fetch("file:archive", sha256=SHA256, member="net/graph.pb", base=tmp_path)
