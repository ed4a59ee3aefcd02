"""The loaded model: a predictor and the tensors that it takes."""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import time
import traceback
from typing import Any

import numpy as np

from mlscope.worker import predictors
from mlscope.worker._deep import probe, probes_of
from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description, ManyStreams, Predict, Predictor
from mlscope.worker.protocol import Load, Loaded, Tensor

__all__ = ["Model", "Predict"]


class Model:
    """One model in one process; loaded once."""

    def __init__(self) -> None:
        self._predictor: Predictor | None = None
        self.inputs: list[Tensor] = []
        self.batch_size = 1
        self.fixed_batch: int | None = None
        self.streams = 1
        self._cores: list[list[int]] = []

    @property
    def predictor(self) -> Predictor:
        """The predictor.

        Raises:
            Problem: No model was loaded.
        """
        if self._predictor is None:
            raise Problem("internal", "no model is loaded")
        return self._predictor

    def load(self, command: Load) -> Loaded:
        """Import the framework, load the model, run it once on zeros.

        Raises:
            Problem: The framework cannot be imported, the model cannot be loaded, or it refuses its input.
        """
        probes = probes_of(command)
        predictor = probe(_create(command.predictor), probes)
        if command.streams > 1 and not isinstance(predictor, ManyStreams):
            message = f"{command.predictor} runs one stream in a process, not {command.streams}; use --streams 1"
            raise Problem("option", message)
        self.streams, self._cores = command.streams, _share_cores(command) if command.pin else []
        begin = time.perf_counter_ns()
        description = predictor.load(command)
        load_ns = time.perf_counter_ns() - begin
        if command.inspect:  # nothing was made that could be run, or would have to be closed
            return _answer(description, load_ns, 0, description.outputs, command.streams)
        self._predictor = predictor
        self.inputs = description.inputs
        self.batch_size = command.batch_size
        self.fixed_batch = description.fixed_batch
        rows = description.fixed_batch or command.batch_size
        if rows < command.batch_size:
            raise Problem(
                "input",
                f"the model's batch is fixed at {rows}, smaller than --batch-size {command.batch_size}",
            )
        feeds = {
            tensor.name: np.zeros((rows, *tensor.shape[1:]), np.dtype(tensor.element_type)) for tensor in self.inputs
        }
        begin = time.perf_counter_ns()
        outputs = self._first(feeds)
        first_ns = time.perf_counter_ns() - begin
        made = [
            Tensor(declared.name, values.dtype.name, tuple(values.shape))
            for declared, values in zip(description.outputs, outputs)
        ]
        return _answer(description, load_ns, first_ns, made, command.streams)

    def pin(self, number: int) -> list[int]:
        """Keep the calling thread to the cores of its stream, if that was asked for; returns where it may run.

        Raises:
            Problem: The system refuses.
        """
        if not hasattr(os, "sched_getaffinity"):
            return []
        if self._cores:
            try:
                os.sched_setaffinity(0, self._cores[number])
            except OSError as error:
                raise Problem("option", f"--pin: stream {number} cannot be pinned: {error.strerror}") from error
        return sorted(os.sched_getaffinity(0))

    def stream(self, number: int) -> Predict:
        """What runs the batches of a stream, for the calling thread.

        Raises:
            Problem: The framework cannot make one more.
        """
        predictor = self.predictor
        return predictor.stream(number) if isinstance(predictor, ManyStreams) else predictor.predict

    def _first(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        try:
            return self.predictor.predict(feeds)
        except Problem:
            raise
        except Exception as error:  # frameworks raise whatever they like
            traceback.print_exc()
            raise Problem("input", f"the model refuses its input: {error}") from error

    def close(self) -> None:
        """Release the model."""
        if self._predictor is not None:
            self._predictor.close()
            self._predictor = None


def _answer(description: Description, load_ns: int, first_ns: int, outputs: list[Tensor], streams: int) -> Loaded:
    return Loaded(
        load_ns=load_ns,
        first_ns=first_ns,
        framework_version=description.framework_version,
        inputs=description.inputs,
        outputs=outputs,
        fixed_batch=description.fixed_batch,
        effective={"streams": streams, **description.effective},
        warnings=description.warnings,
        profiler=description.profiler,
    )


def _share_cores(command: Load) -> list[list[int]]:
    """The cores of each stream, one for each of its threads.

    Raises:
        Problem: There are fewer cores than threads, or this system cannot pin threads.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise Problem("option", "--pin: this system cannot keep threads to cores")
    cores, threads = sorted(os.sched_getaffinity(0)), command.threads
    if command.streams * threads > len(cores):
        wanted = f"{command.streams} x {threads} threads want as many cores, this process may use {len(cores)}"
        raise Problem("option", f"--pin: {wanted}")
    return [cores[number * threads : (number + 1) * threads] for number in range(command.streams)]


def _create(name: str) -> Predictor:
    """The predictor of module ``mlscope.worker.predictors.<name>``.

    Raises:
        Problem: There is no such predictor, or its framework cannot be imported.
    """
    known = [module.name for module in pkgutil.iter_modules(predictors.__path__) if not module.name.startswith("_")]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise Problem("framework", f"there is no predictor {name!r}; {hint}")
    try:
        module = importlib.import_module(f"mlscope.worker.predictors.{name}")
    except Exception as error:  # an ImportError, or what a broken framework raises
        traceback.print_exc()
        raise Problem("framework", f"the predictor {name!r} cannot be imported here: {error}") from error
    predictor: Predictor = module.create()
    return predictor
