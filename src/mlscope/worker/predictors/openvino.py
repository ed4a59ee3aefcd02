"""OpenVINO: https://docs.openvino.ai/2026/openvino-workflow/running-inference.html.

Options:

* ``precision``: fp32 (the default: a model is computed as it was made), bf16, fp16, or auto. OpenVINO's own default is
  auto, which computes fp32 models in bf16 on a CPU that can (AMX, AVX-512 BF16): faster, and not the same numbers.
* ``reshape`` (true): the graph is given the shapes and the batch size that it will be run with; a batch with fewer rows
  is filled up. False: open dimensions stay open, which is slower.
* Any property that the device lets one set, by OpenVINO's name: ``PERFORMANCE_HINT``, ``ENABLE_CPU_PINNING``, ...

Streams are OpenVINO's own, each with an infer request; with several, the hint is THROUGHPUT.
"""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import openvino

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description, Predict
from mlscope.worker.predictors._inputs import match
from mlscope.worker.predictors._options import choice, flag, take
from mlscope.worker.profilers.openvino import Profiler
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_COMMON = {"INFERENCE_NUM_THREADS": "--threads", "NUM_STREAMS": "--streams", "INFERENCE_PRECISION_HINT": "precision"}
_REPORTED = (
    "INFERENCE_PRECISION_HINT",
    "NUM_STREAMS",
    "INFERENCE_NUM_THREADS",
    "EXECUTION_DEVICES",
    "PERFORMANCE_HINT",
    "EXECUTION_MODE_HINT",
    "ENABLE_CPU_PINNING",
    "ENABLE_HYPER_THREADING",
    "SCHEDULING_CORE_TYPE",
)


