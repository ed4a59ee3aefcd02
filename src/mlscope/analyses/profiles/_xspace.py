"""Files of XLA's and TensorFlow's common profiler: ``*.xplane.pb``, what each thread of the host did, and when.

The messages are those of ``tsl/profiler/protobuf/xplane.proto`` of https://github.com/openxla/xla, as far as read here.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlscope.analyses.profiles._events import BrokenProfile

__all__ = ["HostEvent", "read_host"]

_HOST, _TASK, _START = "/host:CPU", "Task Environment", "profile_start_time"
_TEXT, _BYTES, _WHOLE, _PLAIN, _REAL = 9, 12, 3, 4, 1
"""Numbers of protobuf's field types: string, bytes, int64, uint64, double."""
_FIELDS: Mapping[str, tuple[tuple[str, int, int | str], ...]] = {
    "XSpace": (("planes", 1, "*XPlane"),),
    "XPlane": (
        ("name", 2, _TEXT),
        ("lines", 3, "*XLine"),
        ("event_metadata", 4, "*EventEntry"),
        ("stat_metadata", 5, "*StatEntry"),
        ("stats", 6, "*XStat"),
    ),
    "XLine": (("id", 1, _WHOLE), ("name", 2, _TEXT), ("timestamp_ns", 3, _WHOLE), ("events", 4, "*XEvent")),
    "XEvent": (
        ("metadata_id", 1, _WHOLE),
        ("offset_ps", 2, _WHOLE),
        ("duration_ps", 3, _WHOLE),
        ("stats", 4, "*XStat"),
    ),
    "XStat": (
        ("metadata_id", 1, _WHOLE),
        ("double_value", 2, _REAL),
        ("uint64_value", 3, _PLAIN),
        ("int64_value", 4, _WHOLE),
        ("str_value", 5, _TEXT),
        ("bytes_value", 6, _BYTES),
        ("ref_value", 7, _PLAIN),
    ),
    "Metadata": (("id", 1, _WHOLE), ("name", 2, _TEXT), ("display_name", 4, _TEXT)),
    "StatName": (("id", 1, _WHOLE), ("name", 2, _TEXT)),
    "EventEntry": (("key", 1, _WHOLE), ("value", 2, "Metadata")),
    "StatEntry": (("key", 1, _WHOLE), ("value", 2, "StatName")),
}
"""Message → name, number and type of its fields; a star: many."""


@dataclasses.dataclass(frozen=True, slots=True)
class HostEvent:
    """What a thread did; times in nanoseconds of the system's clock."""

    name: str
    begin_ns: int
    end_ns: int
    thread: int
    stats: Mapping[str, Any]


def read_host(path: Path) -> Iterator[HostEvent]:
    """The events of the host's threads, thread by thread.

    Raises:
        BrokenProfile: The file is missing or was cut off.
    """
    from google.protobuf.message import DecodeError

    space = _message("XSpace")
    try:
        space.ParseFromString(path.read_bytes())
    except OSError as error:
        raise BrokenProfile(f"{path.name} is missing; the worker ended before it was written") from error
    except DecodeError as error:
        raise BrokenProfile(f"{path.name} was cut off") from error
    begin_ns = _start(space)
    for plane in space.planes:
        if plane.name != _HOST:
            continue
        names = {entry.key: entry.value.name for entry in plane.event_metadata}
        keys = {entry.key: entry.value.name for entry in plane.stat_metadata}
        for line in plane.lines:
            base = 1000 * (begin_ns + line.timestamp_ns)
            for event in line.events:
                begin = (base + event.offset_ps) // 1000
                end = (base + event.offset_ps + event.duration_ps) // 1000
                stats = {keys.get(stat.metadata_id, ""): _value(stat, keys) for stat in event.stats}
                yield HostEvent(names.get(event.metadata_id, ""), begin, end, line.id, stats)


def _start(space: Any) -> int:
    """When the profile began, where the times of its lines are counted from that."""
    for plane in space.planes:
        if plane.name == _TASK:
            keys = {entry.key: entry.value.name for entry in plane.stat_metadata}
            for stat in plane.stats:
                if keys.get(stat.metadata_id) == _START:
                    return int(_value(stat, keys) or 0)
    return 0


def _value(stat: Any, keys: Mapping[int, str]) -> Any:
    if stat.ref_value:
        return keys.get(stat.ref_value, "")
    return stat.str_value or stat.int64_value or stat.uint64_value or stat.double_value or stat.bytes_value or None


@functools.cache
def _pool() -> Any:
    """The messages, put together from the table; the packages that have them are the frameworks themselves."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name="mlscope/xplane.proto", package="mlscope.xplane", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            added = message.field.add(name=field, number=number, label=1)
            if isinstance(kind, str):
                added.type = 11
                added.label = 3 if kind.startswith("*") else 1
                added.type_name = f".mlscope.xplane.{kind.lstrip('*')}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _message(name: str) -> Any:
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"mlscope.xplane.{name}"))()
