"""What the core and the worker process must agree on: levels, messages, array layouts.

Standard library only, Python 3.9 and newer: the worker runs in any stack's interpreter. Messages are JSON objects, one
a line, over a pair of private pipes; bulk data travels through files that both sides map. All times are nanoseconds of
``time.perf_counter_ns`` (``CLOCK_MONOTONIC`` on Linux: one clock for all processes).
"""

from __future__ import annotations

import dataclasses
import enum
import json
import struct
from typing import IO, Any, Union, get_args

__all__ = [
    "ARRIVALS_HEADER",
    "FLAG_DROPPED",
    "FLAG_FAILED",
    "FLAG_UNFINISHED",
    "FLAG_VALID",
    "FLAG_WARMUP",
    "PROTOCOL_VERSION",
    "SAMPLE_FIELDS",
    "SAMPLE_ROW",
    "STREAM_SHIFT",
    "Batch",
    "Block",
    "BlockDone",
    "Blocks",
    "Done",
    "Failed",
    "Hello",
    "Load",
    "LoadTest",
    "Loaded",
    "Message",
    "OpenLoop",
    "OpenLoopDone",
    "Probe",
    "Probed",
    "Quit",
    "Ready",
    "Stream",
    "Tensor",
    "TestDone",
    "TraceLevel",
    "decode",
    "encode",
    "read_message",
    "write_message",
]

PROTOCOL_VERSION = 1

SAMPLE_FIELDS = ("sample_index", "query", "batch", "scheduled_ns", "issued_ns", "start_ns", "end_ns", "flags")
"""Columns of one row of the raw samples file; each is a little-endian signed 64-bit integer.

``scheduled_ns`` is -1 where the scenario has no schedule or the load generator keeps it to itself.
"""
SAMPLE_ROW = struct.Struct("<8q")
FLAG_VALID = 1  # the row was written
FLAG_WARMUP = 2  # warm-up: kept as data, never mixed in
FLAG_FAILED = 4  # there is no answer: the model raised, or one of the two below
FLAG_DROPPED = 8  # the queue was full: the request never reached the model; its end is when it was refused
FLAG_UNFINISHED = 16  # not answered when the run was ended
STREAM_SHIFT = 8  # the flags from this bit on are the number of the stream that ran the batch

ARRIVALS_HEADER = ("begin_ns", "issued", "answered", "ended", "answered_ns")
"""First words of an arrivals file, each a little-endian signed 64-bit integer.

Whoever issues writes it while a worker reads it: when the run began; how many requests were issued, and answered;
whether all are issued; when the last answer came. Then three columns, a word a request: when it is due, in nanoseconds
since the beginning; which input it asks for; when it was issued (samples' clock, 0: not yet).
"""


class TraceLevel(enum.IntEnum):
    """How deep a run is traced; a span of level L is kept if L <= the run's level (MLModelScope's rule)."""

    NO_TRACE = 0
    APPLICATION_TRACE = 1
    MODEL_TRACE = 2
    FRAMEWORK_TRACE = 3
    LIBRARY_TRACE = 4
    SYSTEM_LIBRARY_TRACE = 5
    HARDWARE_TRACE = 6
    FULL_TRACE = 7


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One input or output: its name, numpy element type and shape; -1 stands for a dynamic dimension."""

    name: str
    element_type: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Hello:
    """Worker → core, once: the process is up."""

    pid: int
    python: str
    numpy: str
    protocol: int = PROTOCOL_VERSION


@dataclasses.dataclass(frozen=True)
class Load:
    """Core → worker: load this model once; everything here is fixed until the process ends.

    ``files`` maps a role (``graph``, ``params``) to a path; ``inputs`` are the tensors that will be fed,
    without the batch dimension; ``options`` are the predictor's own. ``streams`` batches will run at once, each with
    ``threads`` threads; with ``pin`` each stream has cores of its own. With ``inspect`` the model is not run:
    the answer holds the declared shapes, -1 for dynamic dimensions. ``profile`` is the folder for what profilers write,
    those of ``level`` and the levels before it; nothing: they stay off.
    """

    predictor: str
    files: dict[str, str]
    inputs: list[Tensor]
    batch_size: int
    threads: int
    device: str = "cpu"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    inspect: bool = False
    streams: int = 1
    pin: bool = False
    profile: str = ""
    level: int = 0


@dataclasses.dataclass(frozen=True)
class Loaded:
    """Worker → core: the model is loaded and has run once, on zeros.

    ``inputs`` are the tensors to be fed, with the names that the model gives them; ``outputs`` what came out; both
    with the batch dimension. ``fixed_batch`` is None where any batch size can be run. ``effective`` is what the
    framework says of its settings; ``profiler`` the profiler that is on.
    """

    load_ns: int
    first_ns: int
    framework_version: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    fixed_batch: int | None
    effective: dict[str, Any]
    warnings: list[str] = dataclasses.field(default_factory=list)
    profiler: str | None = None


@dataclasses.dataclass(frozen=True)
class Stream:
    """Core → worker: batches will follow through a ring of slots in the file ``ring``.

    A slot holds ``batch_size`` rows of every input, one input after the other at ``offsets``. Raw rows go to
    ``samples``; output k of sample i goes to row i of ``outputs[k]``, a .npy file that exists already.
    """

    ring: str
    slot_bytes: int
    slots: int
    offsets: list[int]
    samples: str
    outputs: list[str]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Core → worker: run slot ``slot``; ``rows`` are its samples' positions in the evaluation's order."""

    slot: int
    batch: int
    rows: list[int]
    warmup: bool = False


