"""Operations and bytes of layers: those of the model's nodes that they stand for, kept with the run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.analyses._flops import NodeWork, graph_work
from mlscope.errors import StoreError
from mlscope.results import Evaluation

__all__ = ["WORK_FILE", "ModelWork", "Work", "graph_work_json", "read_work"]

WORK_FILE = "graph-work.json"
"""In the folder of a run that was traced to its layers: what each node of its ONNX graph computes and moves."""


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """What a layer computes and moves."""

    flops: int
    bytes: int

    @property
    def intensity(self) -> float | None:
        """FLOPs a byte."""
        return self.flops / self.bytes if self.bytes else None


@dataclasses.dataclass(frozen=True, slots=True)
class ModelWork:
    """What the nodes of a model compute and move in one call."""

    batch_size: int
    nodes: Mapping[str, NodeWork]
    readers: Mapping[str, int]
    """Tensor → how many nodes read it."""

    @classmethod
    def of(cls, batch_size: int, nodes: Sequence[NodeWork]) -> ModelWork:
        """Of the nodes of a graph."""
        readers: dict[str, int] = {}
        for node in nodes:
            for name in node.reads:
                readers[name] = readers.get(name, 0) + 1
        return cls(batch_size, {node.name: node for node in nodes}, readers)

    def of_layer(self, names: Iterable[str]) -> Work | None:
        """Of a layer that stands for these nodes; None where one of their shapes is unknown, or none is known at all.

        A tensor that only the layer's own nodes read never leaves it and is not counted. Nodes that compute nothing but
        shapes are not known and count nothing.
        """
        nodes = [self.nodes[name] for name in names if name in self.nodes]
        if not nodes or any(node.flops is None for node in nodes):
            return None
        written = {name: size for node in nodes for name, size in node.writes.items()}
        read = {name: size for node in nodes for name, size in node.reads.items()}
        inside = {name: sum(name in node.reads for node in nodes) for name in written}
        moved = [size for name, size in read.items() if name not in written]
        moved += [
            size for name, size in written.items() if not self.readers.get(name) or inside[name] < self.readers[name]
        ]
        if None in moved:
            return None
        weights = sum(node.weight_bytes for node in nodes)
        return Work(sum(node.flops or 0 for node in nodes), weights + sum(size or 0 for size in moved))


def graph_work_json(path: Path, batch_size: int) -> str:
    """What every node of an ONNX graph computes and moves, as :data:`WORK_FILE` holds it.

    Raises:
        ModelError: The file is no ONNX graph, or a node's shapes contradict each other.
    """
    nodes = [dataclasses.asdict(node) for node in graph_work(path, batch_size)]
    return json.dumps({"batch_size": batch_size, "nodes": nodes}) + "\n"


def read_work(run: Evaluation) -> ModelWork | None:
    """What the nodes of a run's model compute and move; None where the run does not tell.

    Raises:
        StoreError: The file is damaged.
    """
    if WORK_FILE not in {entry.path for entry in run.record.files}:
        return None
    with run.open(WORK_FILE) as file:
        try:
            found: dict[str, Any] = json.load(file)
            return ModelWork.of(int(found["batch_size"]), [NodeWork(**node) for node in found["nodes"]])
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{WORK_FILE} is damaged", where=run.record.id) from error
