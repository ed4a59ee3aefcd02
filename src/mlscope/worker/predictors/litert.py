"""LiteRT (TensorFlow Lite): https://ai.google.dev/edge/litert.

The interpreter is resized to the batch size where the graph allows it; where it does not, the rows of a batch
are run one after the other, and the record says so (``rows_per_call``). Options: ``xnnpack`` (true).
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np
from ai_edge_litert import interpreter as litert

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description
from mlscope.worker.predictors._options import take
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]


class _LiteRT:
    def load(self, command: Load) -> Description:
        options = take(command.options, {"xnnpack": True})
        if command.device != "cpu":
            raise Problem("framework", "litert runs on the CPU here; leave out --gpu")
        self._open(command.files["graph"], command.threads, bool(options["xnnpack"]))
        details = self._match_inputs(command)
        own = {int(item["shape"][0]) if len(item["shape"]) else 1 for item in details}
        self._rows = command.batch_size
        warnings = []
        if command.inspect:
            self._rows = max(own)
        elif own != {command.batch_size} and not self._resize(details, command.batch_size):
            if own != {1}:
                raise Problem("input", f"the model's batch is fixed at {max(own)}; use --batch-size {max(own)}")
            self._rows = 1
            warnings.append("the model's own batch is fixed at 1: the rows of a batch are run one after the other")
            self._open(command.files["graph"], command.threads, bool(options["xnnpack"]))
            self._match_inputs(command)
        try:
            self._interpreter.allocate_tensors()
        except RuntimeError as error:
            raise Problem("model", f"litert cannot prepare the model: {error}") from error
        self._outputs = [int(item["index"]) for item in self._interpreter.get_output_details()]
        inputs = [
            Tensor(
                name,
                np.dtype(item["dtype"]).name,
                (max(own) if command.inspect else command.batch_size, *map(int, item["shape"][1:])),
            )
            for name, item in zip(self._inputs, details)
        ]
        effective = {"threads": command.threads, "xnnpack": options["xnnpack"], "rows_per_call": self._rows}
        effective["output_quantization"] = [
            [float(value) for value in item["quantization"]] for item in self._interpreter.get_output_details()
        ]
        outputs = [
            Tensor(str(item["name"]), np.dtype(item["dtype"]).name, tuple(map(int, item["shape"])))
            for item in self._interpreter.get_output_details()
        ]
        version = metadata.version("ai-edge-litert")
        return Description(version, inputs, outputs, None, effective, warnings)

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        rows = len(next(iter(feeds.values())))
        if rows == self._rows:
            return self._call(feeds)
        if self._rows == 1:
            calls = [self._call({k: v[i : i + 1] for k, v in feeds.items()}) for i in range(rows)]
            return [np.concatenate(parts) for parts in zip(*calls)]
        padded = {
            k: np.concatenate([v, np.zeros((self._rows - rows, *v.shape[1:]), v.dtype)]) for k, v in feeds.items()
        }
        return [values[:rows] for values in self._call(padded)]

    def close(self) -> None:
        del self._interpreter

    def _call(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        interpreter = self._interpreter
        for name, index in self._inputs.items():
            interpreter.set_tensor(index, feeds[name])
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in self._outputs]

    def _open(self, path: str, threads: int, xnnpack: bool) -> None:
        kind = litert.OpResolverType.AUTO if xnnpack else litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self._interpreter = litert.Interpreter(path, num_threads=threads, experimental_op_resolver_type=kind)
        except (ValueError, RuntimeError) as error:
            raise Problem("model", f"litert cannot load the model: {error}") from error

    def _match_inputs(self, command: Load) -> list[dict[str, Any]]:
        """Details of the inputs in the order of the manifest; sets name → tensor index."""
        details: list[dict[str, Any]] = self._interpreter.get_input_details()
        wanted = command.inputs or [Tensor(item["name"], "", ()) for item in details]
        by_name = {item["name"]: item for item in details}
        if len(wanted) != len(details):
            raise Problem(
                "input",
                f"the model has {len(details)} inputs ({', '.join(by_name)}), the manifest {len(wanted)}",
            )
        chosen = []
        for position, item in enumerate(wanted):
            if item.name and item.name not in by_name and not item.name.isdigit():
                raise Problem("input", f"the model has no input {item.name!r}; it has {', '.join(by_name)}")
            found = by_name.get(item.name, details[position])
            have, shape = np.dtype(found["dtype"]).name, [int(size) for size in found["shape"][1:]]
            if item.element_type and item.element_type != have:
                raise Problem("input", f"input {found['name']!r} is {have}, the manifest says {item.element_type}")
            if item.element_type and shape != list(item.shape):
                said = f"has shape {shape} without the batch, the manifest says {list(item.shape)}"
                raise Problem("input", f"input {found['name']!r} {said}")
            chosen.append(found)
        self._inputs = {item["name"]: int(item["index"]) for item in chosen}
        return chosen

    def _resize(self, details: list[dict[str, Any]], batch_size: int) -> bool:
        """Try to give the graph another batch size; many converted graphs hold a reshape that forbids it."""
        try:
            for item in details:
                self._interpreter.resize_tensor_input(item["index"], [batch_size, *map(int, item["shape"][1:])])
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError):
            return False
        return all(int(item["shape"][0]) == batch_size for item in self._interpreter.get_output_details())


def create() -> _LiteRT:
    """A LiteRT predictor."""
    return _LiteRT()
