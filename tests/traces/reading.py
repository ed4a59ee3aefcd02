"""Perfetto files read back with the package's own protobufs."""

from __future__ import annotations

import dataclasses
from typing import Any

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent


@dataclasses.dataclass(frozen=True, slots=True)
class Slice:
    name: str
    begin_ns: int
    end_ns: int
    track: int
    inside: str | None
    """Span id of the slice around it on its track."""
    values: dict[str, Any]

    @property
    def span_id(self) -> str:
        return str(self.values["span_id"])


def value(annotation: Any) -> Any:
    return getattr(annotation, annotation.WhichOneof("value"))


def read_perfetto(data: bytes) -> tuple[dict[str, Slice], dict[int, Any]]:
    """Slices by their span ids, and the tracks by their numbers; a track whose slices do not nest is an error."""
    trace = Trace.FromString(data)
    tracks: dict[int, Any] = {}
    opened: dict[int, list[tuple[Any, int]]] = {}
    latest: dict[int, int] = {}
    found: dict[str, Slice] = {}
    for packet in trace.packet:
        if packet.HasField("track_descriptor"):
            tracks[packet.track_descriptor.uuid] = packet.track_descriptor
        if not packet.HasField("track_event"):
            continue
        event, time = packet.track_event, packet.timestamp
        assert packet.trusted_packet_sequence_id
        assert event.track_uuid in tracks, "an event before its track"
        assert latest.get(event.track_uuid, 0) <= time, "a track's events come in order"
        latest[event.track_uuid] = time
        if event.type == TrackEvent.TYPE_COUNTER:
            assert tracks[event.track_uuid].HasField("counter")
            continue
        stack = opened.setdefault(event.track_uuid, [])
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            stack.append((event, time))
            continue
        assert event.type == TrackEvent.TYPE_SLICE_END
        begun, begin = stack.pop()
        values = {each.name: value(each) for each in begun.debug_annotations}
        around = {each.name: value(each) for each in stack[-1][0].debug_annotations}["span_id"] if stack else None
        assert values["span_id"] not in found
        found[values["span_id"]] = Slice(begun.name, begin, time, event.track_uuid, around, values)
    assert not any(opened.values()), "a slice without an end"
    return found, tracks


def curves(data: bytes) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Title and unit of each track of counters, with its times and values."""
    titles: dict[int, tuple[str, str]] = {}
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for packet in Trace.FromString(data).packet:
        track = packet.track_descriptor
        if packet.HasField("track_descriptor") and track.HasField("counter"):
            titles[track.uuid] = (track.name, track.counter.unit_name)
        elif packet.HasField("track_event") and packet.track_event.type == TrackEvent.TYPE_COUNTER:
            value_now = (packet.timestamp, packet.track_event.double_counter_value)
            found.setdefault(titles[packet.track_event.track_uuid], []).append(value_now)
    return found
