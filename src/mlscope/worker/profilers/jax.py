"""JAX's own profiler (jax.profiler): what the threads of the host did in the first calls, by steps of XLA's program.

It is the profiler of TensorFlow too; its clock is the system's.
"""

from __future__ import annotations

import time
from typing import Any

import jax

from mlscope.worker.predictors import Predict
from mlscope.worker.profilers import Notes, first_calls, keep_xspace

__all__ = ["Profiler"]

_MOST_CALLS = 100
_PROGRAM = "program.txt"


class Profiler:
    """Profiles the calls of one compiled function.

    Args:
        folder: For what it writes.
    """

    def __init__(self, folder: str) -> None:
        self._running = False
        self._notes = Notes(folder, "jax", jax.__version__, time.time_ns)
        self._notes.save()

    def watch(self, program: str, predict: Predict) -> Predict:
        """What runs a call from now on; `program` is the text of the program that XLA made."""
        with open(self._notes.path(_PROGRAM), "w", encoding="utf-8") as file:
            file.write(program)
        jax.profiler.start_trace(self._notes.folder, **_without_python())
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
            jax.profiler.stop_trace()
            keep_xspace(self._notes)


def _without_python() -> dict[str, Any]:
    """Older versions trace every function of Python, too."""
    if not hasattr(jax.profiler, "ProfileOptions"):
        return {}
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    return {"profiler_options": options}
