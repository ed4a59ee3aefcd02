"""What every framework's profile becomes, and the way from its clock to the run's."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["BrokenProfile", "Clock", "Event", "Profile", "Run", "called", "read_json", "read_notes"]

NOTES_FILE = "profile.json"
_JUMP_NS = 5_000_000


class BrokenProfile(Exception):
    """A profile cannot be read; the text says why."""


@dataclasses.dataclass(slots=True)
class Event:
    """A layer that was executed; times in nanoseconds of the run's clock."""

    name: str
    type: str
    begin_ns: int
    end_ns: int
    thread: int = 0
    holds_others: bool = False
    """Whether others may be part of it: a loop, a branch, a function."""
    input_shapes: str = ""
    output_shapes: str = ""
    allocated_bytes: int | None = None
    nodes: tuple[str, ...] = ()
    synthetic: bool = False
    duration_ns: int | None = None
    """Where it is not end minus begin."""
    dispatch: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """How its work was given to threads, as far as the profiler tells."""


@dataclasses.dataclass(slots=True)
class Run:
    """A call of the model as the profiler saw it, with its layers in the order of their execution."""

    begin_ns: int
    end_ns: int
    stream: int = 0
    thread: int = 0
    events: list[Event] = dataclasses.field(default_factory=list)
    mean_of: int = 0
    """The events are means of so many calls and have no start; 0: they are one call's."""


@dataclasses.dataclass(slots=True)
class Profile:
    """What a worker's profiler saw."""

    profiler: str
    runs: list[Run]
    warnings: list[str] = dataclasses.field(default_factory=list)
    folded: tuple[str, ...] = ()
    """Nodes of the model that are in no layer: computed while the model was loaded, or not needed."""
    most_calls: int | None = None
    """How many calls were profiled at most."""


class Clock:
    """From a profiler's clock to the run's, by times that were read together; straight lines between them."""

    def __init__(self, pairs: Sequence[Sequence[int]]) -> None:
        if not pairs:
            raise BrokenProfile("it has no times of both clocks")
        rising = [pairs[0]]
        rising += [pair for before, pair in itertools.pairwise(pairs) if pair[1] > before[1]]
        self._there = np.array([pair[1] for pair in rising], np.int64)
        self._offset = np.array([pair[0] - pair[1] for pair in rising], np.int64)
        offsets = [pair[0] - pair[1] for pair in pairs]
        self.jumped = max(offsets) - min(offsets) > _JUMP_NS or len(rising) < len(pairs)
        """Whether the profiler's clock was set while it was used."""

    def run_ns(self, there_ns: int) -> int:
        """The run's time of a time of the profiler."""
        base = self._offset[0]
        offset = np.interp(float(there_ns - self._there[0]), self._there - self._there[0], self._offset - base)
        return there_ns + int(base) + round(float(offset))


def read_notes(folder: Path) -> Mapping[str, Any]:
    """What the worker noted of its profile.

    Raises:
        BrokenProfile: There is nothing, or it was cut off.
    """
    try:
        notes = json.loads((folder / NOTES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenProfile(f"{NOTES_FILE} is missing or was cut off") from error
    if not isinstance(notes, dict) or not {"profiler", "pairs", "files"} <= notes.keys():
        raise BrokenProfile(f"{NOTES_FILE} is no worker's")
    return notes


def read_json(path: Path, kind: type[Any]) -> Any:
    """A raw file.

    Raises:
        BrokenProfile: It is missing, was cut off, or holds something else.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise BrokenProfile(f"{path.name} is missing; the worker ended before it was written") from error
    except ValueError as error:
        raise BrokenProfile(f"{path.name} was cut off") from error
    if not isinstance(found, kind):
        raise BrokenProfile(f"{path.name} is no worker's")
    return found


def called(notes: Mapping[str, Any], events: Iterable[Event]) -> list[Run]:
    """The calls that a worker timed itself, each with the events whose middle lies in it, in their order."""
    runs = [Run(int(begin), int(end)) for begin, end in notes.get("calls", ())]
    begins = np.array([run.begin_ns for run in runs], np.int64)
    for event in sorted(events, key=lambda event: (event.begin_ns, -event.end_ns)):
        middle = (event.begin_ns + event.end_ns) // 2
        place = int(np.searchsorted(begins, middle, "right")) - 1
        if place >= 0 and middle <= runs[place].end_ns:
            runs[place].events.append(event)
    return runs