@dataclasses.dataclass(frozen=True)
class Done:
    """Worker → core: a batch is through (``error`` says why not); its slot can be filled again."""

    slot: int
    batch: int
    start_ns: int
    end_ns: int
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Core → worker: blocks will follow, on the samples in ``inputs`` (as in :class:`LoadTest`); Ready ends them."""

    inputs: list[str]
    sample_count: int
    samples: str
    offset: int = 0


@dataclasses.dataclass(frozen=True)
class Block:
    """Core → worker: call the model ``warmup`` + ``calls`` times, one after the other; the first are marked."""

    number: int
    calls: int
    warmup: int = 0


@dataclasses.dataclass(frozen=True)
class BlockDone:
    """Worker → core: a block is through. ``start_ns`` is that of its first call after the warm-up.

    ``median_ns`` is the median time of a call after the warm-up.
    """

    number: int
    start_ns: int
    end_ns: int
    median_ns: int


@dataclasses.dataclass(frozen=True)
class LoadTest:
    """Core → worker: one test of the official LoadGen, in a process that runs no other.

    ``settings`` are TestSettings attributes, set after the conf files were read. ``inputs[k]`` is the file of
    all samples of input k (C order, mapped, behind ``offset`` bytes). ``answer`` is ``label`` (argmax of output
    ``output`` minus ``label_offset``, one float32) or ``none``. ``outputs`` are written in accuracy mode, as in
    :class:`Stream`. Server and Offline are served by the model's streams: a batch waits ``max_delay_ns`` for others,
    and ``queue_capacity`` samples may wait (None: some seconds' arrivals).
    """

    scenario: str
    mode: str
    settings: dict[str, bool | int | float]
    outdir: str
    model_key: str
    inputs: list[str]
    sample_count: int
    performance_count: int
    samples: str
    outputs: list[str]
    output: int = 0
    label_offset: int = 0
    answer: str = "label"
    warmup: int = 3
    mlperf_conf: str | None = None
    user_conf: str | None = None
    audit_conf: str | None = None
    trace: bool = False
    max_delay_ns: int = 0
    queue_capacity: int | None = None
    offset: int = 0


@dataclasses.dataclass(frozen=True)
class TestDone:
    """Worker → core: the test is over; ``effective`` are TestSettings as used, ``serving`` its streams and queue."""

    __test__ = False  # not a pytest class

    start_ns: int
    end_ns: int
    rows: int
    effective: dict[str, Any]
    loadgen_version: str
    error: str | None = None
    serving: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Probe:
    """Core → worker: run batches of random samples on all streams, which are `busy` for this share of the time."""

    seconds: float
    max_batch: int
    busy: float = 1.0


@dataclasses.dataclass(frozen=True)
class Probed:
    """Worker → core: what a :class:`Probe` saw: the throughput of all streams, and the time of each batch."""

    samples_per_s: float
    batch_ns: list[int]


@dataclasses.dataclass(frozen=True)
class OpenLoop:
    """Core → worker: another process will issue requests into the file ``arrivals``, a byte in the pipe ``wake`` each.

    With ``interval_ns`` the worker does, at ticks, until ``limit_ns`` (0: all). Ready is the answer when it listens,
    OpenLoopDone when all is answered, or ``drain_ns`` later. A request asks for ``samples_per_query`` samples in a row.
    """

    arrivals: str
    requests: int
    wake: str
    inputs: list[str]
    sample_count: int
    samples: str
    samples_per_query: int = 1
    max_batch: int = 1
    max_delay_ns: int = 0
    capacity: int = 1024
    drain_ns: int = 10_000_000_000
    warmup: int = 1
    fail_on_error: bool = False
    offset: int = 0
    interval_ns: int = 0
    limit_ns: int = 0


@dataclasses.dataclass(frozen=True)
class OpenLoopDone:
    """Worker → core: no request is under way any more; the raw rows say what became of each."""

    start_ns: int
    end_ns: int
    rows: int
    serving: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Ready:
    """Worker → core: the last command is done and has nothing else to say. Core → worker: answer the same."""

    peak_rss_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Failed:
    """Worker → core: the command could not be done.

    ``kind`` is one of model, input, option, framework, disk, internal.
    """

    kind: str
    message: str


@dataclasses.dataclass(frozen=True)
class Quit:
    """Core → worker: finish, answer Ready with the peak memory, and leave."""


_Command = Union[Load, Stream, Batch, Blocks, Block, LoadTest, OpenLoop, Probe, Ready, Quit]
_Answer = Union[Hello, Loaded, Done, BlockDone, TestDone, OpenLoopDone, Probed, Ready, Failed]
Message = Union[_Command, _Answer]
_TYPES: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(Message)}


def write_message(pipe: IO[bytes], message: Message) -> None:
    """Send one message and flush."""
    pipe.write(encode(message))
    pipe.flush()


def encode(message: Message) -> bytes:
    """One message as a line."""
    fields = dataclasses.asdict(message)
    fields["type"] = type(message).__name__
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def read_message(pipe: IO[bytes]) -> Message | None:
    """Receive one message; None when the other side is gone.

    Raises:
        ValueError: The line is no message of this protocol.
    """
    line = pipe.readline()
    return decode(line) if line.endswith(b"\n") else None


def decode(line: bytes) -> Message:
    """The message of a line.

    Raises:
        ValueError: The line is no message of this protocol.
    """
    try:
        fields = json.loads(line)
        kind = _TYPES[fields.pop("type")]
        for key in ("inputs", "outputs"):
            if key in fields:
                fields[key] = [_tensor(item) for item in fields[key]]
        message: Message = kind(**fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a message of the worker protocol: {line[:60]!r}") from error
    return message


def _tensor(item: Any) -> Any:
    """A Tensor where the JSON holds one; paths stay paths."""
    return Tensor(item["name"], item["element_type"], tuple(item["shape"])) if isinstance(item, dict) else item
