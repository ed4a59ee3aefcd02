"""Perfetto: TrackEvent packets, https://perfetto.dev/docs/reference/synthetic-track-event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from mlscope.traces._counters import Curve
from mlscope.traces._lanes import Lane, walk
from mlscope.traces._timeline import LOADGEN, REQUEST, SPAN, Timeline
from mlscope.traces._values import MOST_KNOWN, Attributes

if TYPE_CHECKING:
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket, TrackEvent

__all__ = ["group_titles", "write_perfetto"]

_SEQUENCE = 1
_BATCH = 1_000
_FIRST_LANE, _FIRST_CURVE = 16, 1 << 32
"""Numbers of tracks: below them those that hold the lanes of one source."""
_MONOTONIC, _REALTIME, _BOOTTIME = 3, 1, 6
"""Perfetto's builtin clocks."""


def write_perfetto(timeline: Timeline, file: BinaryIO) -> int:
    """Write a trace as a stream of packets, a thousand in memory at a time; returns the number of slices.

    A file of ``Trace`` messages behind each other is one ``Trace``, which is how protobuf joins messages.
    """
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

    closes = int(TrackEvent.TYPE_SLICE_END)
    trace = Trace()
    _clocks(trace, timeline)
    for source, title in group_titles(timeline).items():
        _track(trace.packet.add(), source + 1, title)
    known: set[int] = set()
    begins = _Begins(timeline)
    slices = packets = 0
    for row, lane, time_ns, is_begin in walk(timeline):
        if lane.number not in known:
            known.add(lane.number)
            _track(trace.packet.add(), _FIRST_LANE + lane.number, lane.title, lane)
        packet = trace.packet.add()
        packet.timestamp = time_ns
        packet.trusted_packet_sequence_id = _SEQUENCE
        event = packet.track_event
        if is_begin:
            begins.fill(event, row)
            slices += 1
        else:
            event.type = closes
        event.track_uuid = _FIRST_LANE + lane.number
        packets += 1
        if packets == _BATCH:
            file.write(trace.SerializeToString())
            trace = Trace()  # clearing the old one would not give its memory back
            packets = 0
    file.write(trace.SerializeToString())
    for number, curve in enumerate(timeline.curves):
        file.write(_counted(curve, _FIRST_CURVE + number))
    return slices


def _counted(curve: Curve, track: int) -> bytes:
    """A track of one curve."""
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

    trace = Trace()
    packet = trace.packet.add()
    packet.trusted_packet_sequence_id = _SEQUENCE
    packet.track_descriptor.uuid, packet.track_descriptor.name = track, curve.title
    packet.track_descriptor.counter.unit_name = curve.unit
    for time_ns, value in zip(curve.time_ns.tolist(), curve.value.tolist(), strict=True):
        packet = trace.packet.add()
        packet.timestamp, packet.trusted_packet_sequence_id = time_ns, _SEQUENCE
        event = packet.track_event
        event.type, event.track_uuid, event.double_counter_value = TrackEvent.TYPE_COUNTER, track, value
    written: bytes = trace.SerializeToString()
    return written


class _Begins:
    """Fills the events that begin slices; those that differ only in their ids are made once and copied."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.details = Attributes(timeline)
        self.known: dict[tuple[int, int, int], bytes] = {}

    def fill(self, event: TrackEvent, row: int) -> None:
        key = (int(self.timeline.name[row]), *self.details.key(row))
        same = self.known.get(key)
        if same is None:
            event.type = event.TYPE_SLICE_BEGIN
            event.name = self.timeline.names[key[0]]
            for name, value in self.details.of(row):
                _annotate(event.debug_annotations.add(), name, value)
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[key] = event.SerializeToString()
        else:
            event.MergeFromString(same)
        for name, text in self.details.ids(row):
            annotation = event.debug_annotations.add()
            annotation.name, annotation.string_value = name, text


def group_titles(timeline: Timeline) -> dict[int, str]:
    """What stands above the lanes of each source."""
    record = timeline.record
    titles = {SPAN: f"{record.command} {record.model_name} ({record.id[:8]})"}
    present = set(timeline.source.tolist()) if len(timeline) < 1 << 16 else {SPAN, REQUEST, LOADGEN}
    return titles | {source: title for source, title in _OTHERS.items() if source in present}


_OTHERS = {REQUEST: "requests", LOADGEN: "LoadGen"}


def _clocks(trace: Trace, timeline: Timeline) -> None:
    """What the times mean: nanoseconds of the machine's monotonic clock, and which wall time that was."""
    packet = trace.packet.add()
    packet.trusted_packet_sequence_id = _SEQUENCE
    begin = timeline.begin_ns
    for clock, time in ((_MONOTONIC, begin), (_BOOTTIME, begin), (_REALTIME, begin + timeline.epoch_ns)):
        entry = packet.clock_snapshot.clocks.add()
        entry.clock_id, entry.timestamp = clock, time


def _track(packet: TracePacket, uuid: int, title: str, lane: Lane | None = None) -> None:
    packet.trusted_packet_sequence_id = _SEQUENCE
    packet.track_descriptor.uuid = uuid
    packet.track_descriptor.name = title
    if lane is not None:
        packet.track_descriptor.parent_uuid = lane.source + 1


def _annotate(annotation: Any, key: str, value: Any) -> None:
    annotation.name = key
    if isinstance(value, str):
        annotation.string_value = value
    elif isinstance(value, bool):
        annotation.bool_value = value
    elif isinstance(value, int):
        annotation.int_value = value
    else:
        annotation.double_value = value
