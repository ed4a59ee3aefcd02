"""The files that the worker writes while it measures: raw sample rows and model outputs.

A kill at any moment loses nothing that was written: rows live in a shared mapping, outputs in the page cache.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from typing import Any

import numpy as np

from mlscope.worker.protocol import SAMPLE_ROW

__all__ = ["OutputFile", "SampleFile"]

_FIRST_ROWS = 1 << 14
_GROW_ROWS = 1 << 20


class SampleFile:
    """Rows of ``SAMPLE_FIELDS`` in a mapped file that grows; blocks are allocated before they are written.

    Raises:
        OSError: The disk is full (from :meth:`grow`, never from a write into the mapping).
    """

    def __init__(self, path: str) -> None:
        self._file = open(path, "w+b")  # noqa: SIM115 - closed by close()
        self.capacity = 0
        self.rows = 0
        self._map: mmap.mmap | None = None
        self.lock = threading.Lock()
        """Held by whoever appends, where several threads do."""
        self.grow(_FIRST_ROWS)

    def grow(self, rows: int) -> None:
        """Make room for `rows` more rows."""
        capacity = self.capacity + rows
        os.posix_fallocate(self._file.fileno(), 0, capacity * SAMPLE_ROW.size)
        if self._map is None:
            self._map = mmap.mmap(self._file.fileno(), capacity * SAMPLE_ROW.size)
        else:
            self._map.resize(capacity * SAMPLE_ROW.size)
        self.capacity = capacity

    def append(self, *row: int) -> None:
        """Write one row (the eight numbers of ``SAMPLE_FIELDS``)."""
        if self.rows == self.capacity:
            self.grow(min(self.capacity, _GROW_ROWS))
        SAMPLE_ROW.pack_into(self._map, self.rows * SAMPLE_ROW.size, *row)  # type: ignore[arg-type]
        self.rows += 1

    def close(self) -> None:
        """Cut the file to the rows that were written."""
        if self._map is not None:
            self._map.close()
            self._map = None
        self._file.truncate(self.rows * SAMPLE_ROW.size)
        self._file.close()


class OutputFile:
    """Rows of one model output, written into a .npy file that exists already (array ``[samples, ...]``)."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, self._dtype = read(file)
            self._start = file.tell()
        self._row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * self._dtype.itemsize
        self._handle = os.open(path, os.O_WRONLY)

    def write(self, row: int, values: np.ndarray[Any, Any]) -> None:
        """Write one sample's output at `row`.

        Raises:
            ValueError: It has another size than the rows of the file.
            OSError: The disk is full.
        """
        data = np.ascontiguousarray(values, dtype=self._dtype)
        if data.nbytes != self._row_bytes:
            raise ValueError(f"an output of {data.nbytes} bytes a sample, {self._row_bytes} when the model was loaded")
        if os.pwrite(self._handle, data.data.cast("B"), self._start + row * self._row_bytes) != data.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)
