"""Traces for others: a run's timeline as files of their tools, and as spans for their servers."""

from mlscope.traces._address import TracerAddress, parse_tracer
from mlscope.traces._export import FORMATS, export
from mlscope.traces._send import require_sender, send
from mlscope.traces._spans import trace_context
from mlscope.traces._timeline import TRACEPARENT, Timeline, read_spans_only, read_timeline

__all__ = [
    "FORMATS",
    "TRACEPARENT",
    "Timeline",
    "TracerAddress",
    "export",
    "parse_tracer",
    "read_spans_only",
    "read_timeline",
    "require_sender",
    "send",
    "trace_context",
]
