"""MXNet's own profiler (mx.profiler): every operator of the first calls, in the form of Chrome's traces.

The executor runs operators in bulk unless it is told not to, and a bulk would be one event. Its clock is the system's.
"""

from __future__ import annotations

import os
import time
from typing import Any

from mlscope.worker.predictors import Predict
from mlscope.worker.profilers import Notes, first_calls

__all__ = ["Profiler"]

_MOST_CALLS = 200
_TRACE = "trace.json"


class Profiler:
    """Profiles the calls of one executor.

    Args:
        folder: For what it writes.
        mx: MXNet; nothing was bound yet.
    """

    def __init__(self, folder: str, mx: Any) -> None:
        self._mx, self._running = mx, False
        self._notes = Notes(folder, "mxnet", mx.__version__, time.time_ns)
        self._notes.file(_TRACE, 0)
        self._notes.save()
        os.environ["MXNET_EXEC_BULK_EXEC_INFERENCE"] = "0"
        mx.profiler.set_config(
            filename=self._notes.path(_TRACE), profile_symbolic=True, profile_imperative=True, profile_memory=True
        )

    def watch(self, executor: Any, arrays: dict[str, Any], predict: Predict) -> Predict:
        """Write down the graph that an executor runs; returns what runs a call from now on.

        Args:
            executor: It is bound.
            arrays: What it is bound to, by name.
            predict: Runs a call.
        """
        symbol = executor.get_optimized_symbol()
        symbol.save(self._notes.path("graph.json"))
        inside = symbol.get_internals()
        given = {name: arrays[name].shape for name in symbol.list_inputs() if name in arrays}
        _, shapes, _ = inside.infer_shape_partial(**given)
        self._notes.set(shapes=dict(zip(inside.list_outputs(), shapes or ())))
        self._mx.nd.waitall()
        self._running = True
        self._mx.profiler.set_state("run")
        return first_calls(predict, self._notes, _MOST_CALLS, self._stop)

    def close(self) -> None:
        """Write the profile."""
        self._stop()
        self._mx.profiler.dump(True)
        self._notes.save()

    def _stop(self) -> None:
        if self._running:
            self._running = False
            self._mx.profiler.set_state("stop")
            self._notes.pair()
