"""Apache MXNet 1.x: https://mxnet.apache.org/versions/1.9.1/api/python/docs/api/symbol/symbol.html.

The graph is a symbol's JSON, ``params`` a file of parameters. The symbol is bound once, for one batch size; a batch
with fewer rows is filled up.

Options: ``random_weights``, a seed that weights are drawn from where there is no params file; ``engine``, threaded
or naive (on the calling thread); ``precision``: fp32.

MXNet takes the number of its threads from the environment when it is imported, so loading a model imports it first.
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import zlib
from typing import Any

import numpy as np

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description, Predict
from mlscope.worker.predictors._inputs import match, positions
from mlscope.worker.predictors._options import choice, take, whole
from mlscope.worker.profilers.mxnet import Profiler
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]

_DEFAULTS: dict[str, Any] = {"random_weights": None, "engine": "threaded", "precision": "fp32"}
_ENGINES = {"threaded": "ThreadedEnginePerDevice", "naive": "NaiveEngine"}
_TYPES = {0: "float32", 1: "float64", 2: "float16", 3: "uint8", 4: "int32", 5: "int8", 6: "int64"}
_PARAMETERS = ("weight", "bias", "gamma", "beta", "mean", "var")  # how names of parameters end, by MXNet's custom


class _MXNet:
    def load(self, command: Load) -> Description:
        options = take(command.options, _DEFAULTS)
        choice(options, "precision", ("fp32",))
        seed = None if options["random_weights"] is None else whole(options, "random_weights", 0)
        mx = _import(command.threads, choice(options, "engine", tuple(_ENGINES)))
        context = _context(mx, command.device)
        symbol = _symbol(mx, command.files["graph"])
        given = _parameters(mx, command, seed)
        inputs, fixed = match(_declared(symbol, given, command), command)
        if command.inspect:
            return Description(mx.__version__, inputs, _outputs(mx, symbol, inputs), fixed, {})
        arrays = _arrays(mx, symbol, inputs, given, seed)
        arrays = {name: values.as_in_context(context) for name, values in arrays.items()}
        self._profiler = Profiler(command.profile, mx) if command.profile else None
        self._fed = {tensor.name: arrays[tensor.name] for tensor in inputs}
        self._executor = _bind(mx, context, symbol, arrays)
        self._predict: Predict = self._run
        if self._profiler:
            self._predict = self._profiler.watch(self._executor, arrays, self._run)
        effective = {
            "threads": ctypes.CDLL(mx.libinfo.find_lib_path()[0]).omp_get_max_threads(),
            "device": command.device,
            "precision": options["precision"],
            "engine": options["engine"],
            "mkldnn": mx.runtime.Features().is_enabled("MKLDNN"),
            "random_weights": seed,
        }
        outputs = [
            Tensor(name, np.dtype(found.dtype).name, found.shape)
            for name, found in zip(symbol.list_outputs(), self._executor.outputs)
        ]
        profiler = "mxnet" if self._profiler else None
        return Description(mx.__version__, inputs, outputs, fixed or command.batch_size, effective, profiler=profiler)

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        return self._predict(feeds)

    def _run(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        for name, values in feeds.items():
            self._fed[name][:] = values
        return [values.asnumpy() for values in self._executor.forward(is_train=False)]

    def close(self) -> None:
        if self._profiler:
            self._profiler.close()
        del self._executor, self._fed, self._predict


def _import(threads: int, engine: str) -> Any:
    """MXNet with its settings; they are read once, when its library is loaded."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["MXNET_ENGINE_TYPE"] = _ENGINES[engine]
    try:
        import mxnet
    except Exception as error:  # an ImportError, or what it makes of a numpy that is too new
        raise Problem("framework", f"the predictor 'mxnet' cannot be imported here: {error}") from error
    return mxnet


def _context(mx: Any, device: str) -> Any:
    if device == "cpu":
        return mx.cpu()
    if not mx.context.num_gpus():
        raise Problem("framework", "this mxnet finds no GPU that it can use; leave out --gpu")
    return mx.gpu()


