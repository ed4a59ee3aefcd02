"""Downloads over HTTP that survive a bad line: time limits, retries, and resuming where it broke off."""

from __future__ import annotations

import json
import os
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import httpx

from mlscope._files import explain_os_errors, write_atomic
from mlscope.assets._progress import Progress
from mlscope.assets._sources import redact
from mlscope.errors import AssetError

__all__ = ["ATTEMPTS", "Absent", "Page", "download", "read_page"]

ATTEMPTS = 4
BACKOFF_S = 0.5  # doubles with every attempt
_LONGEST_WAIT_S = 30.0
_ABSENT = {404, 410}
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_TIMEOUT = httpx.Timeout(connect=10, read=30, write=10, pool=10)

T = TypeVar("T")


class Absent(AssetError):
    """The server answers, and has no such page."""


class _TryAgain(Exception):
    """This attempt failed in a way that the next may not."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an index."""

    url: str
    """Where it came from, after redirects."""
    content_type: str
    text: str


def read_page(url: str, accept: str, attempts: int = ATTEMPTS) -> Page:
    """Read one small page.

    Raises:
        Absent: The server has none.
        AssetError: It cannot be had.
    """

    def attempt(client: httpx.Client) -> Page:
        response = client.get(url, headers={"Accept": accept})
        _check_status(response, url)
        return Page(str(response.url), response.headers.get("Content-Type", ""), response.text)

    return _retrying(url, attempt, attempts)


def download(url: str, part: Path, *, name: str, progress: Progress, insecure_ok: bool) -> bool:
    """Download a file into `part`, going on where an earlier download into `part` ended.

    What is needed to go on (the server's validator, RFC 9110 section 13.1.5, and the size) lies beside `part`.
    An interrupted download leaves both; a resumed file may still be a wrong one where the server gives no
    validator, so the caller has to verify the digest.

    Args:
        url: The address.
        part: The file to be filled; its folder exists.
        name: What `progress` calls it.
        progress: Hears of the bytes.
        insecure_ok: Whether a redirect from https to http may be followed.

    Returns:
        Whether bytes of an earlier download are part of the file.

    Raises:
        AssetError: The server does not have it, or the line stays bad.
        ResourceError: The disk is full or the folder cannot be written.
    """
    transfer = _Transfer(url, part, name, progress, insecure_ok)
    try:
        resumed = _retrying(url, transfer.attempt)
    finally:
        if transfer.started:
            progress.finish()
    transfer.notes.unlink(missing_ok=True)
    return resumed


@dataclass(slots=True)
class _Transfer:
    """One download, over all its attempts."""

    url: str
    part: Path
    name: str
    progress: Progress
    insecure_ok: bool
    started: bool = False
    total: int | None = None

    @property
    def notes(self) -> Path:
        """The file that says what `part` is the beginning of."""
        return self.part.with_suffix(".json")

    def attempt(self, client: httpx.Client) -> bool:
        """Try once; True where earlier bytes were kept."""
        have, validator = self._earlier()
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if validator:
                headers["If-Range"] = validator
        with client.stream("GET", self.url, headers=headers) as response:
            self._check_redirects(response)
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                return self._beyond_the_end(response, have)
            _check_status(response, self.url)
            start = self._start(response, have)
            self._receive(response, start)
            return start > 0

    def _earlier(self) -> tuple[int, str | None]:
        """Bytes that can be kept, and the validator that they belong to."""
        try:
            notes = json.loads(self.notes.read_bytes())
            validator, self.total = notes["validator"], notes["total"]
            if validator or self.total:
                return self.part.stat().st_size, validator
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0, None

    def _start(self, response: httpx.Response, have: int) -> int:
        """Where this answer's bytes begin; 0 for a whole file."""
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            self._begin(response)
            return 0
        begin, total = _content_range(response)
        if not have or begin != have or (self.total is not None and total != self.total):
            self._changed()
        return have

    def _begin(self, response: httpx.Response) -> None:
        """Note what the file is, so that it can be resumed; old bytes go first, they are of another file."""
        self.total = None if _encoded(response) else _length(response.headers.get("Content-Length"))
        with explain_os_errors(self.part):
            self.part.unlink(missing_ok=True)
        write_atomic(self.notes, json.dumps({"validator": _validator(response), "total": self.total}))

    def _changed(self) -> NoReturn:
        """Drop what an earlier download left: it is of another file."""
        self.part.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)
        raise _TryAgain("the file changed while it was downloaded")

    def _beyond_the_end(self, response: httpx.Response, have: int) -> bool:
        """All bytes were here already, or they were of another file."""
        if _content_range(response)[1] != have:
            self._changed()
        return True

    def _receive(self, response: httpx.Response, start: int) -> None:
        if not self.started:
            self.progress.start(self.name, self.total)
            self.started = True
        done = start
        with explain_os_errors(self.part), self.part.open("ab" if start else "wb") as file:
            self.progress.advance(done)
            for chunk in response.iter_bytes():
                file.write(chunk)
                done += len(chunk)
                self.progress.advance(done)

    def _check_redirects(self, response: httpx.Response) -> None:
        ways = [step.url.scheme for step in (*response.history, response)]
        if ways[0] == "https" and "http" in ways and not self.insecure_ok:
            raise AssetError(
                "the server redirects to a way without encryption, and no checksum is given",
                where=redact(self.url),
                hint="add the file's sha256 to the manifest",
            )


