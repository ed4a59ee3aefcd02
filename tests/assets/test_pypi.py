"""``pypi:`` sources, against an index that each test serves itself."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import zipfile
from pathlib import Path

import httpx
import pytest

from mlscope.assets import fetch
from mlscope.errors import AssetError, ChecksumError, OfflineError
from tests.assets.conftest import Served, Server, cached_files

MODEL = random.Random(3).randbytes(20_000)
SHA256 = hashlib.sha256(MODEL).hexdigest()
SOURCE = "pypi:My.Models==1.0#my_models/net.onnx"
WHEEL = "my_models-1.0-py3-none-any.whl"
JSON = "application/vnd.pypi.simple.v1+json"
VARIABLES = ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX_URL"]
VARIABLES += ["UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"]


@pytest.fixture(autouse=True)
def _no_index_but_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def make_wheel(model: bytes = MODEL) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as package:
        package.writestr("my_models/net.onnx", model)
        package.writestr("my_models-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: my-models\nVersion: 1.0\n")
    return packed.getvalue()


def serve(server: Server, wheels: dict[str, bytes], sha256: str | None = None) -> str:
    """Put wheels and their JSON page on the server; the index's address."""
    files = []
    for name, content in wheels.items():
        server.add(f"/files/{name}", Served(content))
        digest = sha256 or hashlib.sha256(content).hexdigest()
        files.append({"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": digest}})
    files.append({"filename": "my_models-1.0.tar.gz", "url": "../../files/x", "hashes": {}})
    files.append({"filename": "odd.whl", "url": "../../files/odd.whl", "hashes": {}})
    page = json.dumps({"meta": {"api-version": "1.0"}, "name": "my-models", "files": files})
    server.add("/simple/my-models/", Served(page.encode(), content_type=JSON))
    return server.url("/simple")


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_a_file_comes_out_of_a_wheel_of_the_index(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, serve(server, {WHEEL: make_wheel()}) + "/")
    found = fetch(SOURCE, sha256=SHA256, base=Path())
    assert found.path.read_bytes() == MODEL
    assert found.path.name == "net.onnx"
    assert [asked.path for asked in server.asked] == ["/simple/my-models/", f"/files/{WHEEL}"]
    assert JSON in server.asked[0].headers["accept"]


