"""Which nodes of an ONNX model became which node of the graph that was really run.

A tensor that survives an optimisation keeps its name. So a node that was run stands for all nodes of the model between
the tensors that it gives and those that other nodes that were run give. The layout optimiser gives its tensors new
names, but names the node after the tensor (``r1_nchwc``). What is left over was either computed from constants alone
(folded) or taken into the node that gives its input, or takes its output (fused).
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.analyses.profiles._events import Event

__all__ = ["Fusion", "account", "account_by_names"]

_LAYOUT = "_nchwc"


@dataclasses.dataclass(frozen=True, slots=True)
class Fusion:
    """Every node of the model, exactly once: in a layer, or folded."""

    nodes: Mapping[tuple[str, str, int], tuple[str, ...]]
    """Layer (its name, or nothing where it has none; its type; which of those that are called so) → nodes of the
    model, in their order; none for one that was added."""
    folded: tuple[str, ...]

    def settle(self, events: Sequence[Event]) -> None:
        """Write into the layers of one call, in the order of their execution, which nodes they stand for."""
        named = {name for name, _, _ in self.nodes}
        seen: Counter[tuple[str, str]] = Counter()
        until = -1
        for event in events:
            if event.begin_ns < until:
                continue  # part of a loop or branch, which is one node
            key = event.name if event.name in named else "", event.type
            event.nodes = self.nodes.get((*key, seen[key]), ())
            seen[key] += 1
            if event.holds_others:
                until = event.end_ns


@dataclasses.dataclass(slots=True)
class _Node:
    name: str
    label: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def account(model: Path, run: Path) -> Fusion | None:
    """Compare a model with the graph that was run; None where one of them cannot be read.

    Args:
        model: The ONNX file.
        run: The ONNX file that the framework wrote of it.
    """
    before, after = _load(model), _load(run)
    if before is None or after is None:
        return None
    nodes = _nodes(before)
    made = {value: number for number, node in enumerate(nodes) for value in node.outputs}
    owner: dict[int, int] = {}
    layers = _nodes(after)
    given = {value for layer in layers for value in _given(layer, made)}
    for place, layer in enumerate(layers):  # in the order of execution: a node belongs to the first that needs it
        owner |= dict.fromkeys(_walk(layer, nodes, made, given, owner), place)
    constant = _constant(nodes, _fed(before))
    _settle(nodes, made, owner, constant, given)
    found: list[list[str]] = [[] for _ in layers]
    for number, node in enumerate(nodes):
        if number in owner:
            found[owner[number]].append(node.label)
    folded = tuple(node.label for number, node in enumerate(nodes) if number not in owner)
    seen: Counter[tuple[str, str]] = Counter()
    keyed = {}
    for layer, labels in zip(layers, found, strict=True):
        keyed[layer.name, layer.type, seen[layer.name, layer.type]] = tuple(labels)
        seen[layer.name, layer.type] += 1
    return Fusion(keyed, folded)


def account_by_names(model: Path, layers: Sequence[Collection[str]]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """For each layer the nodes of a model that it stands for, from names that the framework tells; and what was folded.

    A name is a node's, or that of a tensor that it gives; a framework may have put something behind it
    (``conv1/WithoutBiases``, ``conv1_1``). Of a model that is no ONNX file, the names are the nodes.

    Args:
        model: The model's file.
        layers: Names of each layer, in the order of execution.
    """
    graph = _load(model)
    if graph is None or not len(graph.node):
        return [tuple(names) for names in layers], ()
    nodes = _nodes(graph)
    made = {value: number for number, node in enumerate(nodes) for value in node.outputs}
    known = made | {node.name: number for number, node in enumerate(nodes) if node.name}
    owner: dict[int, int] = {}
    for place, names in enumerate(layers):
        for name in names:
            found = next((known[each] for each in _stems(name) if each in known), None)
            if found is not None:
                owner.setdefault(found, place)
    _settle(nodes, made, owner, _constant(nodes, _fed(graph)), set())
    labels = [tuple(nodes[at].label for at in sorted(owner) if owner[at] == place) for place in range(len(layers))]
    return labels, tuple(node.label for number, node in enumerate(nodes) if number not in owner)


def _stems(name: str) -> Iterable[str]:
    """A name, then without what a framework may have put behind it."""
    yield name
    whole = name.partition("/WithoutBiases")[0]
    yield whole
    yield re.sub(r"_\d+$", "", whole)


def _load(path: Path) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(str(path), load_external_data=False).graph
    except (OSError, DecodeError, ValueError):
        return None


def _nodes(graph: Any) -> list[_Node]:
    """Nodes with names, which ONNX leaves optional: then the type and what it gives."""
    return [
        _Node(
            node.name,
            node.name or f"{node.op_type} -> {', '.join(node.output)}",
            node.op_type,
            (*filter(None, node.input), *_outer(node)),
            tuple(filter(None, node.output)),
        )
        for node in graph.node
    ]


def _outer(node: Any) -> Iterable[str]:
    """Names that the graphs of a loop or branch read, its own among them (which are nobody else's)."""
    for attribute in node.attribute:
        for inner in [attribute.g, *attribute.graphs]:
            for each in inner.node:
                yield from filter(None, each.input)
                yield from _outer(each)


def _given(layer: _Node, known: Collection[str]) -> list[str]:
    """The model's tensors that a layer gives."""
    values = [value for value in layer.outputs if value in known]
    if not values and layer.name.endswith(_LAYOUT):
        named = layer.name.removesuffix(_LAYOUT)
        values = [named] if named in known else []
    return values


def _walk(
    layer: _Node, nodes: Sequence[_Node], made: Mapping[str, int], given: set[str], owner: Mapping[int, int]
) -> set[int]:
    """The nodes between the tensors that a layer gives and those that others give, or that it is given itself."""
    needed, found = set(layer.inputs), set[int]()
    waiting = [(value, True) for value in _given(layer, made)]
    while waiting:
        value, first = waiting.pop()
        number = made.get(value)
        if number is None or number in owner or number in found or (not first and (value in given or value in needed)):
            continue
        found.add(number)
        waiting += [(each, False) for each in nodes[number].inputs]
    return found


def _fed(graph: Any) -> set[str]:
    """What is different in each call: the inputs that are no initializers."""
    return {value.name for value in graph.input} - {value.name for value in graph.initializer}


def _constant(nodes: Sequence[_Node], fed: set[str]) -> set[int]:
    """Nodes that depend on constants alone; nodes stand in an order in which they can be run."""
    varying, constant = set(fed), set()
    for number, node in enumerate(nodes):
        if varying.isdisjoint(node.inputs):
            constant.add(number)
        else:
            varying.update(node.outputs)
    return constant


def _settle(
    nodes: Sequence[_Node], made: Mapping[str, int], owner: dict[int, int], constant: set[int], given: set[str]
) -> None:
    """Constants are folded, unless they are run; another goes to what gives its input, or takes its output."""
    for number in constant & owner.keys():
        if given.isdisjoint(nodes[number].outputs):
            del owner[number]
    for number, node in enumerate(nodes):
        if number in owner or number in constant:
            continue
        before = (made[value] for value in node.inputs if value in made)
        found = next((owner[each] for each in before if each in owner), None)
        if found is not None:
            owner[number] = found
    for number in reversed(range(len(nodes))):
        if number in owner or number in constant:
            continue
        takers = (other for other, node in enumerate(nodes) if set(node.inputs) & set(nodes[number].outputs))
        found = next((owner[each] for each in takers if each in owner), None)
        if found is not None:
            owner[number] = found
