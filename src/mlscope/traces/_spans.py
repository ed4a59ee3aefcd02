"""Spans as servers take them: ids, wall time, tags; in batches."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from mlscope.traces._timeline import SPAN, Timeline
from mlscope.traces._values import LEVELS, flat

__all__ = ["BATCH", "ServerSpan", "batches", "resource", "trace_context"]

BATCH = 512
"""Spans of one message."""
_CONTEXT = re.compile(r"(?!ff)[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


@dataclasses.dataclass(frozen=True, slots=True)
class ServerSpan:
    """One span; times in Unix nanoseconds."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    """Empty at the root of a trace."""
    name: str
    start_ns: int
    end_ns: int
    tags: list[tuple[str, Any]]
    failed: str | None
    """Why the run failed; only at its root."""


def trace_context(text: str | None) -> tuple[bytes, bytes] | None:
    """Trace id and span id of a W3C ``traceparent``; None of what is none.

    Source: https://www.w3.org/TR/trace-context/#traceparent-header.
    """
    found = _CONTEXT.fullmatch((text or "").strip())
    if found is None or not int(found["trace"], 16) or not int(found["span"], 16):
        return None
    return bytes.fromhex(found["trace"]), bytes.fromhex(found["span"])


def batches(timeline: Timeline) -> Iterator[list[ServerSpan]]:
    """The run's spans, :data:`BATCH` at a time, a parent before its children.

    The trace's id is the run's, or the caller's where the run was started in a W3C context; then the root is a child of
    the caller's span. A span's id is a digest of the run's id and its own: the same whenever it is sent.
    """
    import numpy as np

    trace_id, caller = trace_context(timeline.traceparent) or (bytes.fromhex(timeline.record.id), b"")
    rows = np.flatnonzero(timeline.source == SPAN)
    rows = rows[np.argsort(timeline.depth[rows], kind="stable")]
    failure = timeline.record.failure
    for begin in range(0, len(rows), BATCH):
        batch = []
        for row in rows[begin : begin + BATCH].tolist():
            parent = int(timeline.parent[row])
            level = LEVELS[int(timeline.level[row])]
            batch.append(
                ServerSpan(
                    trace_id,
                    _id(timeline, row),
                    _id(timeline, parent) if parent >= 0 else caller,
                    timeline.names[timeline.name[row]],
                    int(timeline.start_ns[row]) + timeline.epoch_ns,
                    int(timeline.end_ns[row]) + timeline.epoch_ns,
                    [("trace_level", level), *flat(timeline.attributes(row))],
                    failure.message if failure and parent < 0 else None,
                )
            )
        yield batch


def _id(timeline: Timeline, row: int) -> bytes:
    text = f"{timeline.record.id} {timeline.span_id(row)}"
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def resource(timeline: Timeline) -> dict[str, Any]:
    """What is true of all spans of a run, by OpenTelemetry's names where it has them."""
    record = timeline.record
    known = {
        "service.name": "mlscope",
        "service.version": record.mlscope_version,
        "host.name": record.system.hostname,
        "host.arch": record.system.machine_architecture,
        "mlscope.run_id": record.id,
        "mlscope.status": record.status,
        "mlscope.model_name": record.model_name,
        "mlscope.model_version": record.model_version,
        "mlscope.dataset_name": record.dataset_name,
        "mlscope.framework_name": record.framework_name,
        "mlscope.framework_version": record.framework_version,
        "mlscope.batch_size": record.batch_size,
        "mlscope.scenario": record.scenario,
        "mlscope.experiment": record.experiment,
    }
    return {name: value for name, value in known.items() if value is not None}
