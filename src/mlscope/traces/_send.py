"""Spans to a server: bounded messages, each with a time limit, and no more patience than that."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlscope.errors import StoreError, UsageError
from mlscope.traces._address import TracerAddress
from mlscope.traces._otlp import otlp_messages
from mlscope.traces._timeline import Timeline
from mlscope.traces._zipkin import zipkin_messages

if TYPE_CHECKING:
    import httpx

__all__ = ["require_sender", "send"]

_CONNECT_S, _ANSWER_S = 5.0, 10.0
_PAUSE_S = 1.0
"""Before the one repetition of a message that the server was too busy for."""
_BUSY = (429, 502, 503, 504)
_GRPC_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

Post = Callable[[Any], int]
"""Sends one message; returns how many of its spans the server refused. Raises :class:`StoreError`."""


def require_sender(address: TracerAddress) -> None:
    """Find out beforehand whether spans can be sent there at all.

    Raises:
        UsageError: gRPC is asked for and not installed.
    """
    if address.protocol != "grpc":
        return
    try:
        import grpc  # noqa: F401 - whether it is there is the question
    except ImportError:
        raise UsageError(
            "OTLP over gRPC needs the package grpcio",
            where=address.shown,
            hint='`pip install "mlscope[otlp-grpc]"`, or use http:// (most servers take OTLP at port 4318, too)',
        ) from None


def send(timeline: Timeline, address: TracerAddress, *, budget_s: float | None = None) -> int:
    """Send a run's spans.

    Args:
        timeline: The run's spans.
        address: The server.
        budget_s: Give up after this long; None: only each message has a time limit.

    Returns:
        The number of spans that the server took.

    Raises:
        UsageError: gRPC is asked for and not installed.
        StoreError: The server cannot be reached, refuses, or is too slow; what it took so far it may keep, and sending
            again does no harm, since a span has the same id each time.
    """
    require_sender(address)
    messages = zipkin_messages(timeline) if address.protocol == "zipkin" else otlp_messages(timeline)
    poster = _grpc if address.protocol == "grpc" else _http
    begin, sent, refused = time.monotonic(), 0, 0
    with poster(address) as post:
        for message, count in messages:
            if budget_s is not None and time.monotonic() - begin > budget_s:
                raise StoreError(f"only {sent:,} spans were sent in {budget_s:g} s", where=address.shown)
            refused += post(message)
            sent += count
    if refused:
        raise StoreError(f"the server refused {refused:,} of {sent:,} spans", where=address.shown)
    return sent


@contextmanager
def _http(address: TracerAddress) -> Iterator[Post]:
    import httpx

    zipkin = address.protocol == "zipkin"
    headers = {"Content-Type": "application/json" if zipkin else "application/x-protobuf", **_authorization(address)}
    with httpx.Client(timeout=httpx.Timeout(_ANSWER_S, connect=_CONNECT_S), headers=headers) as client:

        def post(message: Any) -> int:
            body = json.dumps(message, ensure_ascii=False).encode() if zipkin else message.SerializeToString()
            answer = _answer(client, address, body)
            return 0 if zipkin else _refused(answer.content)

        yield post


def _answer(client: httpx.Client, address: TracerAddress, body: bytes) -> httpx.Response:
    import httpx

    try:
        answer = client.post(address.url, content=body)
        if answer.status_code in _BUSY:
            time.sleep(_PAUSE_S)
            answer = client.post(address.url, content=body)
    except httpx.TimeoutException as error:
        raise StoreError("the server does not answer in time", where=address.shown) from error
    except httpx.HTTPError as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreError(f"the server cannot be reached: {what}", where=address.shown) from error
    if not answer.is_success:
        raise StoreError(f"the server answers {answer.status_code} {answer.reason_phrase}", where=address.shown)
    return answer


def _authorization(address: TracerAddress) -> dict[str, str]:
    if address.user is None:
        return {}
    pair = f"{address.user}:{address.password or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _refused(content: bytes) -> int:
    """How many spans an OTLP server did not take; an answer that is no protobuf says nothing of that."""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        return int(ExportTraceServiceResponse.FromString(content).partial_success.rejected_spans)
    except DecodeError:
        return 0


@contextmanager
def _grpc(address: TracerAddress) -> Iterator[Post]:
    import grpc
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
    )

    target = address.authority
    secure = grpc.secure_channel(target, grpc.ssl_channel_credentials()) if address.secure else None
    with secure or grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(
            _GRPC_METHOD,
            request_serializer=ExportTraceServiceRequest.SerializeToString,
            response_deserializer=ExportTraceServiceResponse.FromString,
        )
        metadata = tuple((name.lower(), value) for name, value in _authorization(address).items())

        def post(message: Any) -> int:
            try:
                answer = call(message, timeout=_ANSWER_S, metadata=metadata)
            except grpc.RpcError as error:
                code = error.code().name if hasattr(error, "code") else "UNKNOWN"
                raise StoreError(f"the server answers {code}", where=address.shown) from error
            return int(answer.partial_success.rejected_spans)

        yield post
