"""A real HTTP server on this machine that can be as bad as real ones are, and what a download tells."""

from __future__ import annotations

import gzip
import http.server
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Served:
    """One file of the server, and how well it is served."""

    content: bytes
    etag: str | None = None
    modified: str | None = None
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)
    """The next answers break off after so many bytes of body."""
    fail_with: list[int] = field(default_factory=list)
    """The next answers have these status codes."""
    redirect: str | None = None
    gzipped: bool = False
    content_type: str = "application/octet-stream"
    pause_s: float = 0.0
    """Pause after each 10 kB."""
    tell_length: bool = True


@dataclass(frozen=True)
class Asked:
    """One request that reached the server."""

    path: str
    headers: dict[str, str]


class Server:
    """Files by path, and every request that came."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.asked: list[Asked] = []
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.http.server_port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def add(self, path: str, served: Served) -> str:
        self.files[path] = served
        return self.url(path)

    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [asked.headers.get("range") for asked in self.asked]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the files' settings say."""

    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *args: Any) -> None:
        self.owner = server
        super().__init__(*args)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.owner.asked.append(Asked(self.path, headers))
        served = self.owner.files.get(self.path.partition("?")[0])
        if served is None:
            self._empty(404)
        elif served.fail_with:
            self._empty(served.fail_with.pop(0))
        elif served.redirect:
            self._empty(302, Location=served.redirect)
        else:
            self._file(served)

    def _empty(self, code: int, **headers: str) -> None:
        self._head(code, {**headers, "Content-Length": "0"})

    def _head(self, code: int, headers: dict[str, str | None]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def _file(self, served: Served) -> None:
        body = gzip.compress(served.content) if served.gzipped else served.content
        start = self._start(served)
        if start is not None and start >= len(body):
            self._head(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
            return
        headers = {
            "Content-Type": served.content_type,
            "ETag": served.etag,
            "Last-Modified": served.modified,
            "Content-Encoding": "gzip" if served.gzipped else None,
            "Content-Length": str(len(body) - (start or 0)) if served.tell_length else None,
            "Connection": None if served.tell_length else "close",
        }
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self._head(200 if start is None else 206, headers)
        self._body(body[start or 0 :], served)

    def _start(self, served: Served) -> int | None:
        found = re.fullmatch("bytes=([0-9]+)-", self.headers.get("Range", ""))
        if not found or not served.ranges:
            return None
        condition = self.headers.get("If-Range")
        if condition and condition not in {served.etag, served.modified}:
            return None
        return int(found[1])

    def _body(self, body: bytes, served: Served) -> None:
        cut = served.cut_after.pop(0) if served.cut_after else None
        self.close_connection |= cut is not None or not served.tell_length
        try:
            for begin in range(0, len(body[:cut]), 10_000):
                self.wfile.write(body[:cut][begin : begin + 10_000])
                self.wfile.flush()
                time.sleep(served.pause_s)
        except OSError:
            self.close_connection = True  # the client is gone


@pytest.fixture
def server() -> Iterator[Server]:
    """An HTTP server of this test's own."""
    running = Server()
    running.thread.start()
    yield running
    running.http.shutdown()
    running.http.server_close()
    running.thread.join()


class Heard:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def start(self, name: str, total: int | None) -> None:
        self.events.append(("start", (name, total)))

    def advance(self, done: int) -> None:
        self.events.append(("advance", done))

    def finish(self) -> None:
        self.events.append(("finish", None))

    def done(self) -> list[int]:
        return [value for kind, value in self.events if kind == "advance" and isinstance(value, int)]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between attempts."""
    monkeypatch.setattr("mlscope.assets._http.BACKOFF_S", 0.0)


def cached_files(home: Path) -> list[Path]:
    """Every file of the cache that holds downloaded bytes."""
    assets = home / "cache" / "assets"
    return [path for kind in ("objects", "partial") for path in (assets / kind).rglob("*") if path.is_file()]
