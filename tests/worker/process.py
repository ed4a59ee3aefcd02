"""A worker process, started as the core starts it: by path, with pipes, a log file and files that both map."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mlscope._channel import Channel
from mlscope.worker import protocol
from mlscope.worker.protocol import (
    SAMPLE_FIELDS,
    Batch,
    Done,
    Failed,
    Hello,
    Load,
    Loaded,
    LoadTest,
    Message,
    Stream,
    Tensor,
)

ENTRY = Path(protocol.__file__).with_name("__main__.py")
Array = np.ndarray[Any, Any]
Kind = TypeVar("Kind", bound=Message)


class WorkerProcess:
    """A worker and the folder that it works in."""

    def __init__(
        self, folder: Path, *, command: Sequence[str] = (sys.executable,), env: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.log = folder / "worker.log"
        everything = {**os.environ, **(env or {})}
        self.channel = Channel([*command, "-u", str(ENTRY)], log=self.log, env=everything, cwd=folder)
        self.hello = self.expect(Hello)

    def send(self, message: Message) -> None:
        assert self.channel.send(protocol.encode(message))

    def expect(self, kind: type[Kind]) -> Kind:
        """The next answer, which is of this kind."""
        line = self.channel.receive_one()
        assert line is not None, f"the worker is gone:\n{self.log.read_text()}"
        message = protocol.decode(line)
        assert isinstance(message, kind), message
        return message

    def ask(self, message: Message, kind: type[Kind]) -> Kind:
        self.send(message)
        return self.expect(kind)

    def load(self, predictor: str, inputs: Sequence[Tensor] = (), *, batch: int = 1, **fields: Any) -> Loaded:
        return self.ask(load(predictor, inputs, batch=batch, **fields), Loaded)

    def refuse(self, predictor: str, inputs: Sequence[Tensor] = (), *, batch: int = 1, **fields: Any) -> Failed:
        """What it says of a model that cannot be loaded."""
        return self.ask(load(predictor, inputs, batch=batch, **fields), Failed)


def load(
    predictor: str, inputs: Sequence[Tensor] = (), *, batch: int = 1, graph: Path | None = None, **fields: Any
) -> Load:
    files = {"graph": str(graph)} if graph else {}
    return Load(predictor, files, list(inputs), batch, fields.pop("threads", 1), **fields)


def rows(path: Path) -> Array:
    """Rows of a raw samples file, shape [rows, 8]."""
    return np.fromfile(path, "<i8").reshape(-1, len(SAMPLE_FIELDS))


def column(table: Array, name: str) -> Array:
    return np.asarray(table[:, SAMPLE_FIELDS.index(name)])


@dataclasses.dataclass(frozen=True)
class Slots:
    """A ring of slots with the files of a stream, for models of any number of inputs and outputs."""

    worker: WorkerProcess
    stream: Stream
    memory: Array
    inputs: Sequence[tuple[np.dtype[Any], tuple[int, ...], int]]

    @classmethod
    def open(cls, worker: WorkerProcess, loaded: Loaded, *, batch: int, slots: int, samples: int) -> Slots:
        """Start a stream on a loaded model."""
        inputs, size = [], 0
        for tensor in loaded.inputs:
            dtype, shape = np.dtype(tensor.element_type), (batch, *tensor.shape[1:])
            inputs.append((dtype, shape, size))
            size += int(np.prod(shape)) * dtype.itemsize
        ring = worker.folder / "ring"
        ring.write_bytes(b"\xee" * (size * slots))
        outputs = []
        for number, tensor in enumerate(loaded.outputs):
            path = worker.folder / f"outputs-{number}.npy"
            np.lib.format.open_memmap(path, "w+", np.dtype(tensor.element_type), (samples, *tensor.shape[1:]))
            outputs.append(str(path))
        stream = Stream(
            str(ring), size, slots, [offset for *_, offset in inputs], str(worker.folder / "samples.bin"), outputs
        )
        memory = np.memmap(ring, np.uint8, "r+")
        worker.ask(stream, protocol.Ready)
        return cls(worker, stream, memory, inputs)

    def fill(self, slot: int, *feeds: Array) -> None:
        """Put rows (at most a batch) of every input into a slot."""
        for values, (dtype, _, offset) in zip(feeds, self.inputs, strict=True):
            data = np.frombuffer(np.ascontiguousarray(values, dtype).tobytes(), np.uint8)
            start = slot * self.stream.slot_bytes + offset
            self.memory[start : start + len(data)] = data

    def run(self, slot: int, number: int, wanted: Sequence[int], *, warmup: bool = False) -> Done:
        return self.worker.ask(Batch(slot, number, list(wanted), warmup), Done)

    def outputs(self) -> list[Array]:
        return [np.load(path) for path in self.stream.outputs]

    def rows(self) -> Array:
        return rows(Path(self.stream.samples))


def load_test(folder: Path, scenario: str, mode: str, inputs: Sequence[Array], **fields: Any) -> LoadTest:
    """A short LoadGen test on these samples, with its files in the folder."""
    (folder / "loadgen").mkdir(exist_ok=True)
    paths = []
    for number, values in enumerate(inputs):
        path = folder / f"input-{number}"
        path.write_bytes(np.ascontiguousarray(values).tobytes())
        paths.append(str(path))
    count = len(inputs[0])
    settings = {"min_duration_ms": 200, "min_query_count": 10, **fields.pop("settings", {})}
    return LoadTest(
        scenario=scenario,
        mode=mode,
        settings=settings,
        outdir=str(folder / "loadgen"),
        model_key="model",
        inputs=paths,
        sample_count=count,
        performance_count=fields.pop("performance_count", count),
        samples=str(folder / "samples.bin"),
        outputs=fields.pop("outputs", []),
        **fields,
    )
