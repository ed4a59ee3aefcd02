"""OpenVINO's performance counters: the mean time of each layer over all inferences, without their starts.

Counters cannot be set back. What they said after the first inference, which sorts weights anew, is noted too, so
that it can be taken out.
"""

from __future__ import annotations

import json
import time
from typing import Any

import openvino

from mlscope.worker.predictors import Predict
from mlscope.worker.profilers import Notes

__all__ = ["Profiler"]

_SAID = ("layerType", "execType", "originalLayersNames", "runtimePrecision")


class Profiler:
    """Reads the counters of every infer request."""

    def __init__(self, folder: str) -> None:
        self._notes = Notes(folder, "openvino", openvino.__version__.split("-")[0], time.perf_counter_ns)
        self._requests: list[tuple[Any, dict[str, Any], str]] = []
        self._notes.save()

    def graph(self, compiled: Any) -> None:
        """Write down the layers that the compiled model has."""
        layers = []
        for item in compiled.get_runtime_model().get_ordered_ops():
            said = {key: item.rt_info[key].astype(str) for key in _SAID if key in item.rt_info}
            ports = {"inputs": list(map(_shape, item.inputs())), "outputs": list(map(_shape, item.outputs()))}
            layers.append({"name": item.get_friendly_name(), **said, **ports})
        with open(self._notes.path("graph.json"), "w", encoding="utf-8") as file:
            json.dump(layers, file)

    def watch(self, request: Any, predict: Predict, number: int) -> Predict:
        """What runs an infer request from now on: it counts the inferences."""
        name = f"request-{number}.json"
        counted: dict[str, Any] = {"calls": 0, "first": []}
        self._requests.append((request, counted, name))
        self._notes.file(name, number)

        def run(feeds: Any) -> Any:
            answers = predict(feeds)
            counted["calls"] += 1
            if counted["calls"] == 1:
                counted["first"] = _counters(request)
            return answers

        return run

    def close(self) -> None:
        """Write the counters."""
        for request, counted, name in self._requests:
            with open(self._notes.path(name), "w", encoding="utf-8") as file:
                json.dump({**counted, "layers": _counters(request) if counted["calls"] else []}, file)
        self._requests.clear()
        self._notes.save()


def _counters(request: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": item.node_name,
            "type": item.node_type,
            "kernel": item.exec_type,
            "ran": item.status == openvino.ProfilingInfo.Status.EXECUTED,
            "mean_us": item.real_time.total_seconds() * 1e6,
        }
        for item in request.get_profiling_info()
    ]


def _shape(port: Any) -> str:
    return f"{port.get_element_type().get_type_name()}[{','.join(map(str, port.get_partial_shape()))}]"
