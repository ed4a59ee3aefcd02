"""LiteRT (TensorFlow Lite): https://ai.google.dev/edge/litert.

The interpreter is resized to the batch size where the graph allows it; where it does not, the rows of a batch
are run one after the other, and the record says so (``rows_per_call``). Where the model has a signature, its names
are those of inputs and outputs.

Options: ``xnnpack`` (true); ``delegate``, the shared library of another delegate, with ``delegate_options``, an object;
``precision``: fp32, which is what operations on floats are computed in. Each stream has an interpreter.
"""

from __future__ import annotations

import copy
from importlib import metadata
from typing import Any

import numpy as np
from ai_edge_litert import interpreter as litert

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description, Predict
from mlscope.worker.predictors._inputs import match
from mlscope.worker.predictors._options import choice, flag, take
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]

_DEFAULTS: dict[str, Any] = {
    "xnnpack": True,
    "delegate": None,
    "delegate_options": {},
    "precision": "fp32",
}


class _LiteRT:
    def load(self, command: Load) -> Description:
        options = take(command.options, _DEFAULTS)
        if command.device != "cpu":
            raise Problem("framework", "litert runs on the CPU here; leave out --gpu")
        self._path, self._threads, self._xnnpack = command.files["graph"], command.threads, flag(options, "xnnpack")
        self._delegates = _delegates(options)
        precision = choice(options, "precision", ("fp32",))
        self._pin = command.pin
        self._open()
        self._details = details = self._match_inputs(command)
        warnings = []
        if command.inspect:
            shapes = [_declared(item) for item in details]
            self._rows = 1
        else:
            self._rows = self._choose_rows(details, command.batch_size)
            shapes = [(command.batch_size, *rest) for rest in self._rests]
            if self._rows != command.batch_size:
                warnings.append("the model's own batch is fixed at 1: the rows of a batch are run one after the other")
        found = self._interpreter.get_output_details()
        signed = self._signature("outputs")
        self._outputs = [int(item["index"]) for item in found]
        return Description(
            metadata.version("ai-edge-litert"),
            [Tensor(item["name"], _element(item), shape) for item, shape in zip(details, shapes)],
            [Tensor(signed.get(item["index"], item["name"]), _element(item), _declared(item)) for item in found],
            None,
            {
                "threads": command.threads,
                "precision": precision,
                "xnnpack": options["xnnpack"],
                "delegate": options["delegate"],
                "rows_per_call": self._rows,
                "output_quantization": [[float(value) for value in item["quantization"]] for item in found],
            },
            warnings,
        )

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

    def stream(self, number: int) -> Predict:
        if not number and not self._pin:
            return self.predict
        another = copy.copy(self)
        another._open()
        trouble = another._fit(self._details, self._rows)
        if trouble:
            raise Problem("model", f"litert cannot prepare the model: {trouble}")
        return another.predict

    def close(self) -> None:
        del self._interpreter

    def _call(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        interpreter = self._interpreter
        for name, index in self._inputs.items():
            interpreter.set_tensor(index, feeds[name])
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in self._outputs]

    def _open(self) -> None:
        kind = litert.OpResolverType.AUTO if self._xnnpack else litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self._interpreter = litert.Interpreter(
                self._path,
                num_threads=self._threads,
                experimental_op_resolver_type=kind,
                experimental_delegates=self._delegates,
            )
        except (ValueError, RuntimeError) as error:
            raise Problem("model", f"litert cannot load the model: {error}") from error

    def _signature(self, role: str) -> dict[int, str]:
        """Names that the model's author chose, by tensor index: converters give the tensors names of their own."""
        keys = list(self._interpreter.get_signature_list())
        if len(keys) != 1:
            return {}
        runner = self._interpreter.get_signature_runner(keys[0])
        details = runner.get_input_details() if role == "inputs" else runner.get_output_details()
        return {int(item["index"]): name for name, item in details.items()}

    def _match_inputs(self, command: Load) -> list[dict[str, Any]]:
        """Details of the inputs in the order of the manifest; sets name → tensor index, and shapes without batch."""
        details: list[dict[str, Any]] = self._interpreter.get_input_details()
        chosen = {item.name for item in command.inputs}
        signed = {} if chosen & {item["name"] for item in details} else self._signature("inputs")
        details = [{**item, "name": signed.get(item["index"], item["name"])} for item in details]
        declared = [Tensor(item["name"], _element(item), (-1, *_declared(item)[1:])) for item in details]
        inputs, _ = match(declared, command)
        named = {item["name"]: item for item in details}
        self._rests = [tensor.shape[1:] for tensor in inputs]
        self._inputs = {tensor.name: int(named[tensor.name]["index"]) for tensor in inputs}
        return [named[tensor.name] for tensor in inputs]

    def _choose_rows(self, details: list[dict[str, Any]], batch_size: int) -> int:
        """Rows of one call: the batch size where the graph can be resized to it, else the graph's own.

        Many converted graphs hold a reshape that forbids any other batch.
        """
        trouble = self._fit(details, batch_size)
        if trouble is None:
            return batch_size
        own = max((_declared(item)[:1] or (1,) for item in details), default=(1,))[0]
        if own == 1 and batch_size > 1:
            self._open()
            trouble = self._fit(details, 1)
            if trouble is None:
                return 1
        elif own not in (-1, batch_size):
            raise Problem("input", f"the model's batch is fixed at {own}; use --batch-size {own}")
        raise Problem("model", f"litert cannot prepare the model: {trouble}")

    def _fit(self, details: list[dict[str, Any]], rows: int) -> str | None:
        """Give the graph its batch size and shapes; what is in the way, or None."""
        try:
            for item, rest in zip(details, self._rests):
                if [rows, *rest] != [int(size) for size in item["shape"]]:
                    self._interpreter.resize_tensor_input(item["index"], [rows, *rest])
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            return str(error)
        for item in self._interpreter.get_output_details():
            shape = [int(size) for size in item["shape"]]
            if rows > 1 and shape[:1] != [rows] and _declared(item)[:1] != (-1,):
                return f"output {item['name']!r} has shape {shape} for a batch of {rows}"
        return None


def _element(item: dict[str, Any]) -> str:
    return str(np.dtype(item["dtype"]))


def _declared(item: dict[str, Any]) -> tuple[int, ...]:
    """The shape, with -1 for dynamic dimensions."""
    signature = item["shape_signature"]
    return tuple(int(size) for size in (signature if len(signature) else item["shape"]))


def _delegates(options: dict[str, Any]) -> list[Any] | None:
    """The delegate that is asked for, loaded."""
    path, settings = options["delegate"], options["delegate_options"]
    if not isinstance(settings, dict):
        raise Problem("option", f"delegate_options is an object, not {settings!r}")
    if path is None:
        if settings:
            raise Problem("option", "delegate_options are of no use without delegate")
        return None
    try:
        return [litert.load_delegate(str(path), {str(key): str(value) for key, value in settings.items()})]
    except (OSError, ValueError) as error:
        raise Problem("framework", f"litert cannot load the delegate {path}: {error}") from error


def create() -> _LiteRT:
    """A LiteRT predictor."""
    return _LiteRT()
