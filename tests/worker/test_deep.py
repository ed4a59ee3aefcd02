"""What a worker traces below the framework's layers: the kernel's counters, and the log of oneDNN's primitives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mlscope.worker.protocol import Quit, Ready, Tensor, TraceLevel
from tests.worker import models
from tests.worker.process import Slots, WorkerProcess

CALLS = 5


def traced(worker: WorkerProcess, tmp_path: Path, level: TraceLevel) -> Path:
    """The profile's folder of some calls of a model."""
    folder = tmp_path / "profile"
    folder.mkdir()
    path = models.dense(tmp_path / "dense.onnx")
    inputs = [Tensor("", "float32", (6,))]
    loaded = worker.load("onnxruntime", inputs, batch=1, graph=path, profile=str(folder), level=int(level))
    slots = Slots.open(worker, loaded, batch=1, slots=1, samples=CALLS)
    for number in range(CALLS):
        slots.fill(0, np.ones((1, 6), np.float32))
        assert slots.run(0, number, [number]).error is None
    worker.ask(Ready(), Ready)
    worker.ask(Quit(), Ready)
    return folder


def test_the_counters_grow_with_every_call(worker: WorkerProcess, tmp_path: Path) -> None:
    folder = traced(worker, tmp_path, TraceLevel.HARDWARE_TRACE)
    notes = json.loads((folder / "counters.json").read_text())
    rows = np.load(folder / "counters.npy")
    assert set(notes["names"]).isdisjoint(notes["refused"])
    assert all(notes["refused"].values())
    assert "instructions" in [*notes["names"], *notes["refused"]]
    if notes["names"]:
        assert rows.shape == (1 + 1 + CALLS, 1 + len(notes["names"]))  # the beginning, the call on zeros, the calls
        assert (np.diff(rows, axis=0) >= 0).all()
        assert (np.diff(rows[:, 0]) > 0).all()
    if "task_clock_ns" in notes["names"]:
        spent = np.diff(rows[:, 1 + notes["names"].index("task_clock_ns")])
        assert (spent > 0).all()
        assert (spent[1:] < 100e6).all()


def test_a_level_keeps_what_is_its_own_and_no_more(worker: WorkerProcess, tmp_path: Path) -> None:
    folder = traced(worker, tmp_path, TraceLevel.LIBRARY_TRACE)
    names = {path.name for path in folder.iterdir()}
    assert {"onednn.json", "onednn.log", "profile.json"} <= names
    assert not any(name.startswith("counters") for name in names)


def test_what_the_framework_alone_tells_needs_no_probes(worker: WorkerProcess, tmp_path: Path) -> None:
    folder = traced(worker, tmp_path, TraceLevel.FRAMEWORK_TRACE)
    assert not any(path.name.startswith(("counters", "onednn")) for path in folder.iterdir())
