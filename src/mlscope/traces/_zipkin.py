"""Zipkin's JSON, version 2: https://zipkin.io/zipkin-api/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from mlscope.traces._spans import ServerSpan, batches, resource
from mlscope.traces._timeline import Timeline

__all__ = ["write_zipkin", "zipkin_messages"]


def zipkin_messages(timeline: Timeline) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """A trace as lists of bounded size, each with the number of its spans.

    Times are whole microseconds, as Zipkin has them; a span takes at least one. The run's own description stands at
    its root, since Zipkin knows no resources.
    """
    about = {key: _text(value) for key, value in resource(timeline).items()}
    first = True
    for batch in batches(timeline):
        spans = [_span(span) for span in batch]
        if first:
            spans[0]["tags"] |= about
            first = False
        yield spans, len(batch)


def _span(span: ServerSpan) -> dict[str, Any]:
    start = span.start_ns // 1000
    message: dict[str, Any] = {
        "traceId": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "name": span.name,
        "timestamp": start,
        "duration": max(1, span.end_ns // 1000 - start),
        "localEndpoint": {"serviceName": "mlscope"},
        "tags": {key: _text(value) for key, value in span.tags},
    }
    if span.parent_id:
        message["parentId"] = span.parent_id.hex()
    if span.failed is not None:
        message["tags"]["error"] = span.failed
    return message


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def write_zipkin(timeline: Timeline, file: BinaryIO) -> int:
    """Write one JSON list of all spans; returns their number."""
    spans = 0
    for messages, count in zipkin_messages(timeline):
        for message in messages:
            file.write((b"[\n" if not spans else b",\n") + json.dumps(message, ensure_ascii=False).encode())
            spans += 1
        del count
    file.write(b"\n]\n")
    return spans
