"""ONNX Runtime: https://onnxruntime.ai/docs/api/python/api_summary.html.

Options:

* ``providers``: execution providers in their order, as a list or with commas (``CPUExecutionProvider``, or ``cpu``);
  ``provider_options``: an object of settings for each of them.
* ``graph_optimization_level`` (disable, basic, extended, layout, all), ``execution_mode`` (sequential, parallel),
  ``inter_op_threads``, ``allow_spinning``, ``mem_pattern``, ``cpu_mem_arena``.
* Any attribute of ``SessionOptions`` that is a number or true or false (``use_deterministic_compute``), and any session
  config entry (``session.set_denormal_as_zero``), by its own name.
* ``precision``: fp32, as the graph is computed. ``allow_spinning`` is true unless the threads of all streams are more
  than the cores.

Streams of one thread share a session, and so its weights in the caches: without a pool of threads there is nothing to
contend for. Streams of several threads have a session each.
"""

from __future__ import annotations

import difflib
import mmap
import os
from typing import Any, Callable

import numpy as np

# Since 1.31 the official builds report to Microsoft from a thread of their own, and write to the user's home and the
# temporary folder. Nothing of that belongs into a measurement; it is read when the library is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _state

from mlscope.worker._problem import Problem
from mlscope.worker.predictors import Description, Predict
from mlscope.worker.predictors._inputs import match
from mlscope.worker.predictors._options import choice, flag, take, whole
from mlscope.worker.profilers.onnxruntime import Profiler
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
_DEFAULTS: dict[str, Any] = {
    "providers": None,
    "provider_options": {},
    "graph_optimization_level": "all",
    "execution_mode": "sequential",
    "inter_op_threads": 1,
    "allow_spinning": None,
    "mem_pattern": True,
    "cpu_mem_arena": True,
    "precision": "fp32",
}
# What has a name of its own above, or writes files where nobody looks for them.
_TAKEN = frozenset(
    ("intra_op_num_threads", "inter_op_num_threads", "enable_mem_pattern", "enable_cpu_mem_arena", "enable_profiling")
)


