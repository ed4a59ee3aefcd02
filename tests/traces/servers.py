"""Trace servers on this machine that read what they get with the official protobufs, or as Zipkin's API says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Receiver:
    """What a server got, and how it answers."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        """Answers to the next requests; then 200."""
        self.body = ExportTraceServiceResponse().SerializeToString()
        self.port = 0

    @property
    def otlp(self) -> list[ExportTraceServiceRequest]:
        assert {headers["content-type"] for _, headers, _ in self.requests} == {"application/x-protobuf"}
        return [ExportTraceServiceRequest.FromString(body) for _, _, body in self.requests]

    @property
    def otlp_spans(self) -> list[Any]:
        return [span for each in self.otlp for span in each.resource_spans[0].scope_spans[0].spans]

    @property
    def zipkin_spans(self) -> list[dict[str, Any]]:
        assert {headers["content-type"] for _, headers, _ in self.requests} == {"application/json"}
        return [check_zipkin(span) for _, _, body in self.requests for span in json.loads(body)]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server at a free port of 127.0.0.1."""
    got = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.requests.append((self.path, {key.lower(): each for key, each in self.headers.items()}, body))
            self.send_response(got.statuses.pop(0) if got.statuses else 200)
            self.send_header("Content-Length", str(len(got.body)))
            self.end_headers()
            self.wfile.write(got.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    got.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tags(span: Any) -> dict[str, Any]:
    """Attributes of an OTLP span."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


_HEX = set("0123456789abcdef")
_FIELDS = {
    "traceId": str, "id": str, "parentId": str, "name": str, "kind": str, "timestamp": int, "duration": int,
    "debug": bool, "shared": bool, "localEndpoint": dict, "remoteEndpoint": dict, "annotations": list, "tags": dict,
}  # fmt: skip


def check_zipkin(span: dict[str, Any]) -> dict[str, Any]:
    """Check one span against the schema ``Span`` of Zipkin's API, https://zipkin.io/zipkin-api/ (zipkin2-api.yaml)."""
    assert {"traceId", "id"} <= set(span) <= set(_FIELDS), "required fields, and no others than the schema's"
    assert all(type(value) is _FIELDS[name] for name, value in span.items())
    assert len(span["traceId"]) in (16, 32)
    for name in ("traceId", "id", "parentId"):
        text = span.get(name, "1")
        assert set(text) <= _HEX
        assert int(text, 16)
    assert len(span["id"]) == len(span.get("parentId", span["id"])) == 16
    assert span["duration"] >= 1
    assert set(span["localEndpoint"]) <= {"serviceName", "ipv4", "ipv6", "port"}
    assert all(type(value) is str for value in span["tags"].values())
    return span
