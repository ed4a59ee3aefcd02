"""Profiles of PyTorch: JSON in the form of Chrome's traces, microseconds since a base time of the system's clock.

The operators that a call begins itself are its layers; those that they begin are parts of them. Of an exported program,
layers are called like its nodes: both come in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.analyses.profiles._events import BrokenProfile, Clock, Event, Profile, Run

__all__ = ["parse"]


def parse(folder: Path, notes: Mapping[str, Any], model: Path | None) -> Profile:
    """Read the profile of a worker; see :func:`mlscope.analyses.profiles.read_profile`."""
    clock = Clock(notes["pairs"])
    try:
        trace = json.loads((folder / "trace.json").read_bytes())
        found = [event for event in trace["traceEvents"] if event.get("ph") == "X"]
    except OSError as error:
        raise BrokenProfile("trace.json is missing; the worker ended before it was written") from error
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenProfile("trace.json was cut off") from error
    base_ns = int(trace.get("baseTimeNanoseconds", 0))
    runs = _runs(found, str(notes["call"]), clock, base_ns)
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


def _runs(found: Sequence[Mapping[str, Any]], call: str, clock: Clock, base_ns: int) -> list[Run]:
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
            events.append(Event(name, name, begin, end, thread, holds_others=True, input_shapes=shapes))
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
