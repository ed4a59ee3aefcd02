"""Perfetto: TrackEvent packets, https://perfetto.dev/docs/reference/synthetic-track-event."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from mlscope.traces._counters import Curve
from mlscope.traces._lanes import Lane, walk
from mlscope.traces._timeline import LOADGEN, REQUEST, SPAN, Timeline
from mlscope.traces._values import LEVELS, MOST_KNOWN, Attributes

if TYPE_CHECKING:
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket

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
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    trace = Trace()
    _clocks(trace, timeline)
    for source, title in group_titles(timeline).items():
        _track(trace.packet.add(), source + 1, title)
    on_lane: dict[int, tuple[bytes, bytes]] = {}
    begins = _Begins(timeline)
    slices = packets = 0
    for row, lane, time_ns, is_begin in walk(timeline):
        marks = on_lane.get(lane.number)
        if marks is None:
            marks = on_lane[lane.number] = _on_track(_FIRST_LANE + lane.number)
            _track(trace.packet.add(), _FIRST_LANE + lane.number, lane.title, lane)
        packet = trace.packet.add()
        if is_begin:
            packet.MergeFromString(marks[0] + begins.of(row))
            slices += 1
        else:
            packet.MergeFromString(marks[1])
        packet.timestamp = time_ns
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


def _on_track(track: int) -> tuple[bytes, bytes]:
    """Begin and end of a slice on a track, but for what differs from slice to slice."""
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TracePacket, TrackEvent

    found = []
    for kind in (TrackEvent.TYPE_SLICE_BEGIN, TrackEvent.TYPE_SLICE_END):
        packet = TracePacket(trusted_packet_sequence_id=_SEQUENCE)
        packet.track_event.type, packet.track_event.track_uuid = kind, track
        found.append(packet.SerializeToString())
    return found[0], found[1]


class _Begins:
    """What the events that begin slices tell, as bytes to merge; of those that differ only in their ids, made once."""

    def __init__(self, timeline: Timeline) -> None:
        import numpy as np

        self.timeline = timeline
        self.details = Attributes(timeline)
        self.is_span = (timeline.source == SPAN).tobytes()
        self.ids = hexlify(timeline.number.astype(">u8").tobytes())
        self.parents = timeline.parent.data
        keys = (timeline.text.astype(np.int64) * len(timeline.names) + timeline.name) * len(LEVELS)
        self.keys = np.where(timeline.source == SPAN, keys + timeline.level, -1 - keys).data
        self.known: dict[int, bytes] = {}
        # Nearly every slice is a span below a span, whose ids are put between the same bytes.
        marks = "0" * 16, "1" * 16
        text = _annotated([("span_id", marks[0]), ("parent_id", marks[1])])
        self.before, rest = text.split(marks[0].encode())
        self.between, self.behind = rest.split(marks[1].encode())

    def of(self, row: int) -> bytes:
        key = self.keys[row]
        same = self.known.get(key)
        if same is None:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            name = self.timeline.names[self.timeline.name[row]]
            same = self.known[key] = _annotated(self.details.of(row), name)
        parent = self.parents[row]
        if parent < 0 or not (self.is_span[row] and self.is_span[parent]):
            return same + _annotated(self.details.ids(row))
        own, above = self.ids[16 * row : 16 * row + 16], self.ids[16 * parent : 16 * parent + 16]
        return b"".join((same, self.before, own, self.between, above, self.behind))


def _annotated(annotations: Sequence[tuple[str, Any]], name: str | None = None) -> bytes:
    """A packet with nothing but an event's name and annotations."""
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TracePacket

    packet = TracePacket()
    if name is not None:
        packet.track_event.name = name
    for key, value in annotations:
        _annotate(packet.track_event.debug_annotations.add(), key, value)
    return bytes(packet.SerializeToString())


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
