"""PyTorch: TorchScript and exported programs, https://docs.pytorch.org/docs/stable/export.html.

The two are told apart by what is in the file. Pickled checkpoints are not loaded. Options:

* ``compile`` (false): an exported program goes through torch.compile, which needs a C++ compiler, with
  ``compile_mode`` (default, reduce-overhead, max-autotune). ``freeze`` (false): TorchScript is frozen.
* ``precision``: fp32 (the default, as the model was made; on a GPU without TF32), bf16 and fp16 (autocast), or auto
  (as the model was made, with PyTorch's own defaults).
* ``inter_op_threads`` (1).

Streams share the model; each has threads of its own, which PyTorch gives to the thread that calls it.
"""

from __future__ import annotations

import _operator
import math
import os
import re
import threading
import traceback
import warnings
import zipfile
from typing import Any, Callable

import numpy as np

# Without it, torch.export.load falls back to unpickling whatever there is.
os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"

import torch

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description, Predict
from mlscope.worker.predictors._inputs import match, positions
from mlscope.worker.predictors._options import choice, flag, take, whole
from mlscope.worker.predictors._pt2 import operators
from mlscope.worker.profilers.pytorch import Profiler
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]

_HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_TYPES = {
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64"),
}
_DEFAULTS = {
    "compile": False,
    "compile_mode": "default",
    "freeze": False,
    "precision": "fp32",
    "inter_op_threads": 1,
}
_Signature = tuple[list[str], list[Tensor], list[Tensor], "int | None"]
"""Names of the inputs as the model takes them; the inputs as the manifest has them; the outputs; the fixed batch."""