def _symbol(mx: Any, path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        json.loads(text)  # MXNet's own reader does not tell every broken file
        return mx.sym.load_json(text)
    except (OSError, ValueError, mx.base.MXNetError) as error:
        raise Problem("model", f"mxnet cannot load the model: {_reason(error)}") from error


def _parameters(mx: Any, command: Load, seed: int | None) -> dict[str, Any] | None:
    """Parameters by name; None without a params file."""
    path = command.files.get("params")
    if path is None:
        return None
    if seed is not None:
        raise Problem("option", "random_weights is for a model without params file; this one has its weights")
    try:
        found = mx.nd.load(path) or {}
        if isinstance(found, list):
            raise ValueError("they have no names")
        # The names begin with arg: or aux: but for those that Gluon's save_parameters writes.
        return {name.partition(":")[2] or name: values for name, values in found.items()}
    except (OSError, ValueError, mx.base.MXNetError) as error:
        raise Problem("model", f"mxnet cannot load the model's parameters: {_reason(error)}") from error


def _declared(symbol: Any, given: dict[str, Any] | None, command: Load) -> list[Tensor]:
    """The inputs: arguments that are no parameters and no labels of a training loss.

    A symbol need not say their shapes and element types; what it leaves out is taken from the manifest.
    """
    free = [name for name in symbol.list_arguments() if not name.endswith("label")]
    wanted = [item.name for item in command.inputs]
    known = [name for name in free if name in (given or ()) or (name.endswith(_PARAMETERS) and name not in wanted)]
    names = [name for name in free if name not in known]
    attributes = symbol.attr_dict()
    said = {}
    if command.inputs:
        said = {names[place]: item for place, item in zip(positions(names, command.inputs), command.inputs)}
    found = []
    for name in names:
        own, manifest = attributes.get(name, {}), said.get(name, Tensor(name, "", ()))
        element = _TYPES.get(int(own.get("__dtype__", -1)), manifest.element_type or "float32")
        if "__shape__" not in own and not manifest.element_type:
            raise Problem("input", f"the symbol does not say the shape of its input {name!r}; a manifest has to")
        shape = ast.literal_eval(own["__shape__"]) if "__shape__" in own else (0, *manifest.shape)
        found.append(Tensor(name, element, tuple(int(size) or -1 for size in shape)))
    return found


def _infer(mx: Any, symbol: Any, inputs: list[Tensor], given: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shapes of all arguments and auxiliary states, by name."""
    names = symbol.list_arguments()
    known = {name: given[name].shape for name in names if name in given}
    known.update((tensor.name, tensor.shape) for tensor in inputs)
    try:
        arguments, _, states = symbol.infer_shape(**known)
    except (ValueError, mx.base.MXNetError) as error:
        raise Problem("input", f"mxnet cannot run the model on this input: {_reason(error)}") from error
    if arguments is None:
        raise Problem("input", "mxnet cannot tell the shapes of the model's parameters from that of its input")
    return dict(zip(names + symbol.list_auxiliary_states(), arguments + states))


def _outputs(mx: Any, symbol: Any, inputs: list[Tensor]) -> list[Tensor]:
    """The outputs as far as the symbol alone tells."""
    names = symbol.list_outputs()
    try:
        _, shapes, _ = symbol.infer_shape(**{tensor.name: (1, *tensor.shape[1:]) for tensor in inputs})
    except (ValueError, mx.base.MXNetError):
        shapes = None
    return [Tensor(name, "float32", (-1, *shape[1:])) for name, shape in zip(names, shapes or [()] * len(names))]


def _arrays(
    mx: Any, symbol: Any, inputs: list[Tensor], given: dict[str, Any] | None, seed: int | None
) -> dict[str, Any]:
    """All arguments and auxiliary states by name: parameters as they are given or drawn, zeros for the others."""
    elements = {tensor.name: tensor.element_type for tensor in inputs}
    found = {}
    for name, shape in _infer(mx, symbol, inputs, given or {}).items():
        if name in elements or name.endswith("label"):
            found[name] = mx.nd.zeros(shape, dtype=elements.get(name, "float32"))
        elif given is None:
            if seed is None:
                message = "mxnet needs a params file beside the symbol, or the option random_weights, a seed"
                raise Problem("model", message)
            found[name] = mx.nd.array(_draw(name, shape, seed), dtype="float32")
        elif name in given:
            found[name] = given[name]
        else:
            raise Problem("model", f"mxnet cannot load the model: its params file has no {name!r}")
    return found


def _bind(mx: Any, context: Any, symbol: Any, arrays: dict[str, Any]) -> Any:
    """The graph, compiled around these arrays."""
    states = {name: arrays[name] for name in symbol.list_auxiliary_states()}
    arguments = {name: arrays[name] for name in symbol.list_arguments()}
    try:
        return symbol.bind(context, arguments, grad_req="null", aux_states=states)
    except mx.base.MXNetError as error:
        raise Problem("input", f"mxnet cannot run the model on this input: {_reason(error)}") from error


def _draw(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    """A parameter as networks are begun with: weights by He et al. (2015) from seed and name, the rest neutral."""
    if name.endswith(("gamma", "var")):
        return np.ones(shape, np.float32)
    if not name.endswith("weight"):
        return np.zeros(shape, np.float32)
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))


def _reason(error: BaseException) -> str:
    """The last line: the ones before it are MXNet's own places."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def create() -> _MXNet:
    """An MXNet predictor."""
    return _MXNet()
