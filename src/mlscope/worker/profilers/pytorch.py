"""PyTorch's own profiler (torch.profiler): every operator of the first calls, in the form of Chrome's traces.

A call is an event of ours, so that operators can be told apart by call. Its clock is the system's.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from mlscope.worker.predictors import Predict
from mlscope.worker.profilers import Notes

__all__ = ["Profiler"]

_MOST_CALLS = 100
_CALL = "mlscope::predict"


class Profiler:
    """Profiles the calls of all threads.

    Args:
        folder: For what it writes.
        program: The exported program, whose operators have names and shapes; None of TorchScript.
        rows: Of a call, which a shape that is open has.
    """

    def __init__(self, folder: str, program: Any, rows: int) -> None:
        self._notes = Notes(folder, "pytorch", str(torch.__version__), time.time_ns)
        self._notes.set(most_calls=_MOST_CALLS, call=_CALL)
        self._notes.file("trace.json", 0)
        if program is not None:
            with open(self._notes.path("graph.json"), "w", encoding="utf-8") as file:
                json.dump(_operators(program, rows), file)
        self._notes.save()
        self._profile = profile(activities=[ProfilerActivity.CPU], record_shapes=True, **_all_threads())
        self._profile.start()
        self._running = True

    def watch(self, predict: Predict) -> Predict:
        """What runs a call from now on; after some calls the profiler is stopped."""
        count = itertools.count()

        def run(feeds: Any) -> Any:
            if self._running and next(count) >= _MOST_CALLS:
                self._stop()
            if not self._running:
                return predict(feeds)
            with record_function(_CALL):
                return predict(feeds)

        return run

    def close(self) -> None:
        """Write the profile."""
        self._stop()
        self._profile.export_chrome_trace(self._notes.path("trace.json"))
        self._notes.save()

    def _stop(self) -> None:
        if self._running:
            self._running = False
            self._profile.stop()
            self._notes.pair()


def _all_threads() -> dict[str, Any]:
    """LoadGen's calls come from a thread of its own; older versions see one thread only. Memory is not told of all."""
    try:
        from torch._C._profiler import _ExperimentalConfig

        return {"experimental_config": _ExperimentalConfig(profile_all_threads=True)}
    except (ImportError, TypeError):
        return {}


def _operators(program: Any, rows: int) -> list[tuple[str, str, str]]:
    """Name, operator (``aten::conv2d``) and output of each node of an exported program that is one."""
    fed = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"]
    open_sizes = [str(value.shape[0]) for value in fed if isinstance(value, torch.Tensor) and value.dim()]
    batch = next((size for size in open_sizes if not size.isdigit()), "")
    return [
        (
            node.name,
            str(node.target).rpartition(".")[0].replace(".", "::", 1),
            _shape(node.meta.get("val"), {batch: str(rows)}),
        )
        for node in program.graph.nodes
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)
    ]


def _shape(value: Any, known: dict[str, str]) -> str:
    """``float32[1,32,8,8]``; nothing of what is no tensor, ``?`` for an open size that is not the batch."""
    if not isinstance(value, torch.Tensor):
        return ""
    sizes = [size if size.isdigit() else known.get(size, "?") for size in map(str, value.shape)]
    return f"{str(value.dtype).partition('.')[2]}[{','.join(sizes)}]"
