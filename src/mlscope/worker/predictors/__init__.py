"""One file per framework; a file has ``create() -> Predictor`` and imports its framework.

To add a framework, copy the shortest file (``null.py``), give it the framework's name, and add a framework
manifest that names it. Nothing else changes.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Protocol, runtime_checkable

import numpy as np

from mlscope.worker.protocol import Load, Tensor

__all__ = ["Description", "ManyStreams", "Predict", "Predictor"]

Predict = Callable[["dict[str, np.ndarray[Any, Any]]"], "list[np.ndarray[Any, Any]]"]
"""Runs one batch; see :meth:`Predictor.predict`."""


@dataclasses.dataclass(frozen=True)
class Description:
    """What a predictor says of the model that it has loaded."""

    framework_version: str
    inputs: list[Tensor]
    """With the batch dimension: the fixed one, or the batch size that was asked for (-1 when inspecting)."""
    outputs: list[Tensor]
    """As the model declares them; -1 for what is known only after a run."""
    fixed_batch: int | None
    """Rows that every call must have; None where fewer are fine."""
    effective: dict[str, Any]
    """Settings as the framework reports them."""
    warnings: list[str] = dataclasses.field(default_factory=list)
    profiler: str | None = None
    """The framework's profiler, where ``command.profile`` asks for one and it was switched on."""


class Predictor(Protocol):
    """Loads one model and runs it; used by one thread at a time."""

    def load(self, command: Load) -> Description:
        """Load the model.

        Raises:
            Problem: It cannot be loaded, or an option is not known.
        """

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """Run the model on arrays ``[rows, ...]`` by input name; return its outputs, finished.

        An asynchronous framework is synchronised before this returns. The arrays that are returned are valid
        until the next call.
        """

    def close(self) -> None:
        """Release the model."""


@runtime_checkable
class ManyStreams(Protocol):
    """What a predictor has besides when it can run several batches at once; one that has not runs one stream."""

    def stream(self, number: int) -> Predict:
        """What runs the batches of one stream; called by its thread, which is pinned to its cores where that is wanted.

        What the streams return does not change under each other's calls. Each has ``command.threads`` threads.

        Args:
            number: Of the stream, from 0 to ``command.streams`` - 1; they are asked for one after the other.

        Raises:
            Problem: There is no room for one more, or it cannot have its threads.
        """
