"""Downloads: what arrives, what is kept, what is asked again."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlscope.assets import fetch
from mlscope.errors import AssetError, ChecksumError, OfflineError, ResourceError
from tests.assets.conftest import Heard, Served, Server, cached_files

CONTENT = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
HERE = Path()

FETCH = """
import sys
from pathlib import Path
from mlscope.assets import fetch
url, sha256 = sys.argv[1:]
found = fetch(url, sha256=sha256 or None, base=Path())
print(found.path, found.sha256)
"""


def in_a_process(url: str, sha256: str = SHA256) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url, sha256],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_file_is_downloaded_once_and_then_comes_from_the_cache(home: Path, server: Server) -> None:
    url = server.add("/net.onnx", Served(CONTENT))
    first = fetch(url, sha256=SHA256, base=HERE)
    second = fetch(url, sha256=SHA256.upper(), base=HERE)
    assert first == second
    assert first.sha256 == SHA256
    assert first.path.read_bytes() == CONTENT
    assert first.path.suffix == ".onnx"
    assert first.path.is_relative_to(home / "cache" / "assets")
    assert len(server.asked) == 1


def test_progress_counts_the_bytes_from_start_to_finish(home: Path, server: Server, heard: Heard) -> None:
    url = server.add("/net.onnx", Served(CONTENT))
    fetch(url, sha256=SHA256, base=HERE, progress=heard)
    assert heard.events[0] == ("start", ("net.onnx", len(CONTENT)))
    assert heard.events[-1] == ("finish", None)
    assert heard.done() == sorted(heard.done())
    assert heard.done()[-1] == len(CONTENT)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_wrong_checksum_never_reaches_the_cache(home: Path, server: Server, algorithm: str) -> None:
    url = server.add("/net.onnx", Served(CONTENT))
    expected = hashlib.new(algorithm, b"other").hexdigest()
    sha256, md5 = (expected, None) if algorithm == "sha256" else (None, expected)
    with pytest.raises(ChecksumError) as caught:
        fetch(url, sha256=sha256, md5=md5, base=HERE)
    assert expected in str(caught.value)
    assert hashlib.new(algorithm, CONTENT).hexdigest() in str(caught.value)
    assert url in str(caught.value)
    assert cached_files(home) == []
    with pytest.raises(OfflineError):
        fetch(url, sha256=sha256, md5=md5, base=HERE, offline=True)


def test_md5_is_accepted_with_a_warning_that_tells_the_sha256(home: Path, server: Server) -> None:
    url = server.add("/net.onnx", Served(CONTENT))
    said: list[str] = []
    found = fetch(url, sha256=None, md5=MD5, base=HERE, warn=said.append)
    assert found.sha256 == SHA256
    assert len(said) == 1
    assert "MD5" in said[0]
    assert SHA256 in said[0]
    assert fetch(url, sha256=None, md5=MD5, base=HERE, offline=True) == found
    assert len(server.asked) == 1


def test_without_any_checksum_the_source_is_remembered_and_the_user_told(home: Path, server: Server) -> None:
    url = server.add("/net.onnx", Served(CONTENT))
    said: list[str] = []
    found = fetch(url, sha256=None, md5="", base=HERE, warn=said.append)
    assert any("without encryption and without a checksum" in text for text in said)
    assert any(f"no checksum; the file's sha256 is {SHA256}" in text for text in said)
    assert fetch(url, sha256=None, base=HERE, offline=True) == found


def test_a_new_md5_in_the_manifest_fetches_the_new_file(home: Path, server: Server) -> None:
    url = server.add("/net.onnx", Served(b"old"))
    fetch(url, sha256=None, base=HERE)
    server.add("/net.onnx", Served(CONTENT))
    assert fetch(url, sha256=None, md5=MD5, base=HERE).path.read_bytes() == CONTENT


def test_the_same_bytes_can_be_had_under_another_suffix(home: Path, server: Server) -> None:
    fetch(server.add("/a.bin", Served(CONTENT)), sha256=SHA256, base=HERE)
    found = fetch(server.add("/b.onnx", Served(CONTENT)), sha256=SHA256, base=HERE)
    assert found.path.name == "b.onnx"
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["/..%2f..%2fevil", "/.hidden", "/", "/a%20b%00c?x=/../y"])
def test_an_odd_name_stays_inside_the_cache(home: Path, server: Server, name: str) -> None:
    server.add(name.partition("?")[0], Served(CONTENT))
    found = fetch(server.url(name), sha256=SHA256, base=HERE)
    assert found.path.resolve().is_relative_to(home / "cache" / "assets" / "objects")
    assert found.path.read_bytes() == CONTENT


def test_a_missing_file_is_asked_for_once(home: Path, server: Server) -> None:
    with pytest.raises(AssetError, match="404 Not Found"):
        fetch(server.url("/none"), sha256=SHA256, base=HERE)
    assert len(server.asked) == 1


@pytest.mark.usefixtures("quick")
def test_a_server_that_is_busy_for_a_while_is_asked_again(home: Path, server: Server) -> None:
    url = server.add("/net", Served(CONTENT, fail_with=[503, 429]))
    assert fetch(url, sha256=SHA256, base=HERE).path.read_bytes() == CONTENT
    assert len(server.asked) == 3


@pytest.mark.usefixtures("quick")
def test_a_server_that_stays_busy_is_given_up(home: Path, server: Server) -> None:
    url = server.add("/net", Served(CONTENT, fail_with=[503] * 20))
    with pytest.raises(AssetError, match=r"503 .*tried 4 times"):
        fetch(url, sha256=SHA256, base=HERE)
    assert len(server.asked) == 4


@pytest.mark.usefixtures("quick")
def test_nobody_at_the_address_is_one_clear_error(home: Path, server: Server) -> None:
    url = server.url("/net")
    server.http.socket.close()
    with pytest.raises(AssetError, match="tried 4 times"):
        fetch(url, sha256=SHA256, base=HERE)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "served",
    [
        Served(CONTENT, etag='"v1"'),
        Served(CONTENT, modified="Wed, 21 Oct 2015 07:28:00 GMT"),
        Served(CONTENT, etag='W/"weak"'),
        Served(CONTENT),
    ],
    ids=["etag", "date", "weak etag", "length"],
)
def test_a_broken_download_goes_on_where_it_broke(home: Path, server: Server, heard: Heard, served: Served) -> None:
    served.cut_after = [100_000, 50_000]
    url = server.add("/net", served)
    assert fetch(url, sha256=SHA256, base=HERE, progress=heard).path.read_bytes() == CONTENT
    assert server.ranges() == [None, "bytes=100000-", "bytes=150000-"]
    validator = served.modified or (served.etag if served.etag == '"v1"' else None)
    assert server.asked[1].headers.get("if-range") == validator
    assert heard.done() == sorted(heard.done())
    assert [kind for kind, _ in heard.events if kind != "advance"] == ["start", "finish"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "served",
    [Served(CONTENT, ranges=False), Served(CONTENT, tell_length=False), Served(CONTENT, gzipped=True)],
    ids=["no ranges", "no length", "compressed"],
)
def test_a_server_that_cannot_resume_is_asked_for_all(home: Path, server: Server, served: Served) -> None:
    served.cut_after = [] if not served.tell_length else [1000]
    url = server.add("/net", served)
    assert fetch(url, sha256=SHA256, base=HERE).path.read_bytes() == CONTENT


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("etags", [('"v1"', '"v2"'), (None, None)], ids=["by etag", "by length"])
def test_a_file_that_changed_meanwhile_is_not_mixed(
    home: Path, server: Server, etags: tuple[str | None, str | None]
) -> None:
    old = Served(bytes(400_000), etag=etags[0], cut_after=[1000] * 10)
    url = server.add("/net", old)
    with pytest.raises(AssetError, match="broke"):
        fetch(url, sha256=None, base=HERE)
    server.add("/net", Served(CONTENT, etag=etags[1]))
    assert fetch(url, sha256=None, base=HERE).sha256 == SHA256


@pytest.mark.usefixtures("quick")
def test_bytes_of_another_file_of_the_same_length_are_found_out(home: Path, server: Server) -> None:
    url = server.add("/net", Served(bytes(len(CONTENT)), cut_after=[1000] * 10))
    with pytest.raises(AssetError, match="broke"):
        fetch(url, sha256=SHA256, base=HERE)
    server.add("/net", Served(CONTENT))
    assert fetch(url, sha256=SHA256, base=HERE).path.read_bytes() == CONTENT
    assert server.ranges()[-2:] == ["bytes=4000-", None]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_is_resumed_by_the_next(home: Path, server: Server, sign: signal.Signals) -> None:
    url = server.add("/net", Served(CONTENT, etag='"v1"', pause_s=0.1))
    process = in_a_process(url)
    deadline = time.monotonic() + 60
    while sum(path.stat().st_size for path in cached_files(home)) < 50_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(sign)
    process.communicate()
    assert [path.suffix for path in sorted(cached_files(home))] == [".json", ".part"]
    server.files["/net"].pause_s = 0
    assert fetch(url, sha256=SHA256, base=HERE).path.read_bytes() == CONTENT
    resumed_at = int((server.ranges()[1] or "").removeprefix("bytes=").removesuffix("-"))
    assert 30_000 < resumed_at < len(CONTENT)
    assert [path.name for path in cached_files(home)] == ["net"]


@pytest.mark.parametrize("sha256", [SHA256, ""], ids=["promised", "unknown"])
def test_processes_that_want_the_same_file_share_one_download(home: Path, server: Server, sha256: str) -> None:
    url = server.add("/net", Served(CONTENT, pause_s=0.05))
    processes = [in_a_process(url, sha256) for _ in range(3)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], answers
    assert len({out for out, _ in answers}) == 1
    assert SHA256 in answers[0][0]
    assert len(server.asked) == 1


def test_who_waits_for_another_process_says_so(home: Path, server: Server) -> None:
    url = server.add("/net", Served(CONTENT, pause_s=0.1))
    process = in_a_process(url)
    while not server.asked:
        time.sleep(0.01)
    said: list[str] = []
    fetch(url, sha256=SHA256, base=HERE, warn=said.append)
    process.communicate()
    assert said == ["another process is fetching net; waiting for it"]
    assert len(server.asked) == 1


def test_offline_uses_the_cache_and_nothing_else(home: Path, server: Server) -> None:
    url = server.add("/net", Served(CONTENT))
    with pytest.raises(OfflineError, match="not in the cache"):
        fetch(url, sha256=SHA256, base=HERE, offline=True)
    assert server.asked == []
    found = fetch(url, sha256=SHA256, base=HERE)
    assert fetch(url, sha256=SHA256, base=HERE, offline=True) == found


def test_a_damaged_cached_copy_is_found_out_and_fetched_anew(home: Path, server: Server) -> None:
    url = server.add("/net", Served(CONTENT))
    damaged = fetch(url, sha256=SHA256, base=HERE).path
    damaged.chmod(0o644)
    damaged.write_bytes(CONTENT[:-1] + b"?")
    said: list[str] = []
    assert fetch(url, sha256=SHA256, base=HERE, warn=said.append).path.read_bytes() == CONTENT
    assert said == [f"{damaged}: the cached copy was damaged and is dropped"]
    damaged.chmod(0o644)
    damaged.write_bytes(b"")
    with pytest.raises(OfflineError):
        fetch(url, sha256=SHA256, base=HERE, offline=True)


@pytest.mark.usefixtures("quick")
def test_a_full_disk_is_told_and_nothing_false_is_kept(home: Path, server: Server) -> None:
    url = server.add("/net", Served(CONTENT, cut_after=[1000] * 10))
    with pytest.raises(AssetError, match="broke"):
        fetch(url, sha256=SHA256, base=HERE)
    part = next(path for path in cached_files(home) if path.suffix == ".part")
    for path in cached_files(home):
        path.unlink()
    server.files["/net"].cut_after = []

    class FillTheDisk(Heard):
        """Puts the kernel's own full disk where the download grows, once it has begun."""

        def start(self, name: str, total: int | None) -> None:
            part.symlink_to("/dev/full")

    with pytest.raises(ResourceError, match="no space left"):
        fetch(url, sha256=SHA256, base=HERE, progress=FillTheDisk())
    part.unlink()
    assert fetch(url, sha256=SHA256, base=HERE).path.read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    # The kernel lets nobody, not even root, make a folder there.
    monkeypatch.setenv("MLSCOPE_HOME", "/sys/mlscope")
    with pytest.raises(ResourceError, match="MLSCOPE_HOME"):
        fetch(server.add("/net", Served(CONTENT)), sha256=SHA256, base=HERE)


