"""TensorFlow: https://www.tensorflow.org/api_docs/python/tf/saved_model/load.

The graph is a SavedModel folder in a zip file, whose inputs and outputs are in the order of their names, or a frozen
GraphDef as TensorFlow 1 wrote them, in the order of its nodes.

Options: ``signature`` of a SavedModel (serving_default); ``outputs`` of a GraphDef, a list or names with commas (the
nodes that nothing else reads); ``inter_op_threads`` (1); ``xla`` (false); ``precision`` that float32 operations may be
computed in: fp32, bf16 (on CPUs) or tf32 (on GPUs).
"""

from __future__ import annotations

import difflib
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tensorflow as tf

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description, Predict
from mlscope.worker.predictors._inputs import match
from mlscope.worker.predictors._options import choice, flag, take, whole
from mlscope.worker.profilers.tensorflow import Profiler
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]

_DEFAULTS: dict[str, Any] = {
    "signature": None,
    "outputs": None,
    "inter_op_threads": 1,
    "xla": False,
    "precision": "fp32",
}
_ERRORS = (tf.errors.OpError, OSError, RuntimeError, TypeError, ValueError)
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
_SILENT = ("Assert", "Const", "NoOp", "Placeholder")


class _TensorFlow:
    _model: Any
    _run: Any

    def load(self, command: Load) -> Description:
        options = take(command.options, _DEFAULTS)
        _set_up(command, options)
        try:
            declared, outputs = self._load(Path(command.files["graph"]), options)
        except _ERRORS as error:
            raise Problem("model", f"tensorflow cannot load the model: {error}") from error
        inputs, fixed = match([_tensor("input", name, found) for name, found in declared.items()], command)
        if flag(options, "xla"):
            self._run = tf.function(self._run, jit_compile=True)
        self._outputs = list(outputs)
        self._profiler = Profiler(command.profile, tf) if command.profile else None
        self._predict: Predict = self._profiler.watch(self._call) if self._profiler else self._call
        effective = {
            "threads": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
            "device": command.device,
            "precision": options["precision"],
            "xla": options["xla"],
        }
        made = [_tensor("output", name, found) for name, found in outputs.items()]
        profiler = "tensorflow" if self._profiler else None
        return Description(tf.__version__, inputs, made, fixed, effective, profiler=profiler)

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        return self._predict(feeds)

    def _call(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        outputs = self._run(**{name: tf.constant(values) for name, values in feeds.items()})
        return [outputs[name].numpy() for name in self._outputs]

    def close(self) -> None:
        if self._profiler:
            self._profiler.close()
        del self._predict, self._run, self._model

    def _load(self, path: Path, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Inputs and outputs by name; sets the function, and the model that owns its variables."""
        if not zipfile.is_zipfile(path):
            if options["signature"] is not None:
                raise Problem("option", "signature is an option for a SavedModel; this is a GraphDef")
            self._model, self._run, inputs = _frozen(path, options["outputs"])
            return inputs, self._model.structured_outputs
        if options["outputs"] is not None:
            raise Problem("option", "outputs is an option for a GraphDef; this is a SavedModel")
        with tempfile.TemporaryDirectory(prefix="mlscope-") as folder:
            self._model = tf.saved_model.load(str(_extract(path, Path(folder))))
        self._run = _signature(self._model.signatures, options["signature"])
        # In a SavedModel they have names only, and another order in each process.
        signature = self._run.structured_input_signature[1]
        return dict(sorted(signature.items())), dict(sorted(self._run.structured_outputs.items()))


def _set_up(command: Load, options: dict[str, Any]) -> None:
    """Threads, device and precision; TensorFlow takes them only before it runs anything."""
    tf.config.threading.set_intra_op_parallelism_threads(command.threads)
    tf.config.threading.set_inter_op_parallelism_threads(whole(options, "inter_op_threads", 0))
    if command.device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        if choice(options, "precision", ("fp32", "bf16")) == "bf16":
            tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
    elif not tf.config.list_physical_devices("GPU"):
        raise Problem("framework", "this tensorflow finds no GPU that it can use; leave out --gpu")
    else:
        wanted = choice(options, "precision", ("fp32", "tf32"))
        tf.config.experimental.enable_tensor_float_32_execution(wanted == "tf32")


def _extract(path: Path, folder: Path) -> Path:
    """The SavedModel folder of a zip file, unpacked into `folder`.

    Raises:
        Problem: The file is damaged, holds no SavedModel, or members that lead out of the folder.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for member in members:
                parts = PurePosixPath(member.filename).parts
                if ".." in parts or member.filename.startswith("/") or "\\" in member.filename:
                    raise Problem("model", f"the zip file has a member outside its folder: {member.filename!r}")
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise Problem("model", f"the zip file has a link, {member.filename!r}; a SavedModel has none")
            size, free = sum(member.file_size for member in members), shutil.disk_usage(folder).free
            if size > free:
                raise Problem("disk", f"the SavedModel takes {size} bytes, {folder} has {free}")
            archive.extractall(folder)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise Problem("model", f"tensorflow cannot load the model: the zip file is damaged: {error}") from error
    found = [item.parent for name in ("saved_model.pb", "saved_model.pbtxt") for item in folder.rglob(name)]
    if len(found) != 1:
        raise Problem("model", f"the zip file holds {len(found)} SavedModels (files saved_model.pb), not one")
    return found[0]


def _signature(signatures: Any, wanted: str | None) -> Any:
    if wanted is None:
        wanted = next(iter(signatures)) if len(signatures) == 1 else "serving_default"
    if wanted not in signatures:
        has = f"it has {', '.join(signatures)}" if signatures else "it has none"
        raise Problem("option" if signatures else "model", f"the SavedModel has no signature {wanted!r}; {has}")
    return signatures[wanted]


def _frozen(path: Path, wanted: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The function of a frozen GraphDef, the same called by its inputs' names, and its inputs."""
    definition = tf.compat.v1.GraphDef()
    try:
        definition.ParseFromString(path.read_bytes())
    except Exception as error:  # the DecodeError of whichever protobuf this is
        message = f"tensorflow cannot load the model: it is neither SavedModel in a zip file nor GraphDef: {error}"
        raise Problem("model", message) from error
    variable = next((node.name for node in definition.node if node.op in _VARIABLES), None)
    if variable or not definition.node:
        reason = f"it has variables, such as {variable!r}" if variable else "it has no nodes"
        raise Problem("model", f"tensorflow cannot load the model: it is no frozen GraphDef: {reason}")
    graph = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(definition, name=""), [])
    inputs = {node.name: f"{node.name}:0" for node in definition.node if node.op == "Placeholder"}
    outputs = {name: name if ":" in name else f"{name}:0" for name in _results(definition, graph.graph, wanted)}
    tensors = {name: graph.graph.get_tensor_by_name(tensor) for name, tensor in inputs.items()}
    fetches = {name: graph.graph.get_tensor_by_name(tensor) for name, tensor in outputs.items()}
    function = graph.prune(list(tensors.values()), fetches)
    return function, lambda **feeds: function(*[feeds[name] for name in tensors]), tensors


def _results(definition: Any, graph: Any, wanted: Any) -> list[str]:
    """The nodes that are asked for, or those that give something which no other node reads."""
    if wanted is not None:
        names = wanted.split(",") if isinstance(wanted, str) else wanted
        nodes = [node.name for node in definition.node]
        for name in names:
            if name.split(":")[0] not in nodes:
                near = difflib.get_close_matches(name, nodes, 1)
                raise Problem(
                    "option",
                    f"outputs: the graph has no node {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
                )
        return names
    read = {source.lstrip("^").split(":")[0] for node in definition.node for source in node.input}
    loose = [node.name for node in definition.node if node.name not in read and node.op not in _SILENT]
    return [name for name in loose if graph.get_operation_by_name(name).outputs]


def _tensor(role: str, name: str, found: Any) -> Tensor:
    """Name, element type and shape of an input or output; -1 where a size is open."""
    try:
        element = np.dtype(found.dtype.as_numpy_dtype)
    except TypeError:
        element = np.dtype(object)
    if element.kind not in "biuf" or element.isbuiltin != 1:
        raise Problem("model", f"{role} {name!r} is a {found.dtype.name} tensor, which is not supported")
    if found.shape.rank is None:
        if role == "input":
            raise Problem("input", f"input {name!r} does not say how many dimensions it has")
        return Tensor(name, element.name, (-1,))
    return Tensor(name, element.name, tuple(-1 if size is None else int(size) for size in found.shape.as_list()))


def create() -> _TensorFlow:
    """A TensorFlow predictor."""
    return _TensorFlow()
