"""ONNX Runtime: https://onnxruntime.ai/docs/api/python/api_summary.html.

Options: ``graph_optimization_level`` (disable, basic, extended, layout, all), ``execution_mode`` (sequential,
parallel), ``inter_op_threads``, ``allow_spinning``, ``mem_pattern``, ``cpu_mem_arena``.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

# Since 1.31 the official builds report to Microsoft from a thread of their own, and write to the user's home and the
# temporary folder. Nothing of that belongs into a measurement; it is read when the library is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _state

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description
from mlscope.worker.predictors._inputs import check_closed, positions
from mlscope.worker.predictors._options import flag, take, whole
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]

_ERRORS = tuple(item for item in vars(_state).values() if isinstance(item, type) and issubclass(item, Exception))
_LEVELS = {"disable": 0, "basic": 1, "extended": 2, "layout": 3, "all": 99}
_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(uint16)": "uint16",
    "tensor(int32)": "int32",
    "tensor(uint32)": "uint32",
    "tensor(int64)": "int64",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}
_DEFAULTS = {
    "graph_optimization_level": "all",
    "execution_mode": "sequential",
    "inter_op_threads": 1,
    "allow_spinning": True,
    "mem_pattern": True,
    "cpu_mem_arena": True,
}


class _OnnxRuntime:
    def load(self, command: Load) -> Description:
        options = take(command.options, _DEFAULTS)
        providers = _providers(command.device)
        try:
            self._session = onnxruntime.InferenceSession(
                command.files["graph"], _session_options(options, command.threads), providers=providers
            )
        except _ERRORS as error:
            raise Problem("model", f"onnxruntime cannot load the model: {error}") from error
        self._outputs = _outputs(self._session)
        inputs, fixed = _match_inputs(self._session.get_inputs(), command)
        effective = {
            "threads": command.threads,
            "providers": self._session.get_providers(),
            "graph_optimization_level": options["graph_optimization_level"],
            "execution_mode": options["execution_mode"],
        }
        outputs = [
            Tensor(node.name, _TYPES[node.type], tuple(_size(size) for size in node.shape))
            for node in self._session.get_outputs()
        ]
        return Description(onnxruntime.__version__, inputs, outputs, fixed, effective)

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        outputs: list[np.ndarray[Any, Any]] = self._session.run(self._outputs, feeds)
        return outputs

    def close(self) -> None:
        del self._session


def _outputs(session: Any) -> list[str]:
    for node in session.get_outputs():
        if node.type not in _TYPES:
            raise Problem("model", f"output {node.name!r} is a {node.type}, which is not supported")
    return [node.name for node in session.get_outputs()]


def _session_options(options: dict[str, Any], threads: int) -> Any:
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = threads
    session.inter_op_num_threads = whole(options, "inter_op_threads", 0)
    level = str(options["graph_optimization_level"]).lower()
    if level not in _LEVELS:
        raise Problem("option", f"graph_optimization_level is one of {', '.join(_LEVELS)}, not {level!r}")
    session.graph_optimization_level = onnxruntime.GraphOptimizationLevel(_LEVELS[level])
    mode = str(options["execution_mode"]).lower()
    if mode not in ("sequential", "parallel"):
        raise Problem("option", f"execution_mode is sequential or parallel, not {mode!r}")
    session.execution_mode = (
        onnxruntime.ExecutionMode.ORT_PARALLEL if mode == "parallel" else onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    )
    session.enable_mem_pattern = flag(options, "mem_pattern")
    session.enable_cpu_mem_arena = flag(options, "cpu_mem_arena")
    spinning = "1" if flag(options, "allow_spinning") else "0"
    session.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    return session


def _providers(device: str) -> list[str]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise Problem(
            "framework",
            "this onnxruntime has no CUDAExecutionProvider; install onnxruntime-gpu or leave out --gpu",
        )
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def _match_inputs(nodes: list[Any], command: Load) -> tuple[list[Tensor], int | None]:
    """The model's inputs with all dimensions known, checked against what will be fed; and the fixed batch."""
    wanted = command.inputs or [Tensor(node.name, "", ()) for node in nodes]
    chosen = [nodes[place] for place in positions([node.name for node in nodes], wanted)]
    tensors, fixed = [], None
    for node, item in zip(chosen, wanted):
        element = _TYPES.get(node.type)
        if element is None:
            raise Problem("input", f"input {node.name!r} is a {node.type}, which is not supported")
        if item.element_type and item.element_type != element:
            raise Problem("input", f"input {node.name!r} is {element}, the manifest says {item.element_type}")
        batch, rest = (node.shape[0], list(node.shape[1:])) if node.shape else (None, [])
        if item.element_type:
            _check_shape(node.name, rest, list(item.shape))
        shape = item.shape if item.element_type else tuple(_size(size) for size in rest)
        if not command.inspect:
            check_closed(node.name, shape)
        fixed = batch if isinstance(batch, int) else fixed
        free = -1 if command.inspect else command.batch_size
        tensors.append(Tensor(node.name, element, (batch if isinstance(batch, int) else free, *shape)))
    return tensors, fixed


def _size(dimension: Any) -> int:
    return dimension if isinstance(dimension, int) else -1


def _check_shape(name: str, model: list[Any], manifest: list[int]) -> None:
    fits = len(model) == len(manifest) and all(
        not isinstance(have, int) or have == want for have, want in zip(model, manifest)
    )
    if not fits:
        raise Problem("input", f"input {name!r} has shape {model} without the batch, the manifest says {manifest}")


def create() -> _OnnxRuntime:
    """An ONNX Runtime predictor."""
    return _OnnxRuntime()
