"""Profiles of OpenVINO: performance counters, means over all inferences of an infer request, without starts.

The first inference is taken out of the means. Layers are laid out one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.analyses.profiles._events import Event, Profile, Run, read_json
from mlscope.analyses.profiles._fusion import account_by_names

__all__ = ["parse"]


def parse(folder: Path, notes: Mapping[str, Any], model: Path | None) -> Profile:
    """Read all infer requests of a worker; see :func:`mlscope.analyses.profiles.read_profile`."""
    profile = Profile("openvino", [])
    graph = {layer["name"]: layer for layer in read_json(folder / "graph.json", list)}
    for entry in notes["files"]:
        counters = read_json(folder / entry["name"], dict)
        if counters["calls"] < 2:
            continue
        told = _means(counters)
        names = [_names(name, graph.get(name, {})) for name, _, _ in told]
        nodes, profile.folded = account_by_names(model, names) if model else ([()] * len(told), ())
        run = Run(0, 0, int(entry["stream"]), mean_of=counters["calls"] - 1)
        for (name, kind, mean_ns), own in zip(told, nodes, strict=True):
            layer = graph.get(name, {})
            run.events.append(
                Event(
                    name=name,
                    type=kind,
                    begin_ns=run.end_ns,
                    end_ns=run.end_ns + mean_ns,
                    input_shapes=" ".join(layer.get("inputs", ())),
                    output_shapes=" ".join(layer.get("outputs", ())),
                    nodes=tuple(own),
                )
            )
            run.end_ns += mean_ns
        profile.runs.append(run)
    return profile


def _means(counters: Mapping[str, Any]) -> Sequence[tuple[str, str, int]]:
    """Name, type and mean of each layer that ran, nanoseconds, without the first inference."""
    calls = counters["calls"]
    first = {layer["name"]: layer["mean_us"] for layer in counters["first"]}
    return [
        (
            layer["name"],
            layer["type"],
            max(0, round(1000 * (layer["mean_us"] * calls - first.get(layer["name"], 0.0)) / (calls - 1))),
        )
        for layer in counters["layers"]
        if layer["ran"]
    ]


def _names(name: str, layer: Mapping[str, Any]) -> list[str]:
    """Of the model's nodes that a layer stands for, as OpenVINO calls them."""
    listed = str(layer.get("originalLayersNames", ""))
    return [each for each in listed.split(",") if each] or [name]
