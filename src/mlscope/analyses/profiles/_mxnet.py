"""Profiles of MXNet: JSON in the form of Chrome's traces, microseconds of the system's clock, begin and end apart.

An event has the operator's type and no name. The engine runs a node as soon as what it needs is there, so each event
is the node of its type that has waited longest (:class:`_Graph`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.analyses.profiles._events import Clock, Event, Profile, called, read_json

__all__ = ["parse"]

_TYPE = re.compile(r"[\w.]+")
_THREADS = 1 << 31
"""Ids of threads are hashes of 64 bits; this much of them tells threads apart."""


def parse(folder: Path, notes: Mapping[str, Any], model: Path | None) -> Profile:
    """Read the profile of a worker; see :func:`mlscope.analyses.profiles.read_profile`."""
    clock = Clock(notes["pairs"])
    trace = read_json(folder / "trace.json", dict)
    graph = _Graph(read_json(folder / "graph.json", dict), notes.get("shapes", {}))
    runs = called(notes, _events(trace["traceEvents"], clock))
    for run in runs:
        graph.settle(run.events)
    profile = Profile("mxnet", runs, most_calls=notes.get("most_calls"))
    if clock.jumped:
        profile.warnings.append("the system's clock was set during the run: layers may lie in the wrong calls")
    if model:
        found = {name for run in runs for event in run.events for name in event.nodes}
        nodes = _operators(read_json(model, dict))
        profile.folded = tuple(node["name"] for node in nodes if node["name"] not in found)
    return profile


def _events(found: Iterable[Mapping[str, Any]], clock: Clock) -> list[Event]:
    """Each begin with its end, which follows on the same thread."""
    open_: dict[tuple[Any, Any, str], list[int]] = {}
    events = []
    for item in found:
        if item.get("cat") != "operator" or item.get("ph") not in ("B", "E"):
            continue
        name = str(item["name"])
        key = item.get("pid"), item.get("tid"), name
        if item["ph"] == "B":
            open_.setdefault(key, []).append(int(item["ts"]))
        elif open_.get(key):
            begin = clock.run_ns(1000 * open_[key].pop())
            end = clock.run_ns(1000 * int(item["ts"]))
            kind = _TYPE.match(name)
            thread = int(item.get("tid", 0)) % _THREADS
            events.append(Event(name, kind.group() if kind else name, begin, max(begin, end), thread))
    return events


@dataclasses.dataclass(slots=True)
class _Node:
    name: str
    type: str
    needs: frozenset[int]
    nodes: tuple[str, ...]
    input_shapes: str
    output_shapes: str


class _Graph:
    """The graph that was run.

    Args:
        symbol: The optimised symbol's JSON.
        shapes: Output → shape.
    """

    def __init__(self, symbol: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> None:
        self._nodes: dict[int, _Node] = {}
        listed = symbol["nodes"]
        for number, node in enumerate(listed):
            if node["op"] == "null":
                continue
            sources = [int(source[0]) for source in node.get("inputs", ())]
            inside = [each["name"] for graph in node.get("subgraphs", ()) for each in _operators(graph)]
            fed = [_shape(shapes, listed[source]) for source in sources]
            self._nodes[number] = _Node(
                str(node["name"]),
                str(node["op"]),
                frozenset(source for source in sources if listed[source]["op"] != "null"),
                tuple(inside) or (str(node["name"]),),
                " ".join(filter(None, fed)),
                _shape(shapes, node),
            )

    def settle(self, events: list[Event]) -> None:
        """Give the events of one call, in the order of their execution, names and nodes.

        What the engine does besides the graph's nodes (it waits, copies, frees) is taken out.
        """
        types = {node.type for node in self._nodes.values()}
        done: set[int] = set()
        waiting = [number for number, node in self._nodes.items() if not node.needs]
        kept = []
        for event in events:
            number = next((each for each in waiting if self._nodes[each].type == event.type), None)
            if number is None:
                if event.type in types:
                    kept.append(event)
                continue
            node = self._nodes[number]
            event.name, event.nodes = node.name, node.nodes
            event.input_shapes, event.output_shapes = node.input_shapes, node.output_shapes
            kept.append(event)
            done.add(number)
            waiting.remove(number)
            for other, each in self._nodes.items():
                if number in each.needs and each.needs <= done:
                    waiting.append(other)
        events[:] = kept


def _operators(graph: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [node for node in graph["nodes"] if node["op"] != "null"]


def _shape(shapes: Mapping[str, Sequence[int]], node: Mapping[str, Any]) -> str:
    """Of what a node gives first."""
    name = str(node["name"])
    found = shapes.get(name) or next((shapes[each] for each in shapes if each.startswith(f"{name}_output")), None)
    return f"[{','.join(map(str, found))}]" if found else ""
