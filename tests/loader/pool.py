"""A pool of loader processes with its ring, driven as the conductor drives it."""

from __future__ import annotations

import selectors
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.loader import Loaded, LoaderPool, LoaderSetup
from mlscope.manifests import InputSpec
from tests.loader.pictures import Array

SHAPE = (8, 8, 3)
STEPS: list[dict[str, Any]] = [
    {"op": "decode"},
    {"op": "resize", "rule": "short_side", "size": 10},
    {"op": "crop", "size": 8},
]


class Pool:
    """A pool and its memory: row k of the ring is place k % batch of slot k // batch."""

    def __init__(
        self,
        folder: Path,
        *,
        rows: int,
        batch: int = 1,
        processes: int = 2,
        hooks: Mapping[str, str | None] | None = None,
        **fields: Any,
    ) -> None:
        spec = {"type": "image", "element_type": "uint8", "layout": "HWC", "shape": list(SHAPE), "steps": STEPS}
        checked = InputSpec.model_validate(spec | fields)
        shape = checked.shape or ()
        dtype = np.dtype(checked.element_type)
        size = int(np.prod(shape)) * dtype.itemsize
        ring = folder / "ring"
        ring.write_bytes(b"\xee" * size * rows)
        context = {"name": "m", "version": "1", "inputs": [], "outputs": [], "attributes": {"a": "b"}}
        slots = rows // batch
        setup = LoaderSetup(checked.model_dump(mode="json"), dict(hooks or {}), context, ring, size * batch, slots)
        self.log = folder / "loader.log"
        self.pool = LoaderPool(setup, processes, self.log)
        self.memory: Array = np.memmap(ring, dtype, "r", shape=(rows, *shape))

    def load(self, paths: Sequence[Path | str]) -> dict[int, Loaded]:
        """Load everything; what came back by row."""
        for row, path in enumerate(paths):
            self.pool.load(row, [(0, row, str(path))])
        return self.collect(len(paths))

    def collect(self, count: int) -> dict[int, Loaded]:
        """Wait for so many rows."""
        found: dict[int, Loaded] = {}
        with selectors.DefaultSelector() as selector:
            for channel in self.pool.channels:
                selector.register(channel, selectors.EVENT_READ, channel)
            while len(found) < count:
                for key, _ in selector.select(timeout=60):
                    for loaded in self.pool.receive(key.data):
                        assert loaded.row not in found, "a row came back twice"
                        found[loaded.row] = loaded
        return found

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.close()
