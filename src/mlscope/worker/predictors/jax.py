"""JAX: functions written by jax.export, https://docs.jax.dev/en/latest/export/export.html.

A file is what ``jax.export.Exported.serialize`` gives: StableHLO and its signature. It is compiled for the batch size
that it is run with; a batch with fewer rows is filled up. Options:

* Any option of the XLA compiler, by XLA's name: ``xla_cpu_enable_fast_math``, ...
* ``precision``: a program is computed as it was exported; fp32, bf16 or fp16 makes sure that it is this (on a GPU,
  fp32 without TF32). Auto, the default, takes any.

XLA has no setting for its threads; it reads the environment variable ``NPROC`` when it starts. What it has started is
counted.
"""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export, tree_util

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description, Predict
from mlscope.worker.predictors._inputs import match
from mlscope.worker.predictors._options import choice, take
from mlscope.worker.profilers.jax import Profiler
from mlscope.worker.protocol import Load, Tensor

__all__ = ["create"]

_FLOATS = {"f64": "fp64", "f32": "fp32", "bf16": "bf16", "f16": "fp16"}


class _Jax:
    def load(self, command: Load) -> Description:
        xla = {name: value for name, value in command.options.items() if name.startswith("xla_")}
        options = take(
            {name: value for name, value in command.options.items() if name not in xla},
            {"precision": "auto"},
        )
        precision = choice(options, "precision", ("fp32", "bf16", "fp16", "auto"))
        self._device = _device(command, precision)
        exported = _read(command.files["graph"])
        if any(getattr(item.dtype, "itemsize", 0) == 8 for item in (*exported.in_avals, *exported.out_avals)):
            jax.config.update("jax_enable_x64", True)
        names = _input_names(exported, command.inputs)
        inputs, fixed = match([_tensor(*item, "input") for item in zip(names, exported.in_avals)], command)
        outputs = [_tensor(*item, "output") for item in zip(_names(exported.out_tree, "output"), exported.out_avals)]
        if command.inspect:
            return Description(jax.__version__, inputs, outputs, fixed, {})
        fixed = fixed or command.batch_size
        shapes = {item.name: jax.ShapeDtypeStruct(item.shape, np.dtype(item.element_type)) for item in inputs}
        self._names = names
        self._call, text = _compile(exported, [shapes[name] for name in names], xla)
        self._profiler = Profiler(command.profile) if command.profile else None
        self._predict: Predict = self._profiler.watch(text, self._run) if self._profiler else self._run
        made = sorted({_FLOATS[name] for name in re.findall(r"\b(bf16|f16|f32|f64)\[", text)} - {"fp32"})
        if command.device == "cpu":
            _check_threads(command.threads)
        effective = {
            "threads": command.threads,
            "device": command.device,
            "precision": ", ".join(made) or "fp32",
            "platform": self._device.platform,
            "device_kind": self._device.device_kind,
            "x64": bool(jax.config.jax_enable_x64),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            **xla,
        }
        if precision not in ("auto", effective["precision"]):
            said = f"the program was exported in {effective['precision']}"
            raise Problem("option", f"precision cannot be {precision}: {said}, and jax computes it so")
        profiler = "jax" if self._profiler else None
        return Description(jax.__version__, inputs, outputs, fixed, effective, profiler=profiler)

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        return self._predict(feeds)

    def _run(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        # Arrays of numpy go in at once: device_put costs more than the whole call of a small model. They come out
        # without a copy on the CPU; numpy would wait for them too, but longer.
        outputs = self._call(*[feeds[name] for name in self._names])
        return [np.asarray(item.block_until_ready()) for item in outputs]

    def close(self) -> None:
        if self._profiler:
            self._profiler.close()
        del self._predict, self._call


def _device(command: Load, precision: str) -> Any:
    """Start XLA for one kind of device only."""
    if command.device == "cpu":
        os.environ["NPROC"] = str(command.threads)
        jax.config.update("jax_platforms", "cpu")
    elif precision == "fp32":
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    try:
        device = jax.devices("cpu" if command.device == "cpu" else "gpu")[0]
    except RuntimeError as error:
        raise Problem("framework", f"jax finds no {command.device.upper()} that it can use; leave out --gpu") from error
    jax.config.update("jax_default_device", device)
    return device


def _read(path: str) -> Any:
    try:
        return export.deserialize(bytearray(Path(path).read_bytes()))
    except ImportError as error:
        raise Problem("framework", f"jax cannot read exported programs here: {error}") from error
    except OSError as error:
        raise Problem("model", f"jax cannot load the model: {error.strerror}: {path}") from error
    except Exception as error:  # flatbuffers and jax raise whatever they like
        traceback.print_exc()
        why = str(error) if isinstance(error, ValueError) else "it is no whole file of jax.export"
        raise Problem("model", f"jax cannot load the model: {why}") from error


def _compile(exported: Any, shapes: list[Any], xla: dict[str, Any]) -> tuple[Any, str]:
    """The compiled function of flat arguments, and the text of its optimised program."""

    def flat(*leaves: Any) -> list[Any]:
        arguments, keywords = tree_util.tree_unflatten(exported.in_tree, leaves)
        found = tree_util.tree_leaves(exported.call(*arguments, **keywords))
        return [leaf if _is_plain(leaf.dtype) else leaf.astype(np.float32) for leaf in found]

    try:
        call = jax.jit(flat, **({"compiler_options": xla} if xla else {}))
        return call, str(call.lower(*shapes).compile().as_text())
    except Exception as error:  # XLA raises whatever it likes
        reason = str(error).partition("\n")[0]
        if any(name in reason for name in (*xla, "compile option", "compiler_options")):
            raise Problem("option", f"XLA does not take its options: {reason}") from error
        traceback.print_exc()
        raise Problem("model", f"jax cannot compile the model: {reason}") from error


def _names(tree: Any, prefix: str) -> list[str]:
    """The leaves' names: a dictionary's keys, or numbers behind the prefix."""
    paths, _ = tree_util.tree_flatten_with_path(tree_util.tree_unflatten(tree, range(tree.num_leaves)))
    names = [
        str(path[-1].key) if path and isinstance(path[-1], tree_util.DictKey) else f"{prefix}{number}"
        for number, (path, _) in enumerate(paths)
    ]
    return names if len(set(names)) == len(names) else [f"{prefix}{number}" for number in range(len(names))]


def _input_names(exported: Any, wanted: list[Tensor]) -> list[str]:
    """The inputs' names; those of positional arguments are in no file, and so they are called as the manifest does."""
    names = _names(exported.in_tree, "input")
    if len(wanted) == len(names) and all(name == f"input{number}" for number, name in enumerate(names)):
        return [item.name if item.name and not item.name.isdigit() else name for item, name in zip(wanted, names)]
    return names


def _is_plain(element: Any) -> bool:
    """Whether numpy itself has the type; bfloat16 and its like are additions."""
    return isinstance(element, np.dtype) and element.kind in "biuf"


def _tensor(name: str, value: Any, role: str) -> Tensor:
    element = np.dtype(np.float32) if role == "output" and str(value.dtype) == "bfloat16" else value.dtype
    if not _is_plain(element):
        said = f"{role} {name!r} is a {value.dtype}, which is not supported"
        raise Problem("input" if role == "input" else "model", said)
    return Tensor(name, element.name, tuple(size if isinstance(size, int) else -1 for size in value.shape))


def _check_threads(wanted: int) -> None:
    """Count the threads that XLA computes with; those of releases before 0.8 have no name of their own.

    Raises:
        Problem: They are not as many as were asked for.
    """
    tasks = Path("/proc/self/task")
    names = [(task / "comm").read_text().strip() for task in tasks.iterdir()] if tasks.is_dir() else []
    count = names.count("tf_XLAEigen")
    if count not in (0, wanted):
        raise Problem("option", f"XLA started {count} threads, {wanted} were asked for")


def create() -> _Jax:
    """A JAX predictor."""
    return _Jax()
