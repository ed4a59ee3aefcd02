"""Loader processes, fed ahead of the model."""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope._channel import Channel
from mlscope.errors import DataError, StackError, WorkerError

__all__ = ["Loaded", "LoaderPool", "LoaderSetup"]

_ENTRY = Path(__file__).with_name("__main__.py")
_AHEAD = 2  # tasks that a process has been given: one in work, one waiting
_CHUNK = 8  # rows of one task
_MOST_PIXELS = 1 << 28  # of a picture: a file of some kilobytes can claim to be gigabytes of one colour


@dataclasses.dataclass(frozen=True, slots=True)
class LoaderSetup:
    """What all loader processes of a run share."""

    input: Mapping[str, Any]
    """The manifest's input, dumped to plain data."""
    hooks: Mapping[str, str | None]
    """Allowed hooks only."""
    context: Mapping[str, Any]
    ring: Path | None = None
    slot_bytes: int = 0
    slots: int = 0
    ring_offset: int = 0
    """Bytes before the first slot."""
    prepared: Path | None = None
    """Folder of a prepared set that the samples come from; their paths are only names then."""
    python: Path = Path(sys.executable)
    """The interpreter that decodes."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Variables that it needs beside the caller's."""

    def line(self) -> bytes:
        """What a process is told first."""
        told: dict[str, Any] = {"input": self.input, "hooks": dict(self.hooks), "context": self.context}
        if self.ring is not None:
            told |= {"ring": str(self.ring), "offset": self.ring_offset}
            told |= {"slot_bytes": self.slot_bytes, "slots": self.slots}
        if self.prepared is not None:
            told["prepared"] = str(self.prepared)
        return json.dumps(told).encode() + b"\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """One picture that is in its slot, or the reason why not. Times by ``perf_counter_ns``."""

    slot: int
    row: int
    begin_ns: int
    end_ns: int
    error: str | None
    oddity: str | None


class LoaderPool:
    """Hands pictures to processes; the caller selects on :meth:`channels` and collects with :meth:`receive`."""

    def __init__(self, setup: LoaderSetup, processes: int, log: Path) -> None:
        line = setup.line()
        command = [str(setup.python), "-u", str(_ENTRY)]
        env = {"OPENCV_IO_MAX_IMAGE_PIXELS": str(_MOST_PIXELS), **os.environ, **setup.environment}
        self._channels: list[Channel] = []
        self._given: dict[int, int] = {}
        self._waiting: deque[tuple[int, list[tuple[int, int, str]]]] = deque()
        try:
            for _ in range(processes):
                channel = Channel(command, log=log, env=env, cwd=log.parent)
                self._channels.append(channel)
                self._given[channel.fileno()] = 0
                channel.send(line)
            for channel in self._channels:
                self._check_ready(channel)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _check_ready(channel: Channel) -> None:
        line = channel.receive_one()
        if line is None:
            raise _death("a loader process ended at once", channel)
        answer = json.loads(line)
        if answer.get("of") == "library":
            hint = "pillow from 9.1 and any opencv-python-headless for this Python will do"
            raise StackError(f"pictures cannot be decoded: {answer['error']}", where=str(channel.log), hint=hint)
        if answer.get("of") == "file":
            raise WorkerError(f"a loader process cannot begin: {answer['error']}", where=str(channel.log))
        if "error" in answer:
            raise DataError(answer["error"], hint="mend the hook in the manifest")

    @property
    def channels(self) -> Sequence[Channel]:
        """The processes' channels, for a selector."""
        return self._channels

    def load(self, slot: int, items: Sequence[tuple[int, int, str]]) -> None:
        """Ask for pictures: (place in the slot, row of the evaluation, path) each."""
        for first in range(0, len(items), _CHUNK):
            self._waiting.append((slot, list(items[first : first + _CHUNK])))
        self._feed()

    def load_all(self, paths: Sequence[str]) -> Iterator[Loaded]:
        """Load every picture into a slot of its own, and give what became of each as it comes.

        Raises:
            WorkerError: A process is gone.
        """
        for row, path in enumerate(paths):
            self.load(row, [(0, row, path)])
        left = len(paths)
        with selectors.DefaultSelector() as selector:
            for channel in self._channels:
                selector.register(channel, selectors.EVENT_READ, channel)
            while left:
                for key, _ in selector.select():
                    for loaded in self.receive(key.data):
                        left -= 1
                        yield loaded

    def _feed(self) -> None:
        for channel in self._channels:
            while self._waiting and self._given[channel.fileno()] < _AHEAD:
                slot, items = self._waiting.popleft()
                self._given[channel.fileno()] += 1
                channel.send(json.dumps({"slot": slot, "items": items}, separators=(",", ":")).encode() + b"\n")

    def receive(self, channel: Channel) -> Iterator[Loaded]:
        """What one process has finished.

        Raises:
            WorkerError: The process is gone; what it had been given is lost.
        """
        lines = channel.receive()
        if lines is None:
            raise _death("a loader process died", channel)
        for line in lines:
            answer = json.loads(line)
            self._given[channel.fileno()] -= 1
            self._feed()
            for row, begin, end, error, oddity in answer["items"]:
                yield Loaded(answer["slot"], row, begin, end, error, oddity)

    def postprocess(self, outputs: Sequence[Path], count: int, to: Path, output: int = 0) -> None:
        """Run the postprocess hooks over stored outputs.

        Args:
            outputs: The .npy files of all outputs, shape [count, ...] each.
            count: Samples.
            to: The .npy file that is made: scores, shape [count, classes], float32.
            output: The output that holds the scores where no ``postprocess`` hook makes them.

        Raises:
            DataError: A hook failed.
            WorkerError: The process is gone.
        """
        channel = self._channels[0]
        task = {"outputs": [str(path) for path in outputs], "count": count, "to": str(to), "output": output}
        channel.send(json.dumps(task).encode() + b"\n")
        answer = None
        while answer is None:  # pictures that an interrupted run had asked for may come first
            lines = channel.receive()
            if lines is None:
                raise _death("a loader process died", channel)
            answer = next((each for each in map(json.loads, lines) if "items" not in each), None)
        if error := answer["error"]:
            raise DataError(error, where=str(channel.log), hint="mend the hook in the manifest")

    def close(self) -> None:
        """End the processes."""
        for channel in self._channels:
            channel.close(timeout_s=2.0)
        self._channels = []


def _death(what: str, channel: Channel) -> WorkerError:
    tail = channel.tail(1)
    return WorkerError(what, where=str(channel.log), hint=f"its log ends with: {tail}" if tail else None)
