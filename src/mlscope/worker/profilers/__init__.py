"""The frameworks' own profilers: switched on while the model is loaded, their raw files left in the run folder.

One file per framework, named like its predictor. Beside the raw files lies ``profile.json`` (:class:`Notes`), from
which the core learns what they are, and how the profiler's clock stands to that of the samples. Nothing is read here.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import Any, Callable

from mlscope.worker.predictors import Predict

__all__ = ["Notes", "first_calls", "keep_xspace"]

_TRIES = 5


class Notes:
    """What ``profile.json`` says; it is written at once, and again at the end, so that a crash leaves the beginning.

    Fields: ``profiler``, ``version``, ``pairs`` (times of ``perf_counter_ns`` and of the profiler's clock,
    nanoseconds, taken together), ``files`` (an object each, with at least ``name`` and ``stream``), and whatever else
    the profiler's file notes.
    """

    def __init__(self, folder: str, profiler: str, version: str, clock: Callable[[], int]) -> None:
        self.folder = folder
        self._clock = clock
        self._fields: dict[str, Any] = {"profiler": profiler, "version": version, "pairs": [], "files": []}
        os.makedirs(folder, exist_ok=True)
        self.pair()

    def pair(self) -> None:
        """Read both clocks: the closest of a few tries."""
        best = (-1, 0, 0)
        for _ in range(_TRIES):
            before = time.perf_counter_ns()
            there = self._clock()
            after = time.perf_counter_ns()
            if best[0] < 0 or after - before < best[0]:
                best = (after - before, (before + after) // 2, there)
        self._fields["pairs"].append(best[1:])

    def file(self, name: str, stream: int, **details: Any) -> dict[str, Any]:
        """Note a raw file; the object that is returned can be changed until the notes are saved."""
        entry = {"name": name, "stream": stream, **details}
        self._fields["files"].append(entry)
        return entry

    def set(self, **fields: Any) -> None:
        """Note anything else."""
        self._fields.update(fields)

    def path(self, name: str) -> str:
        """Of a file in the folder."""
        return os.path.join(self.folder, name)

    def save(self) -> None:
        """Write what is noted so far."""
        with open(self.path("profile.json"), "w", encoding="utf-8") as file:
            json.dump(self._fields, file, indent=1)


def first_calls(predict: Predict, notes: Notes, most: int, stop: Callable[[], None]) -> Predict:
    """What runs a call from now on: it notes begin and end of the first ones, then the profiler is stopped.

    For profilers that do not tell a call's operators from those of another. ``calls`` of the notes has the times,
    nanoseconds of the samples' clock.

    Args:
        predict: Runs a call; used by one thread at a time.
        notes: What it writes to.
        most: How many calls are profiled.
        stop: Stops the profiler; called before the call that is the first one too many.
    """
    calls: list[tuple[int, int]] = []
    notes.set(most_calls=most, calls=calls)
    running = True

    def run(feeds: Any) -> Any:
        nonlocal running
        if not running:
            return predict(feeds)
        if len(calls) == most:
            running = False
            stop()
            return predict(feeds)
        begin = time.perf_counter_ns()
        answers = predict(feeds)
        calls.append((begin, time.perf_counter_ns()))
        return answers

    return run


def keep_xspace(notes: Notes) -> None:
    """The one file that is read of those which the profiler of TensorFlow and XLA leaves: ``host.xplane.pb``."""
    left = notes.path("plugins")
    for folder, _, files in os.walk(left):
        for name in files:
            if name.endswith(".xplane.pb"):
                os.replace(os.path.join(folder, name), notes.path("host.xplane.pb"))
                notes.file("host.xplane.pb", 0)
    shutil.rmtree(left, ignore_errors=True)
