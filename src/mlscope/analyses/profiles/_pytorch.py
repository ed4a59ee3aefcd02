"""Profiles of PyTorch: JSON in the form of Chrome's traces, microseconds since a base time of the system's clock.

The operators that a call begins itself are its layers; those that they begin are parts of them. Of an exported program,
layers are called like its nodes: both come in the same order. What was allocated meanwhile is an operator's memory.
"""

from __future__ import annotations

import bisect
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.analyses.profiles._events import BrokenProfile, Clock, Event, Profile, Run

__all__ = ["parse"]

_MEMORY = "[memory]"


def parse(folder: Path, notes: Mapping[str, Any], model: Path | None) -> Profile:
    """Read the profile of a worker; see :func:`mlscope.analyses.profiles.read_profile`."""
    clock = Clock(notes["pairs"])
    try:
        trace = json.loads((folder / "trace.json").read_bytes())
        found = [event for event in trace["traceEvents"] if event.get("ph") == "X"]
        memory = _Memory(event for event in trace["traceEvents"] if event.get("name") == _MEMORY)
    except OSError as error:
        raise BrokenProfile("trace.json is missing; the worker ended before it was written") from error
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenProfile("trace.json was cut off") from error
    base_ns = int(trace.get("baseTimeNanoseconds", 0))
    runs = _runs(found, str(notes["call"]), clock, base_ns, memory)
    profile = Profile("pytorch", runs, most_calls=notes.get("most_calls"))
    if clock.jumped:
        profile.warnings.append("the system's clock was set during the run: layers may lie in the wrong calls")
    operators = _operators(folder / "graph.json")
    for run in profile.runs:
        _name(run.events, operators)
    if profile.runs:
        seen = {node for run in profile.runs for event in run.events for node in event.nodes}
        profile.folded = tuple(name for name, *_ in operators if name not in seen)
    return profile


class _Memory:
    """What each thread allocated, and when."""

    def __init__(self, found: Iterable[Mapping[str, Any]]) -> None:
        by_thread: dict[int, list[tuple[float, int]]] = {}
        for event in found:
            size = int(event["args"]["Bytes"])
            if size > 0:  # others are freed
                by_thread.setdefault(int(event["tid"]), []).append((float(event["ts"]), size))
        self._times = {thread: sorted(pairs) for thread, pairs in by_thread.items()}
        self._sums = {
            thread: [0, *itertools.accumulate(size for _, size in pairs)] for thread, pairs in self._times.items()
        }

    def allocated(self, thread: int, begin: float, end: float) -> int | None:
        """Bytes between two times of the profile; None where nothing is known of any thread."""
        if not self._times:
            return None
        times, sums = self._times.get(thread, []), self._sums.get(thread, [0])
        return sums[bisect.bisect_right(times, (end, 1 << 62))] - sums[bisect.bisect_left(times, (begin, 0))]


def _runs(found: Sequence[Mapping[str, Any]], call: str, clock: Clock, base_ns: int, memory: _Memory) -> list[Run]:
    runs = []
    events = []
    for item in found:
        if item["name"] != call and item.get("cat") != "cpu_op":
            continue
        begin = clock.run_ns(base_ns + round(1000 * float(item["ts"])))
        end = begin + round(1000 * float(item["dur"]))
        thread = int(item["tid"])
        if item["name"] == call:
            runs.append(Run(begin, end, 0, thread))
        else:
            told = item.get("args") or {}
            name = str(item["name"])
            shapes = _shapes(told.get("Input type", ()), told.get("Input Dims", ()))
            first = float(item["ts"])
            taken = memory.allocated(thread, first, first + float(item["dur"]))
            events.append(
                Event(name, name, begin, end, thread, holds_others=True, input_shapes=shapes, allocated_bytes=taken)
            )
    runs.sort(key=lambda run: run.begin_ns)
    by_thread: dict[int, list[Run]] = {}
    for run in runs:
        by_thread.setdefault(run.thread, []).append(run)
    for event in sorted(events, key=lambda event: (event.begin_ns, -event.end_ns)):
        mine = by_thread.get(event.thread, [])
        while mine and mine[0].end_ns <= event.begin_ns:
            mine.pop(0)
        if mine and mine[0].begin_ns <= event.begin_ns:
            mine[0].events.append(event)
    return runs


def _shapes(types: Sequence[str], sizes: Sequence[Sequence[Any]]) -> str:
    """Of the tensors among an operator's inputs; a list of tensors has lists of sizes."""
    pairs = zip(types, sizes, strict=False)
    return " ".join(
        f"{kind}[{','.join(map(str, shape))}]"
        for kind, shape in pairs
        if kind and not kind.startswith("Scalar") and all(isinstance(size, int) for size in shape)
    )


def _operators(path: Path) -> list[tuple[str, str, str]]:
    try:
        return [(str(name), str(operator), str(shape)) for name, operator, shape in json.loads(path.read_bytes())]
    except (OSError, ValueError):
        return []  # TorchScript


def _name(events: Sequence[Event], operators: Sequence[tuple[str, str, str]]) -> None:
    """Give the operators that a call began itself the names of the program's nodes."""
    place, until = 0, -1
    for event in events:
        if event.begin_ns < until:
            continue
        until = event.end_ns
        for at in range(place, len(operators)):
            name, operator, shape = operators[at]
            if operator == event.type:
                event.name, event.nodes, event.output_shapes, place = name, (name,), shape, at + 1
                break
