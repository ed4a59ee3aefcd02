"""ONNX Runtime's session profiling, and the graph that it really runs.

The profiler keeps its events in memory and writes them when it is ended, and it cannot be begun again, so it is ended
after some calls. Its clock is the system's (``CLOCK_REALTIME``) on Linux.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Callable

import onnxruntime

from mlscope.worker.profilers import Notes

__all__ = ["Profiler"]

Run = Callable[[Any, Any], Any]

_MOST_CALLS = 1000
_MOST_EVENTS = 40_000
_NODE_BYTES = 200
"""Of a node in a graph file without weights, about."""
_GRAPH, _WEIGHTS = "graph.onnx", "graph.weights"
_EXTERNAL = "session.optimized_model_external_initializers"


class Profiler:
    """Profiles every session of a model: one file each."""

    def __init__(self, folder: str) -> None:
        self._notes = Notes(folder, "onnxruntime", onnxruntime.__version__, time.time_ns)
        self._open: dict[int, tuple[Any, dict[str, Any]]] = {}

    def prepare(self, options: Any, number: int) -> None:
        """Set a session's options, before it is made; the first one writes the graph down that it will run."""
        options.enable_profiling = True
        options.profile_file_prefix = self._notes.path(f"session-{number}")
        if not number:
            options.optimized_model_filepath = self._notes.path(_GRAPH)
            options.add_session_config_entry(f"{_EXTERNAL}_file_name", _WEIGHTS)
            options.add_session_config_entry(f"{_EXTERNAL}_min_size_in_bytes", "64")

    def watch(self, session: Any, number: int) -> Run:
        """What runs this session from now on; after some calls its profile is written."""
        start_ns = session.get_profiling_start_time_ns()
        if not number:
            with contextlib.suppress(FileNotFoundError):  # the weights are in the model's own file
                os.unlink(self._notes.path(_WEIGHTS))
            self._limit = self._calls()
            now, steady = time.time_ns(), time.perf_counter_ns()
            clock = "system" if abs(now - start_ns) < abs(steady - start_ns) else "steady"
            self._notes.set(graph=_GRAPH, clock=clock, most_calls=self._limit)
        entry = self._notes.file(f"session-{number}.json", number, start_ns=start_ns)
        self._open[number] = session, entry
        self._notes.save()
        left = self._limit

        def run(outputs: Any, feeds: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0 and number in self._open:
                self._end(number)
            return session.run(outputs, feeds)

        return run

    def close(self) -> None:
        """Write the profiles that are still open."""
        for number in list(self._open):
            self._end(number)
        self._notes.pair()
        self._notes.save()

    def _calls(self) -> int:
        size = os.path.getsize(self._notes.path(_GRAPH))
        return max(10, min(_MOST_CALLS, _MOST_EVENTS * _NODE_BYTES // max(size, 1)))

    def _end(self, number: int) -> None:
        session, entry = self._open.pop(number)
        os.replace(session.end_profiling(), self._notes.path(entry["name"]))
        self._notes.pair()
        self._notes.save()
