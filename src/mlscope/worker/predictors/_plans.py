"""TensorRT plans: built from an ONNX file for one GPU, and kept by their digest."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
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
from mlscope.worker.predictors._inputs import match
from mlscope.worker.predictors._options import choice, whole
from mlscope.worker.protocol import Load, Tensor

__all__ = ["BUILDING", "Plans", "is_plan", "keep", "tensor"]

BUILDING = ("precision", "calibration_cache", "max_batch", "workspace_mb")
"""Options that decide what is built."""
_MAGIC = (b"ptrt", b"ftrt")  # how plans begin, by the versions of TensorRT
_PRECISIONS = ("fp32", "tf32", "fp16", "int8")


class Plans:
    """Builds plans as the options say.

    Args:
        command: The model, and the inputs that it will be fed.
        options: The predictor's options.

    Raises:
        Problem: Options that cannot be, or do not go together.
    """

    def __init__(self, command: Load, options: dict[str, Any]) -> None:
        self._path, self._command = command.files["graph"], command
        self.precision = choice(options, "precision", _PRECISIONS)
        self._max_batch = command.batch_size
        if options["max_batch"] is not None:
            self._max_batch = whole(options, "max_batch", command.batch_size)
        self._workspace_mb = None if options["workspace_mb"] is None else whole(options, "workspace_mb", 1)
        self._folder = None if options["cache_dir"] is None else Path(str(options["cache_dir"]))
        self._ranges = _ranges(options["calibration_cache"], self.precision)

    def file(self, graph: bytes, machine: list[str]) -> tuple[str, Path | None]:
        """Digest of everything that a plan depends on, and the file where it is kept (None without ``cache_dir``).

        Args:
            graph: The ONNX file.
            machine: TensorRT's version, the GPU and its compute capability.
        """
        parts = {
            "graph": hashlib.sha256(graph).hexdigest(),
            "ranges": None if self._ranges is None else hashlib.sha256(self._ranges).hexdigest(),
            "inputs": [[item.name, item.element_type, list(item.shape)] for item in self._command.inputs],
            "batch": [self._command.batch_size, self._max_batch],
            "precision": self.precision,
            "workspace_mb": self._workspace_mb,
            "machine": machine,
        }
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return digest, None if self._folder is None else self._folder / f"{digest}.plan"

    def build(self, logger: Any) -> bytes:
        """The plan, which takes TensorRT seconds to minutes to find.

        Raises:
            Problem: The model cannot be read or built, or its inputs are not what the manifest says.
        """
        builder, network, _parser = self._parse(logger)
        config = builder.create_builder_config()
        self._set_precision(config, network)
        if self._workspace_mb is not None:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, self._workspace_mb << 20)
        inputs, fixed = match(_inputs(network), self._command)
        if any(-1 in network.get_input(place).shape for place in range(network.num_inputs)):
            profile = builder.create_optimization_profile()
            for item in inputs:
                least, usual, most = (fixed,) * 3 if fixed else (1, self._command.batch_size, self._max_batch)
                shapes = [(rows, *item.shape[1:]) for rows in (least, usual, most)]
                profile.set_shape(item.name, *shapes)
            config.add_optimization_profile(profile)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise Problem("model", "tensorrt cannot build an engine for the model; the worker's log says why")
        return bytes(plan)

    def declared(self, logger: Any) -> tuple[list[Tensor], list[Tensor]]:
        """Inputs and outputs as the ONNX file declares them.

        Raises:
            Problem: The model cannot be read.
        """
        _builder, network, _parser = self._parse(logger)
        outputs = [network.get_output(place) for place in range(network.num_outputs)]
        return _inputs(network), [tensor("output", item.name, item.dtype, item.shape) for item in outputs]

    def _parse(self, logger: Any) -> tuple[Any, Any, Any]:
        """Builder, network and parser; the network lives only as long as the others do."""
        builder = trt.Builder(logger)
        explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)  # the only way since 10
        network = builder.create_network(0 if explicit is None else 1 << int(explicit))
        parser = trt.OnnxParser(network, logger)
        if not parser.parse_from_file(self._path):
            faults = "; ".join(str(parser.get_error(place).desc()) for place in range(parser.num_errors))
            raise Problem("model", f"tensorrt cannot load the model: {faults or 'it is no ONNX file'}")
        return builder, network, parser

    def _set_precision(self, config: Any, network: Any) -> None:
        flags = trt.BuilderFlag
        if self.precision == "tf32":
            config.set_flag(flags.TF32)
            return
        config.clear_flag(flags.TF32)
        if self.precision == "fp32":
            return
        layers = [network.get_layer(place) for place in range(network.num_layers)]
        quantised = any(layer.type == trt.LayerType.DEQUANTIZE for layer in layers)
        if self.precision == "int8" and not quantised and self._ranges is None:
            message = "int8 of a graph that is not quantised needs the ranges of its tensors, option calibration_cache"
            raise Problem("option", message)
        flag = getattr(flags, self.precision.upper(), None)
        if flag is not None:
            config.set_flag(flag)
            if self._ranges is not None:
                config.int8_calibrator = _calibrator(self._ranges)
        elif not quantised:
            message = f"tensorrt {trt.__version__} computes a graph in the types that it names, not in {self.precision}"
            raise Problem("option", f"{message}; convert it, or take a tensorrt before 11")


def is_plan(graph: bytes) -> bool:
    """Whether a file is a plan already."""
    return graph[:4] in _MAGIC


def tensor(role: str, name: str, kind: Any, shape: Any) -> Tensor:
    """Name, element type and shape of an input or output.

    Raises:
        Problem: numpy has no such element type.
    """
    try:
        element = np.dtype(trt.nptype(kind)).name
    except TypeError as error:
        raise Problem("model", f"{role} {name!r} is a {kind}, which is not supported") from error
    return Tensor(name, element, tuple(int(size) for size in shape))


def keep(path: Path, plan: bytes) -> str | None:
    """Put a plan into its folder, whole or not at all; says what was in the way."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            file.write(plan)
        os.replace(file.name, path)
    except OSError as error:
        return f"the plan cannot be kept in {path.parent} ({error.strerror}); it will be built again"
    return None


def _inputs(network: Any) -> list[Tensor]:
    found = [network.get_input(place) for place in range(network.num_inputs)]
    return [tensor("input", item.name, item.dtype, item.shape) for item in found]


def _ranges(path: Any, precision: str) -> bytes | None:
    if path is None:
        return None
    if precision != "int8":
        raise Problem("option", f"calibration_cache is for precision int8, not {precision}")
    try:
        return Path(str(path)).read_bytes()
    except OSError as error:
        raise Problem("option", f"calibration_cache {path} cannot be read: {error.strerror}") from error


def _calibrator(ranges: bytes) -> Any:
    """Ranges that were measured before, in the form that TensorRT before 11 asks for them."""

    class Calibrator(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, _names: list[str]) -> None:
            return None

        def read_calibration_cache(self) -> bytes:
            return ranges

        def write_calibration_cache(self, _ranges: bytes) -> None:
            pass

    return Calibrator()
