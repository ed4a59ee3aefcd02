"""OpenTelemetry's protocol: https://opentelemetry.io/docs/specs/otlp/."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, BinaryIO

from mlscope.traces._spans import ServerSpan, batches, resource
from mlscope.traces._timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["otlp_messages", "write_otlp"]

_IDS = ("traceId", "spanId", "parentSpanId")


def otlp_messages(timeline: Timeline) -> Iterator[tuple[ExportTraceServiceRequest, int]]:
    """A trace as requests of bounded size, each with the number of its spans."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    about = resource(timeline)
    for batch in batches(timeline):
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        for key, value in about.items():
            _attribute(group.resource.attributes.add(), key, value)
        scope = group.scope_spans.add()
        scope.scope.name, scope.scope.version = "mlscope", timeline.record.mlscope_version
        for span in batch:
            _fill(scope.spans.add(), span)
        yield request, len(batch)


def _fill(message: Any, span: ServerSpan) -> None:
    message.trace_id, message.span_id, message.parent_span_id = span.trace_id, span.span_id, span.parent_id
    message.name = span.name
    message.kind = 1  # internal
    message.start_time_unix_nano, message.end_time_unix_nano = span.start_ns, span.end_ns
    for key, value in span.tags:
        _attribute(message.attributes.add(), key, value)
    if span.failed is not None:
        message.status.code, message.status.message = 2, span.failed  # error


def _attribute(message: Any, key: str, value: Any) -> None:
    message.key = key
    if isinstance(value, str):
        message.value.string_value = value
    elif isinstance(value, bool):
        message.value.bool_value = value
    elif isinstance(value, int):
        message.value.int_value = value
    else:
        message.value.double_value = value


def write_otlp(timeline: Timeline, file: BinaryIO) -> int:
    """Write OTLP's file format, one JSON message a line, which the collector's otlpjsonfile receiver reads.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/. Returns the number of spans.
    """
    from google.protobuf.json_format import MessageToDict

    spans = 0
    for message, count in otlp_messages(timeline):
        document = MessageToDict(message, use_integers_for_enums=True)
        for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            # OTLP's JSON has ids in hex, protobuf's in base 64.
            span |= {name: base64.b64decode(span[name]).hex() for name in _IDS if name in span}
        file.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        spans += count
    return spans