class _OnnxRuntime:
    def load(self, command: Load) -> Description:
        entries = {key: value for key, value in command.options.items() if "." in key}
        attributes = _attributes()
        plain = {key: value for key, value in command.options.items() if key not in entries}
        options = take(plain, {**_DEFAULTS, **attributes})
        providers = _providers(command.device, options)
        if options["allow_spinning"] is None:
            options["allow_spinning"] = command.streams * command.threads <= max(_cores(), command.threads)

        self._profiler = Profiler(command.profile) if command.profile else None

        def make(affinities: str = "", number: int = 0) -> Any:
            wanted = _session_options(options, command.threads)
            _set_attributes(wanted, options, attributes)
            _set_entries(wanted, entries)
            if affinities:
                wanted.add_session_config_entry("session.intra_op_thread_affinities", affinities)
            if self._profiler:
                self._profiler.prepare(wanted, number)
            return onnxruntime.InferenceSession(
                command.files["graph"],
                wanted,
                providers=[name for name, _ in providers],
                provider_options=[settings for _, settings in providers],
            )

        self._make, self._command = make, command
        try:
            self._session = make()
        except _ERRORS as error:
            raise Problem("model", f"onnxruntime cannot load the model: {error}") from error
        _check_providers([name for name, _ in providers], self._session.get_providers())
        self._outputs = _outputs(self._session)
        self._run = self._runs(self._session, 0)
        inputs, fixed = match([_declared(node) for node in self._session.get_inputs()], command)
        used = self._session.get_session_options()
        effective = {
            "threads": used.intra_op_num_threads,
            "inter_op_threads": used.inter_op_num_threads,
            "allow_spinning": options["allow_spinning"],
            "precision": options["precision"],
            "providers": self._session.get_providers(),
            "graph_optimization_level": options["graph_optimization_level"],
            "execution_mode": options["execution_mode"],
            **{name: getattr(used, name) for name in attributes if name in command.options},
            **{key: used.get_session_config_entry(key) for key in entries},
        }
        outputs = [
            Tensor(node.name, _TYPES[node.type], tuple(_size(size) for size in node.shape))
            for node in self._session.get_outputs()
        ]
        profiler = "onnxruntime" if self._profiler else None
        return Description(onnxruntime.__version__, inputs, outputs, fixed, effective, profiler=profiler)

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        outputs: list[np.ndarray[Any, Any]] = self._run(self._outputs, feeds)
        return outputs

    def stream(self, number: int) -> Predict:
        threads, pinned = self._command.threads, self._command.pin
        if threads == 1 or not (number or pinned):
            return self.predict
        # The calling thread is the first of them; ONNX Runtime makes the others, and counts cores from 1.
        cores = sorted(os.sched_getaffinity(0)) if pinned else []
        try:
            session = self._make(";".join(str(core + 1) for core in cores[1:]), number)
        except _ERRORS as error:
            raise Problem("model", f"onnxruntime cannot make a session for stream {number}: {error}") from error
        run, outputs = self._runs(session, number), self._outputs

        def predict(feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
            found: list[np.ndarray[Any, Any]] = run(outputs, feeds)
            return found

        return predict

    def _runs(self, session: Any, number: int) -> Callable[[Any, Any], Any]:
        """What runs a session: itself, or its profiler."""
        run: Callable[[Any, Any], Any] = self._profiler.watch(session, number) if self._profiler else session.run
        return run

    def close(self) -> None:
        if self._profiler:
            self._profiler.close()
        del self._session, self._make, self._run


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _outputs(session: Any) -> list[str]:
    for node in session.get_outputs():
        if node.type not in _TYPES:
            raise Problem("model", f"output {node.name!r} is a {node.type}, which is not supported")
    return [node.name for node in session.get_outputs()]


def _session_options(options: dict[str, Any], threads: int) -> Any:
    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = threads
    session.inter_op_num_threads = whole(options, "inter_op_threads", 0)
    level = choice(options, "graph_optimization_level", list(_LEVELS))
    session.graph_optimization_level = onnxruntime.GraphOptimizationLevel(_LEVELS[level])
    mode = choice(options, "execution_mode", ("sequential", "parallel"))
    session.execution_mode = getattr(onnxruntime.ExecutionMode, f"ORT_{mode.upper()}")
    session.enable_mem_pattern = flag(options, "mem_pattern")
    session.enable_cpu_mem_arena = flag(options, "cpu_mem_arena")
    spinning = "1" if flag(options, "allow_spinning") else "0"
    session.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    choice(options, "precision", ("fp32",))
    return session


def _attributes() -> dict[str, Any]:
    """Attributes of SessionOptions that a user may set by name, with their defaults."""
    session = onnxruntime.SessionOptions()
    names = [name for name in dir(session) if not name.startswith("_") and name not in _TAKEN]
    return {name: getattr(session, name) for name in names if isinstance(getattr(session, name), (bool, int))}


def _set_attributes(session: Any, options: dict[str, Any], attributes: dict[str, Any]) -> None:
    for name, default in attributes.items():
        if options[name] != default or isinstance(options[name], bool) != isinstance(default, bool):
            value = flag(options, name) if isinstance(default, bool) else whole(options, name, 0)
            setattr(session, name, value)


def _set_entries(session: Any, entries: dict[str, Any]) -> None:
    """Session config entries; ONNX Runtime takes any key without a word, so its own text is asked which it reads."""
    if not entries:
        return
    with open(_state.__file__, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
        for key, value in entries.items():
            if library.find(f"\0{key}\0".encode()) < 0:
                raise Problem("option", f"this onnxruntime reads no session config entry {key!r}")
            text = str(int(value)) if isinstance(value, bool) else str(value)
            session.add_session_config_entry(key, text)


def _providers(device: str, options: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Execution providers with their settings, in the order of preference."""
    listed = options["providers"]
    if listed is None:
        listed = ["CPU"] if device == "cpu" else ["CUDA", "CPU"]
    names = [_provider(str(name)) for name in (listed.split(",") if isinstance(listed, str) else listed)]
    if device != "cpu" and set(names) == {"CPUExecutionProvider"}:
        raise Problem("option", "the only execution provider is that of the CPU; leave out --gpu")
    settings = options["provider_options"]
    if not isinstance(settings, dict) or not all(isinstance(item, dict) for item in settings.values()):
        raise Problem("option", f"provider_options is an object of objects, one for a provider, not {settings!r}")
    given = {_provider(name): {key: str(value) for key, value in item.items()} for name, item in settings.items()}
    strange = next((name for name in given if name not in names), None)
    if strange:
        raise Problem("option", f"provider_options has settings for {strange}, which is not among the providers")
    return [(name, given.get(name, {})) for name in names]


def _provider(name: str) -> str:
    """A provider's whole name; ``cpu`` stands for ``CPUExecutionProvider``."""
    known = {found.lower()[: -len("ExecutionProvider")]: found for found in onnxruntime.get_available_providers()}
    short = name.strip().lower()
    short = short[: -len("ExecutionProvider")] if short.endswith("executionprovider") else short
    if short in known:
        return str(known[short])
    if short == "cuda":
        message = "this onnxruntime has no CUDAExecutionProvider; install onnxruntime-gpu or leave out --gpu"
        raise Problem("framework", message)
    near = difflib.get_close_matches(short, known, 1)
    hint = f"did you mean {known[near[0]]!r}?" if near else f"it has {', '.join(known.values())}"
    raise Problem("framework", f"this onnxruntime has no execution provider {name.strip()!r}; {hint}")


def _check_providers(wanted: list[str], used: list[str]) -> None:
    """ONNX Runtime falls back to the CPU with a line in its log; a measurement must not."""
    for name in wanted:
        if name not in used:
            message = f"onnxruntime cannot start {name} on this machine: its libraries or its device are missing"
            raise Problem("framework", message)


def _declared(node: Any) -> Tensor:
    if node.type not in _TYPES:
        raise Problem("input", f"input {node.name!r} is a {node.type}, which is not supported")
    return Tensor(node.name, _TYPES[node.type], tuple(_size(size) for size in node.shape))


def _size(dimension: Any) -> int:
    return dimension if isinstance(dimension, int) else -1


def create() -> _OnnxRuntime:
    """An ONNX Runtime predictor."""
    return _OnnxRuntime()
