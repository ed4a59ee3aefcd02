"""TensorFlow's own profiler (tf.profiler): what the threads of the host did in the first calls, operator by operator.

It is the profiler of XLA and JAX too; its clock is the system's.
"""

from __future__ import annotations

import time
from typing import Any

from mlscope.worker.predictors import Predict
from mlscope.worker.profilers import Notes, first_calls, keep_xspace

__all__ = ["Profiler"]

_MOST_CALLS = 100
_VERBOSE = 3
"""Of the host tracer: cheap operators too."""


class Profiler:
    """Profiles the calls of one function.

    Args:
        folder: For what it writes.
        tf: TensorFlow.
    """

    def __init__(self, folder: str, tf: Any) -> None:
        self._tf, self._running = tf, False
        self._notes = Notes(folder, "tensorflow", tf.__version__, time.time_ns)
        self._notes.save()

    def watch(self, predict: Predict) -> Predict:
        """What runs a call from now on."""
        profiler = self._tf.profiler.experimental
        options = profiler.ProfilerOptions(host_tracer_level=_VERBOSE, python_tracer_level=0, device_tracer_level=0)
        profiler.start(self._notes.folder, options)
        self._running = True
        return first_calls(predict, self._notes, _MOST_CALLS, self._stop)

    def close(self) -> None:
        """Write the profile."""
        self._stop()
        self._notes.save()

    def _stop(self) -> None:
        if self._running:
            self._running = False
            self._notes.pair()
            self._tf.profiler.experimental.stop()
            keep_xspace(self._notes)