def test_a_wheel_is_downloaded_once_and_serves_offline(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", serve(server, {WHEEL: make_wheel()}))
    fetch(SOURCE, sha256=SHA256, base=Path())
    other = SOURCE.replace("my_models/net.onnx", "my_models-1.0.dist-info/METADATA")
    assert b"my-models" in fetch(other, sha256=None, base=Path(), offline=True).path.read_bytes()
    assert len(server.asked) == 2


def test_a_wheel_itself_is_fetched_where_no_file_in_it_is_named(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel()
    monkeypatch.setenv("PIP_INDEX_URL", serve(server, {WHEEL: wheel}))
    source, sha256 = SOURCE.partition("#")[0], hashlib.sha256(wheel).hexdigest()
    assert fetch(source, sha256=sha256, base=Path()).path.read_bytes() == wheel
    assert fetch(source, sha256=sha256, base=Path(), offline=True).sha256 == sha256
    with pytest.raises(ChecksumError):
        fetch(source, sha256=SHA256, base=Path())


def test_the_wheel_must_be_the_one_that_the_index_promises(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", serve(server, {WHEEL: make_wheel()}, sha256="0" * 64))
    with pytest.raises(ChecksumError, match=rf"{WHEEL}: wrong sha256: expected {'0' * 64}"):
        fetch(SOURCE, sha256=SHA256, base=Path())
    assert cached_files(home) == []


def test_the_file_must_be_the_one_that_the_manifest_promises(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", serve(server, {WHEEL: make_wheel(b"other")}))
    with pytest.raises(ChecksumError, match=SHA256):
        fetch(SOURCE, sha256=SHA256, base=Path())
    assert b"other" not in [path.read_bytes() for path in cached_files(home)]


def test_the_wheel_that_suits_this_machine_is_taken(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from packaging.tags import sys_tags

    own = f"my_models-1.0-{next(iter(sys_tags()))}.whl"
    foreign = "my_models-1.0-cp39-cp39-win_arm64.whl"
    wheels = {foreign: make_wheel(b"foreign"), WHEEL: make_wheel(b"any"), own: make_wheel(b"own")}
    wheels["my_models-1.1-py3-none-any.whl"] = make_wheel(b"newer")
    monkeypatch.setenv("PIP_INDEX_URL", serve(server, wheels))
    assert fetch(SOURCE, sha256=None, base=Path()).path.read_bytes() == b"own"


@pytest.mark.parametrize("other", [WHEEL, "my_models-1.0-cp39-cp39-win_arm64.whl"])
def test_a_pure_wheel_is_taken_and_else_any(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    wheels = {"my_models-1.0-cp39-cp39-win_zzz.whl": make_wheel(b"foreign"), other: make_wheel()}
    monkeypatch.setenv("PIP_INDEX_URL", serve(server, wheels))
    assert fetch(SOURCE, sha256=SHA256, base=Path()).path.read_bytes() == MODEL


def test_an_index_that_speaks_html_is_understood(home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel()
    digest = hashlib.sha256(wheel).hexdigest()
    server.add("/files/" + WHEEL, Served(wheel))
    page = f"<html><a name=x>no link</a><a href='../../files/{WHEEL}#sha256={digest}'>{WHEEL}</a>"
    server.add("/simple/my-models/", Served(page.encode(), content_type="text/html; charset=utf-8"))
    monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
    assert fetch(SOURCE, sha256=SHA256, base=Path()).path.read_bytes() == MODEL


def test_folders_of_wheels_and_indexes_on_this_machine_need_no_network(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / WHEEL).write_bytes(make_wheel())
    page = tmp_path / "simple" / "my-models" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f"<a href='../../wheels/{WHEEL}'>{WHEEL}</a>")
    for variable, value in [
        ("PIP_FIND_LINKS", f"/none {tmp_path / 'wheels'}"),
        ("PIP_FIND_LINKS", (tmp_path / "wheels").as_uri()),
        ("PIP_EXTRA_INDEX_URL", (tmp_path / "simple").as_uri()),
        ("UV_INDEX", f"mine={(tmp_path / 'simple').as_uri()}"),
    ]:
        with monkeypatch.context() as patch:
            patch.setenv("MLSCOPE_HOME", str(home / variable))
            patch.setenv("PIP_INDEX_URL", (tmp_path / "empty").as_uri())
            patch.setenv(variable, value)
            assert fetch(SOURCE, sha256=SHA256, base=Path(), offline=True).path.read_bytes() == MODEL


def test_pips_configuration_file_is_honoured(
    home: Path, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nindex-url = {serve(server, {WHEEL: make_wheel()})}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert fetch(SOURCE, sha256=SHA256, base=Path()).path.read_bytes() == MODEL


def test_credentials_of_the_index_are_used_for_its_files_and_never_shown(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = serve(server, {WHEEL: make_wheel()}, sha256="0" * 64)
    monkeypatch.setenv("PIP_INDEX_URL", index.replace("http://", "http://user:geheim@"))
    with pytest.raises(ChecksumError) as caught:
        fetch(SOURCE, sha256=SHA256, base=Path())
    assert "geheim" not in str(caught.value)
    assert all(asked.headers["authorization"].startswith("Basic ") for asked in server.asked)
    with pytest.raises(AssetError) as missing:
        fetch("pypi:none==1.0#x", sha256=SHA256, base=Path())
    assert "geheim" not in str(missing.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("pypi:my-models==9.9#x", r"no wheel of my-models 9\.9 .*no wheel of this version"),
        ("pypi:others==1.0#x", r"404 Not Found"),
        ("pypi:my-models==1.0#my_models/nett.onnx", r"did you mean 'my_models/net\.onnx'"),
        ("pypi:broken==1.0#x", "does not speak PEP 691"),
    ],
)
def test_what_the_index_does_not_have_is_one_clear_error(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", serve(server, {WHEEL: make_wheel()}))
    server.add("/simple/broken/", Served(b'{"files": 3}', content_type=JSON))
    with pytest.raises(AssetError, match=message):
        fetch(source, sha256=SHA256, base=Path())


def test_offline_asks_no_index(home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", serve(server, {WHEEL: make_wheel()}))
    with pytest.raises(OfflineError):
        fetch(SOURCE, sha256=SHA256, base=Path(), offline=True)
    assert server.asked == []


@pytest.mark.slow
def test_a_file_comes_out_of_a_wheel_of_the_real_index(home: Path) -> None:
    try:
        httpx.get("https://pypi.org/simple/six/", timeout=5)
    except httpx.RequestError as error:
        pytest.skip(f"PyPI cannot be reached: {error}")
    found = fetch(
        "pypi:six==1.16.0#six.py",
        sha256=None,
        base=Path(),
    )
    assert b"Benjamin Peterson" in found.path.read_bytes()