class _PyTorch:
    def load(self, command: Load) -> Description:
        options = take(command.options, _DEFAULTS)
        self._predict: Predict = self._run
        self._half = _HALVES.get(choice(options, "precision", ("fp32", *_HALVES, "auto")))
        mode = choice(options, "compile_mode", ("default", "reduce-overhead", "max-autotune"))
        self._device = _device(command.device, options["precision"])
        _set_threads(command.threads, whole(options, "inter_op_threads", 1))
        script, model = _read(command.files["graph"])
        if flag(options, "compile") and script:
            raise Problem("option", "compile is for exported programs, and this file is TorchScript")
        if options["compile"] and command.streams > 1:
            raise Problem("option", "what torch.compile makes runs one stream in a process; use --streams 1")
        if flag(options, "freeze") and not script:
            raise Problem("option", "freeze is for TorchScript, and this file is an exported program")
        self._names, inputs, outputs, fixed = (_describe_script if script else _describe_program)(model, command)
        if command.inspect:
            return Description(str(torch.__version__), inputs, outputs, fixed, {})
        self._model = _place(model, self._device)
        self._effective = {**_settings(self._model, command), "form": "TorchScript" if script else "exported program"}
        self._effective.update({name: options[name] for name in ("freeze" if script else "compile",)})
        if options["freeze"]:
            self._model = torch.jit.freeze(self._model)
        self._threads = command.threads
        self._contexts = threading.local()
        self._convert: Callable[[np.ndarray[Any, Any]], Any] = torch.from_numpy
        self._fetch: Callable[[Any], np.ndarray[Any, Any]] = _array
        self._checked = self._device.type != "cpu"
        if self._checked:
            self._convert, self._fetch = self._upload, self._download
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        zeros = {item.name: np.zeros(item.shape, item.element_type) for item in inputs}
        if options["compile"]:
            fixed = fixed or command.batch_size  # another number of rows would be compiled anew
            self._compile(mode, zeros)
        for _ in range(3 if script else 0):  # TorchScript is optimised in its first calls
            self.predict(zeros)
        program, rows = None if script else model, fixed or command.batch_size
        self._profiler = Profiler(command.profile, program, rows) if command.profile else None
        if self._profiler:
            self._predict = self._profiler.watch(self._run)
        profiler = "pytorch" if self._profiler else None
        return Description(str(torch.__version__), inputs, outputs, fixed, self._effective, profiler=profiler)

    @property
    def predict(self) -> Predict:
        return self._predict

    def _run(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        if not torch.is_inference_mode_enabled():
            self._enter()
        if not self._checked:
            return self._first(feeds)
        return self._answers(self._model(*[self._convert(feeds[name]) for name in self._names]))

    def stream(self, number: int) -> Predict:
        torch.set_num_threads(self._threads)  # OpenMP keeps the number for each thread that calls it
        return self.predict

    def close(self) -> None:
        if self._profiler:
            self._profiler.close()
        del self._model, self._predict

    def _enter(self) -> None:
        """Inference mode and autocast belong to a thread: each that comes enters them once, for its whole life."""
        self._contexts.inference = torch.inference_mode()
        self._contexts.inference.__enter__()
        if self._half:
            torch.autocast(self._device.type, self._half).__enter__()

    def _first(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """The first call tells whether the model writes into its inputs; they are samples that others will use.

        Later ones go past the hooks of the module: those of an exported program look at the inputs again, which may
        take longer than a small model.
        """
        with torch.inference_mode(False):  # only such tensors count the writes
            tensors = [torch.from_numpy(feeds[name].copy()) for name in self._names]
        try:
            result = self._model(*tensors)
        except Exception as error:  # PyTorch raises whatever it likes
            traceback.print_exc()
            raise Problem("input", f"the model refuses its input: {_reason(error)}") from error
        self._checked = True
        self._model = self._model.forward
        if any(tensor._version for tensor in tensors):
            self._convert = _copy
            self._effective["inputs_copied"] = True
        return self._answers(result)

    def _answers(self, result: Any) -> list[np.ndarray[Any, Any]]:
        if type(result) is torch.Tensor:
            return [self._fetch(result)]
        return [self._fetch(item) for item in (result.values() if isinstance(result, dict) else result)]

    def _compile(self, mode: str, zeros: dict[str, np.ndarray[Any, Any]]) -> None:
        module = self._model
        try:
            self.predict(zeros)
            self._model = torch.compile(module, mode=mode, dynamic=False)
            self.predict(zeros)
        except Exception as error:  # PyTorch raises whatever it likes
            traceback.print_exc()
            raise Problem("option", f"torch.compile failed: {_reason(error)}") from error
        self._effective["compile_mode"] = mode

    def _upload(self, values: np.ndarray[Any, Any]) -> Any:
        return torch.from_numpy(values).to(self._device)

    def _download(self, tensor: Any) -> np.ndarray[Any, Any]:
        torch.cuda.synchronize(self._device)
        return _array(tensor.cpu())


def _copy(values: np.ndarray[Any, Any]) -> Any:
    return torch.from_numpy(values.copy())


def _array(tensor: Any) -> np.ndarray[Any, Any]:
    """The tensor's own memory; numpy has no bfloat16."""
    found: np.ndarray[Any, Any] = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    return found


def _device(wanted: str, precision: str) -> Any:
    if wanted == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        build = f"torch {torch.__version__}"
        why = "finds no GPU that it can use" if torch.version.cuda or torch.version.hip else "is built for the CPU only"
        raise Problem("framework", f"{build} {why}; leave out --gpu")
    if precision != "auto":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


def _set_threads(threads: int, inter_op: int) -> None:
    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() != inter_op:  # it can be set once only
        torch.set_num_interop_threads(inter_op)
    if torch.get_num_threads() != threads:
        raise Problem("option", f"torch uses {torch.get_num_threads()} threads, {threads} were asked for")


def _read(path: str) -> tuple[bool, Any]:
    """Whether it is TorchScript, and the script module or the exported program."""
    try:
        known = operators(path)
        if known is None:
            return True, torch.jit.load(path, map_location="cpu").eval()
        missing = [name for name in sorted(known) if _lookup(name) is None]
        if missing:
            raise Problem("model", f"pytorch cannot load the model: it has no operator {', '.join(missing)}")
        with open(path, "rb") as file:
            return False, torch.export.load(file)
    except Problem:
        raise
    except zipfile.BadZipFile as error:
        why = "it is no whole zip archive, as TorchScript and exported programs are"
        raise Problem("model", f"pytorch cannot load the model: {why}") from error
    except Exception as error:  # PyTorch raises whatever it likes
        traceback.print_exc()
        pickled = type(error).__name__ == "UnpicklingError"
        why = "it holds pickled objects that are no tensors" if pickled else _reason(error)
        raise Problem("model", f"pytorch cannot load the model: {why}") from error


def _lookup(operator: str) -> Any:
    """What an operator's name stands for; None where this torch has none."""
    module, *names = operator.split(".")
    found: Any = {"torch": torch, "math": math, "_operator": _operator}.get(module)
    for name in names:
        found = getattr(found, name, None)
    return found


def _place(model: Any, device: Any) -> Any:
    """The callable model on its device."""
    try:
        if isinstance(model, torch.jit.ScriptModule):
            return model.to(device)
        if device.type != "cpu":
            from torch.export.passes import move_to_device_pass

            model = move_to_device_pass(model, device)
        return model.module()
    except Exception as error:  # PyTorch raises whatever it likes
        raise Problem("model", f"pytorch cannot bring the model to {device}: {_reason(error)}") from error


def _describe_script(model: Any, command: Load) -> _Signature:
    """The file knows its inputs' names, and nothing else of them; the rest is the manifest's word."""
    schema = model.forward.schema
    taken = [item for item in schema.arguments[1:] if not item.has_default_value()]
    names = [item.name for item in taken]
    strange = next((item for item in taken if str(item.type) != "Tensor"), None)
    if strange:
        raise Problem("input", f"input {strange.name!r} is a {strange.type}, which is not supported")
    returned = schema.returns[0].type
    kinds = returned.elements() if returned.kind() == "TupleType" else [returned]
    if any(str(kind) != "Tensor" for kind in kinds):
        raise Problem("model", f"the model returns a {returned}; tensors and tuples of tensors are supported")
    if command.inspect or any(not item.element_type for item in command.inputs) or not command.inputs:
        said = f"TorchScript does not say of what type and shape its inputs are ({', '.join(names)})"
        raise Problem("input", f"{said}; describe them in a manifest")
    inputs = [
        Tensor(names[place], item.element_type, (command.batch_size, *item.shape))
        for place, item in zip(positions(names, command.inputs), command.inputs)
    ]
    return names, inputs, [Tensor(f"output{number}", "float32", (-1,)) for number in range(len(kinds))], None


def _describe_program(program: Any, command: Load) -> _Signature:
    signature, calls = program.graph_signature, program.call_spec
    arguments, keywords = _children(calls.in_spec)
    if keywords.num_leaves or not all(item.is_leaf() for item in _children(arguments)):
        raise Problem("model", "the model takes keyword or nested arguments; export it with positional tensors")
    returned = calls.out_spec
    flat = returned.type in (tuple, list, dict) and all(item.is_leaf() for item in _children(returned))
    if not flat and not returned.is_leaf():
        raise Problem(
            "model", "the model returns nested values; a tensor, or a tuple, list or dict of them is supported"
        )
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    names: list[str] = list(signature.user_inputs)
    if not all(isinstance(name, str) for name in names):
        raise Problem("model", "the model takes arguments that are no tensors; export it with tensors only")
    inputs, fixed = match([_tensor(name, values.get(name), "input") for name in names], command)
    outputs = [_tensor(str(name), values.get(str(name)), "output") for name in signature.user_outputs]
    return names, inputs, outputs, fixed


def _children(spec: Any) -> list[Any]:
    """The parts of a nested structure; the attribute became a method."""
    found: list[Any] = spec.children() if hasattr(spec, "children") else spec.children_specs
    return found


def _tensor(name: str, value: Any, role: str) -> Tensor:
    said = type(value).__name__
    if isinstance(value, torch.Tensor):
        said = str(value.dtype).rpartition(".")[2]
        if role == "output" and value.dtype is torch.bfloat16:
            said = "float32"
        if said in _TYPES:
            return Tensor(name, said, tuple(size if isinstance(size, int) else -1 for size in value.shape))
    raise Problem("input" if role == "input" else "model", f"{role} {name!r} is a {said}, which is not supported")


def _settings(model: Any, command: Load) -> dict[str, Any]:
    """What PyTorch says of its settings; raises Problem where the model was made in another precision."""
    kinds = sorted({str(item.dtype).rpartition(".")[2] for item in model.parameters()})
    asked = command.options.get("precision", "auto")
    floats = [kind for kind in kinds if "float" in kind and kind != "float32"]
    if asked == "fp32" and floats:
        raise Problem("option", f"precision cannot be fp32: the model's parameters are {', '.join(floats)}")
    short = {"bfloat16": "bf16", "float16": "fp16", "float64": "fp64"}
    made = ", ".join(short.get(kind, kind) for kind in floats) or "fp32"
    gpu = {"gpu": torch.cuda.get_device_name()} if command.device != "cpu" else {}
    return {
        "threads": torch.get_num_threads(),
        "inter_op_threads": torch.get_num_interop_threads(),
        "device": command.device,
        "precision": asked if asked in _HALVES else made,
        "parameters": kinds,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        **gpu,
    }


def _reason(error: Exception) -> str:
    """What a long report says in the end, or in the beginning."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    final = [line for line in lines if re.match(r"\w+Error: ", line)]
    return " ".join(final[-1:] or lines[:2])[:400] or type(error).__name__


def create() -> _PyTorch:
    """A PyTorch predictor."""
    return _PyTorch()