class _OpenVINO:
    def load(self, command: Load) -> Description:
        core = openvino.Core()
        device = _device(core, command.device)
        settable = {
            name for name, access in core.get_property(device, "SUPPORTED_PROPERTIES").items() if access == "RW"
        }
        options, own = _options(command, settable)
        config = _config(options, command, settable, own)
        reshape = flag(options, "reshape")
        _check_values(core, device, config)
        try:
            model = core.read_model(command.files["graph"], *_weights(command))
        except RuntimeError as error:
            raise Problem("model", f"openvino cannot load the model: {_reason(error)}") from error
        names = [_name(port, command.inputs, f"input{place}") for place, port in enumerate(model.inputs)]
        declared = [_tensor(name, port, "input") for name, port in zip(names, model.inputs)]
        inputs, fixed = match(declared, command)
        outputs = [
            _tensor(_name(port, [], f"output{place}"), port, "output") for place, port in enumerate(model.outputs)
        ]
        version = openvino.__version__.split("-")[0]
        if command.inspect:
            return Description(version, inputs, outputs, fixed, {})
        self._names, self._static, self._streams = names, reshape, command.streams
        if reshape:
            _reshape(model, dict(zip(names, range(len(names)))), inputs)
            fixed = fixed or command.batch_size
        self._open(core, device, model, config)
        hyper, threads = "ENABLE_HYPER_THREADING", command.streams * command.threads
        if self._said("INFERENCE_NUM_THREADS", threads) < threads and hyper in settable - set(own):
            # With the latency hint it keeps to one thread a core, unless it is told that a core's others will do.
            self._open(core, device, model, {**config, hyper: True})
        effective, warnings = self._effective(command, options, own)
        self._profiler = Profiler(command.profile) if config.get("PERF_COUNT") and command.profile else None
        if self._profiler:
            self._profiler.graph(self._compiled)
        self._predict = self._watched(self._request, 0)
        profiler = "openvino" if self._profiler else None
        return Description(version, inputs, outputs, fixed, effective, warnings, profiler)

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        return self._predict(feeds)

    def stream(self, number: int) -> Predict:
        return self._watched(self._new_request(), number) if number else self._predict

    def _watched(self, request: _Request, number: int) -> Predict:
        """What runs an infer request: itself, or its profiler."""
        return self._profiler.watch(request.request, request.predict, number) if self._profiler else request.predict

    def close(self) -> None:
        if self._profiler:
            self._profiler.close()
        del self._predict, self._request, self._compiled

    def _open(self, core: Any, device: str, model: Any, config: dict[str, Any]) -> None:
        """Compile the model."""
        try:
            self._compiled = core.compile_model(model, device, config)
            self._request = self._new_request()
        except RuntimeError as error:
            raise Problem("model", f"openvino cannot compile the model: {_reason(error)}") from error

    def _new_request(self) -> _Request:
        return _Request(self._compiled, self._names, static=self._static, waits=self._streams > 1)

    def _said(self, name: str, default: Any = None) -> Any:
        """What the compiled model says of a property."""
        known = name in self._compiled.get_property("SUPPORTED_PROPERTIES")
        return _plain(self._compiled.get_property(name)) if known else default

    def _effective(
        self, command: Load, options: dict[str, Any], own: dict[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """What the compiled model says of its settings; raises Problem where it is not what was asked for."""
        said = {name: self._said(name) for name in (*_REPORTED, *own)}
        said = {name: value for name, value in said.items() if value is not None}
        hint = said.get("INFERENCE_PRECISION_HINT")
        precision = next((name for name, text in _HINTS.items() if text == hint), hint)
        asked: dict[str, Any] = {**own, "INFERENCE_NUM_THREADS": command.streams * command.threads}
        asked.update({"NUM_STREAMS": command.streams} if command.streams > 1 else {})
        asked.update({"ENABLE_CPU_PINNING": True} if command.pin else {})
        asked.update(
            {"INFERENCE_PRECISION_HINT": _HINTS[options["precision"]]} if options["precision"] != "auto" else {}
        )
        for name, value in asked.items():
            if name in said and not _same(said[name], value):
                raise Problem("option", f"openvino cannot do {name}={value} here, it makes {said[name]} of it")
        layers = collections.Counter(
            item.rt_info["runtimePrecision"].astype(str)
            for item in self._compiled.get_runtime_model().get_ordered_ops()
            if item.rt_info["layerType"].astype(str) not in ("Input", "Const", "Output")
        )
        common = {
            "threads": _each(said.get("INFERENCE_NUM_THREADS"), command.streams),
            "streams": said.get("NUM_STREAMS"),
            "precision": precision,
            "layers_by_precision": dict(sorted(layers.items())),
            "device": command.device,
        }
        warnings = []
        if options["precision"] == "auto" and precision != "fp32":
            warnings.append(f"openvino chose {precision}: the numbers are not those of the model in fp32")
        return {**common, **said}, warnings


class _Request:
    """An infer request, bound to arrays of ours where the model's shapes are known.

    Args:
        compiled: The model.
        names: Of its inputs, in its order.
        static: Whether the inputs' shapes are known.
        waits: Whether the calling thread hands the work to OpenVINO's streams and waits, or does it itself.
    """

    def __init__(self, compiled: Any, names: list[str], *, static: bool, waits: bool) -> None:
        self.request = request = compiled.create_infer_request()
        self._names, self._count, self._static, self._waits = names, len(compiled.outputs), static, waits
        self._buffers: list[tuple[str, np.ndarray[Any, Any]]] = []
        self._outputs: list[np.ndarray[Any, Any]] = []
        if not static:
            return
        for place, (name, port) in enumerate(zip(names, compiled.inputs)):
            self._buffers.append((name, _array(port)))
            request.set_input_tensor(place, openvino.Tensor(self._buffers[-1][1], shared_memory=True))
        if any(port.partial_shape.is_dynamic for port in compiled.outputs):
            return  # a shape that depends on the data, as behind a non-maximum suppression
        for place, port in enumerate(compiled.outputs):
            self._outputs.append(_array(port))
            request.set_output_tensor(place, openvino.Tensor(self._outputs[-1], shared_memory=True))

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        request = self.request
        if not self._static:
            request.infer({place: feeds[name] for place, name in enumerate(self._names)}, share_outputs=True)
            return [request.get_output_tensor(place).data for place in range(self._count)]
        for name, values in self._buffers:
            np.copyto(values, feeds[name])
        if self._waits:
            request.start_async()
            request.wait()
        else:
            request.infer(share_outputs=True)
        return self._outputs or [request.get_output_tensor(place).data for place in range(self._count)]


def _each(total: int | None, streams: int) -> int | None:
    return None if total is None else total // streams


def _device(core: Any, wanted: str) -> str:
    if wanted == "cpu":
        return "CPU"
    found: list[str] = core.available_devices
    name = next((name for name in found if name.startswith("GPU")), None)
    if name is None:
        raise Problem("framework", f"openvino finds no GPU that it can use, only {', '.join(found)}; leave out --gpu")
    return name


def _options(command: Load, settable: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """All options, and those among them that are properties of OpenVINO's own."""
    for name, common in _COMMON.items():
        if name in command.options:
            raise Problem("option", f"{name} is said with {common}")
    properties = dict.fromkeys(settable - set(_COMMON))
    options = take(command.options, {"precision": "fp32", "reshape": True, **properties})
    return options, {name: options[name] for name in properties if name in command.options}


def _config(options: dict[str, Any], command: Load, settable: set[str], own: dict[str, Any]) -> dict[str, Any]:
    """Properties to compile with."""
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY" if command.streams == 1 else "THROUGHPUT"}
    if "INFERENCE_NUM_THREADS" in settable:
        config["INFERENCE_NUM_THREADS"] = command.streams * command.threads
    if command.streams > 1:
        config["NUM_STREAMS"] = command.streams
    if command.pin:
        config["ENABLE_CPU_PINNING"] = True
    if command.profile and "PERF_COUNT" in settable:
        config["PERF_COUNT"] = True
    options["precision"] = choice(options, "precision", (*_HINTS, "auto"))
    if options["precision"] != "auto":
        config["INFERENCE_PRECISION_HINT"] = _HINTS[options["precision"]]
    return {**config, **own}


def _check_values(core: Any, device: str, config: dict[str, Any]) -> None:
    """Whether the device takes every value; it is asked before the model, whose fault it would seem."""
    for name, value in config.items():
        try:
            core.set_property(device, {name: value})
        except (RuntimeError, TypeError) as error:
            raise Problem("option", f"openvino does not take {name}={value}: {_reason(error)}") from error


def _weights(command: Load) -> list[str]:
    return [command.files["params"]] if "params" in command.files else []


def _name(port: Any, wanted: list[Tensor], default: str) -> str:
    """One of the port's names: the manifest's, where it is one of them."""
    names = sorted(port.names)
    return next((item.name for item in wanted if item.name in names), names[0] if names else default)


def _tensor(name: str, port: Any, role: str) -> Tensor:
    kind = "input" if role == "input" else "model"
    try:
        element = np.dtype(port.element_type.to_dtype())
    except (KeyError, RuntimeError, TypeError):
        element = np.dtype(object)
    if element.kind not in "biuf":
        said = port.element_type.get_type_name()
        raise Problem(kind, f"{role} {name!r} is a {said}, which is not supported")
    if port.partial_shape.rank.is_dynamic:
        raise Problem(kind, f"{role} {name!r} has no fixed number of dimensions, which is not supported")
    sizes = (-1 if size.is_dynamic else size.get_length() for size in port.partial_shape)
    return Tensor(name, element.name, tuple(sizes))


def _reshape(model: Any, places: dict[str, int], inputs: list[Tensor]) -> None:
    if not any(port.partial_shape.is_dynamic for port in model.inputs):
        return
    try:
        model.reshape({places[item.name]: list(item.shape) for item in inputs})
    except RuntimeError as error:
        raise Problem("input", f"the model refuses its input: {_reason(error)}") from error


def _array(port: Any) -> np.ndarray[Any, Any]:
    return np.zeros(tuple(port.shape), port.element_type.to_dtype())


def _plain(value: Any) -> Any:
    """A property's value as JSON has it: element types and enumerations by their names."""
    if isinstance(value, openvino.Type):
        return value.get_type_name()
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    return str(value).rpartition(".")[2]


def _same(said: Any, asked: Any) -> bool:
    if isinstance(said, float) and isinstance(asked, (int, float)):
        return bool(np.isclose(said, asked))
    return str(said).lower() == str(asked).lower()


def _reason(error: Exception) -> str:
    """What an error says, without the places in OpenVINO's sources that it begins with."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and "Exception from " not in line and not line.startswith("Check '")]
    return " ".join(kept or lines)


def create() -> _OpenVINO:
    """An OpenVINO predictor."""
    return _OpenVINO()
