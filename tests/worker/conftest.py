"""Workers that end with their test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.worker.process import WorkerProcess


class Start(Protocol):
    """Starts a worker in a folder of its own."""

    def __call__(self, **fields: Any) -> WorkerProcess: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[WorkerProcess] = []

    def begin(**fields: Any) -> WorkerProcess:
        folder = tmp_path / f"worker-{len(started)}"
        folder.mkdir()
        started.append(WorkerProcess(folder, **fields))
        return started[-1]

    yield begin
    for worker in started:
        worker.channel.kill()
        worker.channel.close()


@pytest.fixture
def worker(start: Start) -> WorkerProcess:
    return start()
