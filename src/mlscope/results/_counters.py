"""The run folder's table of counters: what the machine told of itself while something was measured.

pyarrow is imported when a function needs it, so that importing the room stays cheap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mlscope._files import explain_os_errors
from mlscope.results._tables import read_table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["COUNTERS_FILE", "Counter", "read_counters", "write_counters"]

COUNTERS_FILE = "counters.parquet"


@dataclasses.dataclass(frozen=True, slots=True)
class Counter:
    """One quantity over time."""

    name: str
    """``instructions``, ``temperature_celsius thermal_zone0 (x86_pkg_temp)``."""
    unit: str
    cumulative: bool
    """Counted from the beginning on; otherwise as it was at that time, or in the interval before it."""
    worker: int | None
    """Whose it is; None: the machine's."""
    time_ns: NDArray[np.int64]
    """Of the samples' clock, shape [n]."""
    value: NDArray[np.float64]
    """Shape [n]."""


def write_counters(path: Path, counters: Sequence[Counter]) -> None:
    """Write counters: columns name, unit, cumulative, worker, time_ns, value; a row for each reading.

    Raises:
        ResourceError: The disk is full or the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            pa.field("name", pa.string(), nullable=False),
            pa.field("unit", pa.string(), nullable=False),
            pa.field("cumulative", pa.bool_(), nullable=False),
            pa.field("worker", pa.int32()),
            pa.field("time_ns", pa.int64(), nullable=False),
            pa.field("value", pa.float64(), nullable=False),
        ]
    )
    with explain_os_errors(path), pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for counter in counters:
            count = len(counter.time_ns)
            same = (counter.name, counter.unit, counter.cumulative, counter.worker)
            columns = [pa.array([value] * count, field.type) for value, field in zip(same, schema, strict=False)]
            writer.write_table(pa.table([*columns, counter.time_ns, counter.value], schema=schema))


def read_counters(source: Path | BinaryIO) -> pa.Table:
    """Read what :func:`write_counters` wrote.

    Raises:
        StoreError: The file is missing or damaged.
    """
    return read_table(source)
