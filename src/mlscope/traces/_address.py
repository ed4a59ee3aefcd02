"""Addresses of trace servers: what a user may write, and what it means.

=======================================  ======================================================================
address                                  where spans go
=======================================  ======================================================================
``http://host:4318``, ``https://…``      OTLP over HTTP, ``/v1/traces`` below the path
``grpc://host:4317``, ``grpcs://…``      OTLP over gRPC (needs the package grpcio)
``zipkin://host:9411``, ``zipkins://…``  Zipkin's JSON, ``/api/v2/spans`` below the path
``host``, ``host:16686``                 as MLModelScope wrote it, Jaeger's page: OTLP over HTTP at port 4318
``host:4317``, ``host:9411``             gRPC and Zipkin by their usual ports; any other port: OTLP over HTTP
=======================================  ======================================================================

``zipkins`` and ``grpcs`` are the same over TLS. A user and a password in an address are used and never shown or stored.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from mlscope.errors import UsageError

__all__ = ["TracerAddress", "parse_tracer"]

Protocol = Literal["http", "grpc", "zipkin"]

_SCHEMES: dict[str, tuple[Protocol, bool, int]] = {
    "http": ("http", False, 4318),
    "https": ("http", True, 443),
    "grpc": ("grpc", False, 4317),
    "grpcs": ("grpc", True, 443),
    "zipkin": ("zipkin", False, 9411),
    "zipkins": ("zipkin", True, 443),
}
_PATHS = {"http": "/v1/traces", "zipkin": "/api/v2/spans", "grpc": ""}
_BY_PORT = {4317: "grpc", 9411: "zipkin"}
_JAEGER = {16686, 6831, 6832, 14268}
"""Jaeger's page and its old inputs, which take no OTLP."""
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?|[0-9A-Fa-f:.]+:[0-9A-Fa-f:.]*")
_HINT = "write http://HOST:4318 (OTLP), grpc://HOST:4317 or zipkin://HOST:9411"


@dataclasses.dataclass(frozen=True, slots=True)
class TracerAddress:
    """A trace server."""

    protocol: Protocol
    secure: bool
    host: str
    port: int
    path: str
    """Empty for gRPC."""
    user: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    old_style: bool = False
    """Written without a protocol, as MLModelScope's scripts do."""

    @property
    def authority(self) -> str:
        """``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Where to post, without user and password."""
        return f"http{'s' if self.secure else ''}://{self.authority}{self.path}"

    @property
    def shown(self) -> str:
        """The address for messages, as it could be written: no user, no password."""
        path = self.path.removesuffix(_PATHS[self.protocol])
        return f"{self.protocol}{'s' if self.secure else ''}://{self.authority}{path}"


def parse_tracer(text: str) -> TracerAddress:
    """Understand ``--tracer-address``; nothing is opened.

    Raises:
        UsageError: It is no address; the message shows how to write one.
    """
    address = text.strip()
    old_style = "://" not in address
    try:
        parts = urlsplit(f"http://{address}" if old_style else address)
        port = parts.port
    except ValueError:
        raise _wrong("the address cannot be read") from None
    scheme = parts.scheme.lower()
    if scheme not in _SCHEMES:
        raise _wrong(f'there is no way to send traces called "{scheme}"')
    if not parts.hostname or not _HOST.fullmatch(parts.hostname) or parts.query or parts.fragment or port == 0:
        raise _wrong("the address cannot be read")
    if old_style:
        scheme, port = _old(parts, port)
    protocol, secure, usual = _SCHEMES[scheme]
    if protocol == "grpc" and parts.path.strip("/"):
        raise _wrong("an address of gRPC has no path")
    password = unquote(parts.password) if parts.password is not None else None
    user = unquote(parts.username) if parts.username is not None else None
    path = _path(protocol, parts.path)
    return TracerAddress(protocol, secure, parts.hostname, port or usual, path, user, password, old_style)


def _old(parts: SplitResult, port: int | None) -> tuple[str, int | None]:
    if parts.path.strip("/") not in {"", "api/v1/spans"}:
        raise _wrong("the address cannot be read")
    return _BY_PORT.get(port or 0, "http"), None if port in _JAEGER else port


def _path(protocol: Protocol, given: str) -> str:
    """The given path with the protocol's own at its end; Zipkin's first version is read as the second."""
    end, base = _PATHS[protocol], given.rstrip("/")
    return base.removesuffix(end).removesuffix("/api/v1/spans") + end


def _wrong(what: str) -> UsageError:
    # The text is not repeated: it may hold a password in a place where none can be told from it.
    return UsageError(what, where="--tracer-address", hint=_HINT)