def test_what_is_cached_is_served_without_writing_anything(home: Path, server: Server) -> None:
    url = server.add("/net", Served(CONTENT))
    found = fetch(url, sha256=SHA256, base=HERE)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    assert fetch(url, sha256=SHA256, base=HERE) == found
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_secrets_of_an_address_are_used_and_never_shown(home: Path, server: Server) -> None:
    server.add("/net", Served(CONTENT))
    url = f"http://user:geheim@{server.host}/net?sig=geheim"
    said: list[str] = []
    with pytest.raises(ChecksumError) as caught:
        fetch(url, sha256="0" * 64, base=HERE, warn=said.append)
    fetch(url, sha256=None, base=HERE, warn=said.append)
    with pytest.raises(AssetError) as missing:
        fetch(url.replace("/net", "/none"), sha256="0" * 64, base=HERE)
    assert server.asked[0].headers["authorization"].startswith("Basic ")
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    shown = "".join([*said, str(caught.value), str(missing.value)])
    assert "geheim" not in shown
    assert b"geheim" not in kept.replace(CONTENT, b"")


def test_a_redirect_is_followed(home: Path, server: Server) -> None:
    server.add("/there", Served(CONTENT))
    url = server.add("/here.onnx", Served(b"", redirect="/there"))
    assert fetch(url, sha256=SHA256, base=HERE).path.name == "here.onnx"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("target", ["/here", "ftp://127.0.0.1/x", "http://[bad"])