def _retrying(url: str, attempt: Callable[[httpx.Client], T], attempts: int = ATTEMPTS) -> T:
    """Run `attempt` until it works or has failed so many times."""
    where = redact(url)
    why = ""
    with httpx.Client(follow_redirects=True, timeout=_TIMEOUT, verify=_trust()) as client:
        for number in range(attempts):
            wait_s = BACKOFF_S * 2**number
            try:
                return attempt(client)
            except _TryAgain as error:
                why, wait_s = str(error), max(wait_s, error.wait_s)
            except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
                raise AssetError(f"the address leads nowhere: {redact(str(error))}", where=where) from error
            except httpx.RequestError as error:
                why = _reason(error)
                if "CERTIFICATE_VERIFY_FAILED" in why:
                    raise AssetError(
                        "the server's certificate is not trusted",
                        where=where,
                        hint="if your network has its own authority, name its file in SSL_CERT_FILE",
                    ) from error
            if number + 1 < attempts:
                time.sleep(min(wait_s, _LONGEST_WAIT_S))
    raise AssetError(
        f"{why} (tried {attempts} times)" if attempts > 1 else why,
        where=where,
        hint="run it again later; what has arrived is kept and resumed",
    )


def _trust() -> ssl.SSLContext | bool:
    """Authorities of a company's network where pip or requests were told of them; httpx knows SSL_CERT_FILE."""
    for name in ("REQUESTS_CA_BUNDLE", "PIP_CERT"):
        file = os.environ.get(name)
        if file and "SSL_CERT_FILE" not in os.environ and Path(file).is_file():
            return ssl.create_default_context(cafile=file)
    return True


def _reason(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "the server does not answer in time"
    if isinstance(error, httpx.RemoteProtocolError):
        return f"the connection broke: {redact(str(error))}"
    return redact(str(error)) or type(error).__name__


def _check_status(response: httpx.Response, url: str) -> None:
    if response.is_success:
        return
    what = f"the server answers {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in _TRY_AGAIN:
        raise _TryAgain(what, float(_length(response.headers.get("Retry-After")) or 0))
    raise (Absent if response.status_code in _ABSENT else AssetError)(what, where=redact(url), hint="check the address")


def _encoded(response: httpx.Response) -> bool:
    """Whether the server compresses although it was asked not to: lengths are not the file's, then."""
    encoding: str = response.headers.get("Content-Encoding", "identity")
    return encoding.lower() != "identity"


def _validator(response: httpx.Response) -> str | None:
    """A strong ETag or else the date; weak ETags do not promise equal bytes."""
    if _encoded(response):
        return None
    etag: str = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    date: str | None = response.headers.get("Last-Modified")
    return date


def _length(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    """First byte and total size of a partial answer; None for what is missing."""
    header = response.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)", header)
    return (_length(found[1]), _length(found[2])) if found else (None, None)
