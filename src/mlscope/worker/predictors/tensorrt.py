"""NVIDIA TensorRT, 8.5 and newer: https://docs.nvidia.com/deeplearning/tensorrt/latest/.

The graph is an ONNX file, of which an engine is built for this GPU, or a plan: an engine that was built before.

Options:

* ``precision`` that float32 tensors may be computed in: fp32 (without TF32, which TensorRT would allow by itself),
  tf32, fp16 or int8. TensorRT 11 computes a graph in its own types: fp16 is an error, int8 wants a quantised graph.
* ``calibration_cache``: a file with the ranges of the tensors, for int8 of a graph that is not quantised.
* ``max_batch``: rows of the largest batch that the engine takes (the batch size).
* ``workspace_mb``: scratch memory that the engine may use (all there is).
* ``cache_dir``: a folder where plans are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

try:
    import tensorrt as trt
except ModuleNotFoundError as missing:  # NVIDIA's wheels alone bring it under another name
    try:
        import tensorrt_bindings as trt
    except ModuleNotFoundError:
        raise missing from None

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description
from mlscope.worker.predictors._cuda import Buffer, Stream, describe_gpu
from mlscope.worker.predictors._inputs import match
from mlscope.worker.predictors._options import take
from mlscope.worker.predictors._plans import BUILDING, Plans, is_plan, keep, tensor
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]

_DEFAULTS: dict[str, Any] = {
    "precision": "fp32",
    "calibration_cache": None,
    "max_batch": None,
    "workspace_mb": None,
    "cache_dir": None,
}


class _TensorRT:
    _answers: list[np.ndarray[Any, Any]]

    def load(self, command: Load) -> Description:
        options = take(command.options, _DEFAULTS)
        if command.device == "cpu":
            raise Problem("framework", "tensorrt runs on NVIDIA GPUs only; add --gpu")
        plans = Plans(command, options)
        gpu, capability = describe_gpu()
        self._logger = trt.Logger(trt.Logger.WARNING)
        trt.init_libnvinfer_plugins(self._logger, "")
        self._effective: dict[str, Any] = {"device": gpu, "compute_capability": capability}
        self._warnings: list[str] = []
        try:
            graph = Path(command.files["graph"]).read_bytes()
        except OSError as error:
            raise Problem("model", f"tensorrt cannot load the model: {error}") from error
        if command.inspect and not is_plan(graph):
            return self._describe(*plans.declared(self._logger), command)
        if is_plan(graph):
            engine = self._prebuilt(graph, command)
        else:
            engine = self._built(plans, *plans.file(graph, [trt.__version__, gpu, capability]))
        names = [engine.get_tensor_name(place) for place in range(engine.num_io_tensors)]
        taken = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        inputs = [tensor("input", name, *_declared(engine, name)) for name in taken]
        outputs = [tensor("output", name, *_declared(engine, name)) for name in names if name not in taken]
        description = self._describe(inputs, outputs, command)
        try:
            if not command.inspect:
                self._open(engine, description)
        except RuntimeError as error:
            raise Problem("framework", f"CUDA cannot make room for the model: {error}") from error
        return description

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        stream = self._stream
        rows = len(next(iter(feeds.values())))
        if rows != self._rows:
            self._set_rows(rows)
        for name, buffer in self._inputs.items():
            values = feeds[name]
            buffer.values[:rows] = values
            buffer.upload(values.nbytes, stream)
        if not self._context.execute_async_v3(self._handle):
            raise RuntimeError("TensorRT could not begin; the worker's log says why")
        for buffer, values in zip(self._outputs.values(), self._answers):
            buffer.download(values.nbytes, stream)
        stream.wait()
        return self._answers

    def close(self) -> None:
        self._answers = []
        for buffer in [*self._inputs.values(), *self._outputs.values()]:
            buffer.close()
        self._stream.close()
        del self._context

    def _prebuilt(self, plan: bytes, command: Load) -> Any:
        given = next((name for name in BUILDING if name in command.options), None)
        if given is not None:
            raise Problem("option", f"{given} is decided when a plan is built; this one is built already")
        engine = self._engine(plan)
        if engine is None:
            raise Problem("model", "tensorrt cannot load the plan: it is damaged, or of another TensorRT or GPU")
        self._effective["precision"] = None  # a plan does not tell
        return engine

    def _built(self, plans: Plans, digest: str, path: Path | None) -> Any:
        """The engine of an ONNX file, of a plan that was kept or of a new one."""
        kept = path.read_bytes() if path is not None and path.is_file() else None
        engine = self._engine(kept) if kept else None
        self._effective.update(precision=plans.precision, plan=digest, plan_cached=engine is not None)
        if engine is not None:
            return engine
        plan = plans.build(self._logger)
        trouble = keep(path, plan) if path is not None else None
        if trouble:
            self._warnings.append(trouble)
        engine = self._engine(plan)
        if engine is None:
            raise Problem("model", "tensorrt cannot load the engine that it built; the worker's log says why")
        return engine

    def _engine(self, plan: bytes) -> Any:
        """The engine of a plan; None where it is damaged, or of another TensorRT or GPU."""
        self._runtime = trt.Runtime(self._logger)
        return self._runtime.deserialize_cuda_engine(plan)

    def _describe(self, inputs: list[Tensor], outputs: list[Tensor], command: Load) -> Description:
        found, fixed = match(inputs, command)
        return Description(trt.__version__, found, outputs, fixed, self._effective, self._warnings)

    def _open(self, engine: Any, description: Description) -> None:
        """A context, a stream, and memory for batches of the size that was asked for."""
        self._context = engine.create_execution_context()
        if self._context is None:
            raise Problem("model", "tensorrt cannot run the model: the GPU has too little memory for it")
        self._stream = Stream()
        self._handle = int(self._stream.handle)
        self._rests = {item.name: item.shape[1:] for item in description.inputs}
        self._inputs = {item.name: Buffer(item.element_type, item.shape) for item in description.inputs}
        self._outputs: dict[str, Buffer] = {}
        self._set_rows(description.inputs[0].shape[0])
        for item in description.outputs:
            shape = tuple(self._context.get_tensor_shape(item.name))
            if -1 in shape:
                raise Problem("model", f"the shape of output {item.name!r} depends on the data: that is not supported")
            self._outputs[item.name] = Buffer(item.element_type, shape)
        for name, buffer in [*self._inputs.items(), *self._outputs.items()]:
            self._context.set_tensor_address(name, buffer.address)
        self._set_rows(self._rows)

    def _set_rows(self, rows: int) -> None:
        """Prepare for batches of so many rows."""
        for name, rest in self._rests.items():
            if not self._context.set_input_shape(name, (rows, *rest)):
                raise Problem("input", f"the engine takes no batch of {rows} for its input {name!r}")
        self._rows = rows
        shapes = [tuple(self._context.get_tensor_shape(name)) for name in self._outputs]
        self._answers = [buffer.view(shape) for buffer, shape in zip(self._outputs.values(), shapes)]


def _declared(engine: Any, name: str) -> tuple[Any, Any]:
    return engine.get_tensor_dtype(name), engine.get_tensor_shape(name)


def create() -> _TensorRT:
    """A TensorRT predictor."""
    return _TensorRT()