def test_a_redirect_that_leads_nowhere_is_one_clear_error(home: Path, server: Server, target: str) -> None:
    url = server.add("/here", Served(b"", redirect=target))
    with pytest.raises(AssetError):
        fetch(url, sha256=SHA256, base=HERE)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 with its key in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make a certificate with")
    key, file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    command += " -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", key, "-out", file], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file


@pytest.fixture
def secure(server: Server, certificate: Path) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    server.http.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    return server


def test_https_works_and_a_redirect_to_http_needs_a_checksum(
    home: Path, secure: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Server()
    plain.thread.start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    secure.add("/net", Served(CONTENT))
    secure.add("/down", Served(b"", redirect=plain.add("/net", Served(CONTENT))))
    said: list[str] = []
    fetch(f"https://{secure.host}/net", sha256=None, base=HERE, warn=said.append)
    assert not any("encryption" in text for text in said)
    with pytest.raises(AssetError, match="without encryption"):
        fetch(f"https://{secure.host}/down", sha256=None, base=HERE)
    assert fetch(f"https://{secure.host}/down", sha256=SHA256, base=HERE).sha256 == SHA256
    plain.http.shutdown()
    plain.http.server_close()
    plain.thread.join()


def test_a_certificate_nobody_vouches_for_is_told_at_once(
    home: Path, secure: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    began = time.monotonic()
    with pytest.raises(AssetError, match="certificate is not trusted"):
        fetch(f"https://{secure.host}/net", sha256=SHA256, base=HERE)
    assert time.monotonic() - began < 5
    assert os.listdir(home / "cache" / "assets" / "partial") == []
