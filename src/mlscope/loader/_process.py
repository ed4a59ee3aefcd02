"""A loader process: pictures into slots of a shared file, and hooks over outputs.

Lines of JSON come in and go out (see :mod:`mlscope._channel`); stdout and stderr are its log. It may run in a stack of
its own, on any Python from 3.9 that has numpy and the decoder: see ``__main__.py`` of this room.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from mlscope.loader._hooks import HookError, compile_hooks
from mlscope.loader._pictures import oddity
from mlscope.loader._prepared import PreparedSet
from mlscope.loader._steps import UnreadableError, check_whole, compile_steps

__all__ = ["main"]

Array = np.ndarray[Any, Any]
Hooks = Mapping[str, Callable[[Any], Any]]
_MOST_ERROR = 500  # characters: an answer fits into the pipe, so that nobody waits for the other


class _Pictures:
    """Brings samples into the slots of the shared file."""

    def __init__(self, setup: Mapping[str, Any], hooks: Hooks) -> None:
        spec = setup["input"]
        self._shape, self._dtype = tuple(spec["shape"]), np.dtype(spec["element_type"])
        self._source = PreparedSet(Path(setup["prepared"]), spec) if "prepared" in setup else _Files(spec, hooks)
        self._row_bytes = int(np.prod(self._shape, dtype=np.int64)) * self._dtype.itemsize
        self._slot_bytes, self._offset = int(setup["slot_bytes"]), int(setup["offset"])
        handle = os.open(setup["ring"], os.O_RDWR)
        self._map = mmap.mmap(handle, self._offset + self._slot_bytes * int(setup["slots"]))
        os.close(handle)

    def fill(self, slot: int, place: int, number: int, path: str) -> list[Any]:
        """Load one sample; ``[begin_ns, end_ns, error or None, oddity or None]``."""
        begin = time.perf_counter_ns()
        error = odd = None
        start = self._offset + slot * self._slot_bytes + place * self._row_bytes
        row = np.frombuffer(self._map, self._dtype, self._row_bytes // self._dtype.itemsize, start).reshape(self._shape)
        try:
            odd, make = self._source.open(number, path)
            row[...] = make()
        except (UnreadableError, OSError) as problem:
            error = str(problem)
        except Exception as problem:  # noqa: BLE001 - a hook or decoder may raise anything: the sample failed
            traceback.print_exc()
            error = f"{type(problem).__name__}: {problem}"
        if error is not None:
            row[...] = 0
            error = " ".join(error.split())[:_MOST_ERROR]
        return [begin, time.perf_counter_ns(), error, odd]


class _Files:
    """Samples as files, turned into tensors by the declared steps and the hooks."""

    def __init__(self, spec: Mapping[str, Any], hooks: Hooks) -> None:
        self._shape, self._dtype = tuple(spec["shape"]), np.dtype(spec["element_type"])
        self._run = compile_steps(spec)
        self._hooks = hooks
        self._expected = "grey" if spec["color_mode"] == "GRAY" else None

    def open(self, number: int, path: str) -> tuple[str | None, Callable[[], Array]]:
        """What is odd about a picture, and the function that gives its tensor."""
        data = Path(path).read_bytes()
        if not data:
            raise UnreadableError("the file is empty")
        odd = oddity(data)
        return None if odd == self._expected else odd, lambda: self._tensor(data)

    def _tensor(self, data: bytes) -> Array:
        hooks = self._hooks
        if "before_preprocess" in hooks:
            data = hooks["before_preprocess"](data)
        tensor: Any = hooks["preprocess"](data) if "preprocess" in hooks else self._run(data)
        if isinstance(tensor, (list, tuple)):
            tensor = tensor[0]
        if "after_preprocess" in hooks:
            tensor = hooks["after_preprocess"](tensor)
        array = np.asarray(tensor)
        if array.shape != self._shape:
            raise UnreadableError(f"the hooks give shape {array.shape}, the manifest says {self._shape}")
        if array.dtype != self._dtype:
            check_whole(array, self._dtype)
        return array


def _postprocess(task: Mapping[str, Any], hooks: Hooks) -> str | None:
    """Run the hooks over all outputs; the scores go into the .npy file ``task["to"]``. Returns what went wrong."""
    outputs = [np.load(path, mmap_mode="r", allow_pickle=False) for path in task["outputs"]]
    scores: Array | None = None
    for row in range(task["count"]):
        try:
            vector = _scores(hooks, [np.array(values[row]) for values in outputs], task["output"])
            if scores is None:
                scores = np.lib.format.open_memmap(task["to"], "w+", np.float32, (task["count"], len(vector)))
            if len(vector) != scores.shape[1]:
                raise ValueError(f"{len(vector)} scores, after {scores.shape[1]} of the samples before")
            scores[row] = vector
        except Exception as error:  # noqa: BLE001 - foreign code
            traceback.print_exc()
            return f"the postprocess hooks failed at sample {row}: {type(error).__name__}: {error}"
    return None


def _scores(hooks: Hooks, outputs: Any, output: int) -> Array:
    """The scores of one sample."""
    if "before_postprocess" in hooks:
        outputs = hooks["before_postprocess"](outputs)
    scores = hooks["postprocess"](outputs) if "postprocess" in hooks else outputs[output]
    if "after_postprocess" in hooks:
        scores = hooks["after_postprocess"](scores)
    return np.asarray(scores, np.float32).reshape(-1)


def main(arguments: list[str]) -> int:
    """Serve until the core closes the pipe."""
    parser = argparse.ArgumentParser(prog="mlscope loader")
    parser.add_argument("--commands", type=int, required=True)
    parser.add_argument("--answers", type=int, required=True)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(options.commands, "rb") as commands, os.fdopen(options.answers, "wb") as answers:
        _serve(commands, answers)
    return 0


def _say(answers: IO[bytes], answer: Mapping[str, Any]) -> None:
    answers.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
    answers.flush()


def _serve(commands: IO[bytes], answers: IO[bytes]) -> None:
    setup = json.loads(commands.readline() or b"{}")
    if not setup:
        return
    try:
        hooks = compile_hooks(setup["hooks"], setup["context"])
        pictures = _Pictures(setup, hooks) if "ring" in setup else None
    except HookError as error:
        _say(answers, {"error": str(error), "of": "hook"})
        return
    except (ImportError, AttributeError) as error:  # a library that is not there, or too old
        _say(answers, {"error": " ".join(f"{error}".split())[:_MOST_ERROR], "of": "library"})
        return
    except (OSError, ValueError) as error:
        _say(answers, {"error": " ".join(f"{error}".split())[:_MOST_ERROR], "of": "file"})
        return
    if pictures is not None and "prepared" not in setup:
        _warm_up(setup)
    _say(answers, {"ready": True})
    for line in commands:
        task = json.loads(line)
        if "items" in task and pictures is not None:
            done = [[row, *pictures.fill(task["slot"], place, row, path)] for place, row, path in task["items"]]
            _say(answers, {"slot": task["slot"], "items": done})
        else:
            _say(answers, {"error": _postprocess(task, hooks)})


def _warm_up(setup: Mapping[str, Any]) -> None:
    """One thread a process: the processes share the cores among themselves."""
    if any(step.get("library") == "opencv" for step in setup["input"]["steps"]):
        import cv2

        cv2.setNumThreads(1)
