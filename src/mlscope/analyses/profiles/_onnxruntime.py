"""Profiles of ONNX Runtime: JSON in the form of Chrome's traces, microseconds since the session's profiling began.

Events of category ``Node`` are layers; a ``model_run`` of ``Session`` is a call. A fused node is named after what it
gives (``r1_nchwc``) or after one of its parts, so nodes are found in the graph that was really run (`_fusion`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.analyses.profiles._events import BrokenProfile, Clock, Event, Profile, Run
from mlscope.analyses.profiles._fusion import account

__all__ = ["parse"]

_KERNEL = "_kernel_time"
_HOLDERS = frozenset(("If", "Loop", "Scan", "BeamSearch", "GreedySearch", "Sampling"))


def parse(folder: Path, notes: Mapping[str, Any], model: Path | None) -> Profile:
    """Read all sessions of a worker; see :func:`mlscope.analyses.profiles.read_profile`."""
    steady = notes.get("clock") == "steady"
    clock = Clock([(0, 0)] if steady else notes["pairs"])
    profile = Profile("onnxruntime", [], most_calls=notes.get("most_calls"))
    fusion = account(model, folder / str(notes.get("graph", "graph.onnx"))) if model else None
    profile.folded = fusion.folded if fusion else ()
    if clock.jumped:
        profile.warnings.append("the system's clock was set during the run: layers were put into their calls in order")
    for entry in notes["files"]:
        try:
            events = _events(folder / entry["name"])
        except BrokenProfile as error:
            profile.warnings.append(f"{entry['name']}, a profile of layers, cannot be read: {error}")
            continue
        begin_ns = int(entry["start_ns"])
        runs = _runs(events, clock, begin_ns, int(entry["stream"]))
        for run in runs:
            run.events.sort(key=lambda event: (event.begin_ns, not event.holds_others))
            if fusion:
                fusion.settle(run.events)
        profile.runs += runs
    profile.runs.sort(key=lambda run: run.begin_ns)
    return profile


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise BrokenProfile("it is missing; the worker ended before it was written") from error
    except ValueError as error:
        raise BrokenProfile("it was cut off") from error
    if not isinstance(found, list):
        raise BrokenProfile("it holds no events")
    return [event for event in found if isinstance(event, dict) and event.get("ph") == "X" and "dur" in event]


def _runs(
    events: Sequence[Mapping[str, Any]],
    clock: Clock,
    start_ns: int,
    stream: int,
) -> list[Run]:
    """The calls of one session; a layer belongs to the call in which it lies, of its own thread if there are several.

    Times are whole microseconds, cut off: two events that touch stay apart.
    """
    runs: list[Run] = []
    waiting: list[tuple[int, Event]] = []
    for event in events:
        thread = int(event.get("tid", 0))
        begin = clock.run_ns(start_ns + 1000 * int(event["ts"]))
        end = begin + 1000 * int(event["dur"])
        if event.get("cat") == "Node" and str(event["name"]).endswith(_KERNEL):
            waiting.append((thread, _layer(event, begin, end, thread)))
        elif event["name"] == "model_run":  # comes after its layers
            run = Run(begin, end, stream, thread)
            inside = [pair for pair in waiting if begin <= pair[1].begin_ns and pair[1].end_ns <= end + 1000]
            mine = [pair for pair in inside if pair[0] == thread] or inside
            taken = {id(pair) for pair in mine}
            waiting = [pair for pair in waiting if id(pair) not in taken and pair[1].begin_ns >= begin]
            run.events = [pair[1] for pair in mine]
            runs.append(run)
    return runs


def _layer(event: Mapping[str, Any], begin: int, end: int, thread: int) -> Event:
    told = event.get("args") or {}
    name = str(event["name"])[: -len(_KERNEL)]
    kind = str(told.get("op_name", ""))
    size = str(told.get("output_size"))
    return Event(
        name=name or f"{kind} {told.get('node_index', '')}".strip(),
        type=kind,
        begin_ns=begin,
        end_ns=end,
        thread=thread,
        holds_others=kind in _HOLDERS,
        input_shapes=_shapes(told.get("input_type_shape")),
        output_shapes=_shapes(told.get("output_type_shape")),
        allocated_bytes=int(size) if size.isdigit() else None,
        dispatch=_dispatch(told.get("thread_scheduling_stats")),
    )


def _dispatch(told: Any) -> dict[str, Any]:
    """What the pool of threads says of a node: microseconds of the calling thread, and how much the others took."""
    if not isinstance(told, dict) or not isinstance(main := told.get("main_thread"), dict):
        return {}
    found: dict[str, Any] = {
        f"{_words(key)}_us": value for key, value in main.items() if isinstance(value, int) and key[:1].isupper()
    }
    others = told.get("sub_threads")
    if isinstance(others, dict):
        blocks = {thread: each.get("num_run") for thread, each in others.items() if isinstance(each, dict)}
        found |= {"blocks_of_other_threads": blocks} if blocks else {}
    return found | {"block_sizes": main["block_size"]} if main.get("block_size") else found


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _shapes(told: Any) -> str:
    if not isinstance(told, list):
        return ""
    return " ".join(
        f"{kind}[{','.join(map(str, shape))}]"
        for each in told
        if isinstance(each, dict)
        for kind, shape in each.items()
    )
