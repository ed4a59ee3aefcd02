"""The run folder's tables: samples, predictions and spans as Parquet.

pyarrow and numpy are imported when a function needs them, so that importing the room stays cheap.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlscope._files import explain_os_errors
from mlscope.errors import StoreError
from mlscope.worker.protocol import FLAG_FAILED, FLAG_VALID, FLAG_WARMUP, SAMPLE_FIELDS, SAMPLE_ROW, STREAM_SHIFT

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = [
    "ACCURACY_PART",
    "PREDICTIONS_FILE",
    "SAMPLES_FILE",
    "SPANS_FILE",
    "Span",
    "measured_span",
    "read_predictions",
    "read_samples",
    "read_spans",
    "read_table",
    "seal_samples",
    "write_predictions",
    "write_spans",
]

SAMPLES_FILE = "samples.parquet"
PREDICTIONS_FILE = "predictions.parquet"
SPANS_FILE = "spans.parquet"
ACCURACY_PART = "accuracy_part"
"""Extra column of the samples of a LoadGen SubmissionRun: the row belongs to the part that is not timed."""

_CHUNK_ROWS = 131_072
"""Rows that are in memory at once: 8 MiB of raw samples."""
_CHUNK_SPANS = 8_192
"""Spans that are objects at once."""


def seal_samples(raw: Path, extra: Mapping[str, NDArray[Any]], out: Path) -> int:
    """Turn the worker's raw samples into a Parquet file (zstd), a chunk at a time.

    Rows that were never written (no ``FLAG_VALID``, or cut short at the end of the file) are left out, so the
    raw file of a killed worker is good input.

    Args:
        raw: Rows of :data:`mlscope.worker.protocol.SAMPLE_FIELDS`, each a little-endian signed 64-bit integer.
        extra: Further columns by name, one value for each row of the raw file, written or not; rows beyond a
            shorter array's end hold null.
        out: The file to write: columns sample_index, query, batch, scheduled_ns (null where there is no
            schedule), issued_ns, start_ns, end_ns, warmup, failed, stream (from 0), then `extra`.

    Returns:
        The number of rows written.

    Raises:
        ValueError: An extra column has a sample column's name, more than one dimension, or holds objects.
        ResourceError: The disk is full or the folder cannot be written.
    """
    import pyarrow.parquet as pq

    _check_extra(extra)
    rows = 0
    writer = None
    with explain_os_errors(out):
        try:
            for position, chunk in _raw_chunks(raw):
                table = _sample_table(chunk, position, extra)
                if writer is None:
                    writer = pq.ParquetWriter(out, table.schema, compression="zstd")
                if table.num_rows:
                    writer.write_table(table)
                rows += table.num_rows
        finally:
            if writer is not None:
                writer.close()
    return rows


def _check_extra(extra: Mapping[str, NDArray[Any]]) -> None:
    taken = {*SAMPLE_FIELDS, "warmup", "failed", "stream"}
    for name, values in extra.items():
        if name in taken or values.ndim != 1 or values.dtype.kind not in "biufU":
            raise ValueError(f"extra column {name!r}: a sample column's name, or no plain one-dimensional array")


def _raw_chunks(raw: Path) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Position of the first row and the rows of each chunk; one empty chunk for an empty file."""
    import numpy as np

    width = len(SAMPLE_FIELDS)
    with raw.open("rb") as file:
        for number in itertools.count():
            data = file.read(_CHUNK_ROWS * SAMPLE_ROW.size)
            whole = len(data) // SAMPLE_ROW.size
            if not whole and number:
                return
            yield number * _CHUNK_ROWS, np.frombuffer(data, "<i8", whole * width).reshape(whole, width)


def _sample_table(chunk: NDArray[np.int64], position: int, extra: Mapping[str, NDArray[Any]]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    flags = chunk[:, SAMPLE_FIELDS.index("flags")]
    valid = np.flatnonzero(flags & FLAG_VALID)
    columns: dict[str, Any] = {}
    for number, name in enumerate(SAMPLE_FIELDS[:-1]):
        values = np.ascontiguousarray(chunk[valid, number])
        columns[name] = pa.array(values, mask=values == -1 if name == "scheduled_ns" else None)
    columns["warmup"] = pa.array((flags[valid] & FLAG_WARMUP) != 0)
    columns["failed"] = pa.array((flags[valid] & FLAG_FAILED) != 0)
    columns["stream"] = pa.array((flags[valid] >> STREAM_SHIFT).astype(np.int32))
    for name, values in extra.items():
        rows = position + valid
        known = rows < len(values)
        column = pa.array(values[rows[known]])
        columns[name] = pa.concat_arrays([column, pa.nulls(len(rows) - len(column), column.type)])
    return pa.table(columns)


def read_samples(source: Path | BinaryIO) -> pa.Table:
    """Read a samples file: one row a sample, times in nanoseconds of one monotonic clock.

    Raises:
        StoreError: The file is missing or damaged.
    """
    return read_table(source)


def measured_span(path: Path) -> tuple[int, int] | None:
    """Begin of the first and end of the last measured sample of a samples file; None where there is none.

    Raises:
        StoreError: The file is damaged.
    """
    import pyarrow.compute as pc

    if not path.is_file():
        return None
    table = read_table(path, ["issued_ns", "end_ns", "warmup"])
    table = table.filter(pc.invert(table["warmup"]))
    if not table.num_rows:
        return None
    return pc.min(table["issued_ns"]).as_py(), pc.max(table["end_ns"]).as_py()


def write_predictions(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write predictions, one row a sample.

    Args:
        path: The Parquet file (zstd) to write.
        columns: Arrays by name, all with the same number of rows; shape ``[rows]`` (numbers, booleans, text) or
            ``[rows, n]`` (numbers), which becomes a list of n values.

    Raises:
        ValueError: An array has more than two dimensions, or the numbers of rows differ.
        ResourceError: The disk is full or the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if len({len(values) for values in columns.values()}) > 1:
        raise ValueError("columns of different lengths")
    table = pa.table({name: _to_arrow(name, values) for name, values in columns.items()})
    with explain_os_errors(path):
        pq.write_table(table, path, compression="zstd", row_group_size=_CHUNK_ROWS)


def _to_arrow(name: str, values: NDArray[Any]) -> Any:
    import numpy as np
    import pyarrow as pa

    if values.ndim == 1:
        return pa.array(values.tolist() if values.dtype.kind in "OU" else values)
    if values.ndim != 2 or not values.shape[1]:
        raise ValueError(f"column {name!r}: shape {values.shape} is neither [rows] nor [rows, n]")
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def read_predictions(source: Path | BinaryIO) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_predictions` wrote, same names, shapes and element types (text as objects).

    Raises:
        StoreError: The file is missing or damaged.
    """
    import pyarrow as pa

    columns: dict[str, NDArray[Any]] = {}
    for name, chunked in zip((table := read_table(source)).column_names, table.columns, strict=True):
        column = chunked.combine_chunks()
        if pa.types.is_fixed_size_list(column.type):
            flat = column.flatten().to_numpy(zero_copy_only=False)
            columns[name] = flat.reshape(-1, column.type.list_size)
        else:
            columns[name] = column.to_numpy(zero_copy_only=False)
    return columns


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """One piece of work in a trace; times in nanoseconds of the samples' clock."""

    span_id: str
    parent_id: str | None
    name: str
    level: int
    """A value of :class:`mlscope.worker.protocol.TraceLevel`."""
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Anything that JSON can hold."""


def write_spans(path: Path, spans: Iterable[Span]) -> int:
    """Write spans as they come, a chunk in memory at a time.

    Columns: span_id, parent_id (null at a root), name, level, start_ns, end_ns, attributes (JSON text).

    Returns:
        The number of spans.

    Raises:
        ResourceError: The disk is full or the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            pa.field("span_id", pa.string(), nullable=False),
            pa.field("parent_id", pa.string()),
            pa.field("name", pa.string(), nullable=False),
            pa.field("level", pa.int8(), nullable=False),
            pa.field("start_ns", pa.int64(), nullable=False),
            pa.field("end_ns", pa.int64(), nullable=False),
            pa.field("attributes", pa.string(), nullable=False),
        ]
    )
    rows = 0
    source = iter(spans)
    with explain_os_errors(path), pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while chunk := list(itertools.islice(source, _CHUNK_SPANS)):
            columns = {name: [getattr(span, name) for span in chunk] for name in schema.names[:-1]}
            columns["attributes"] = [json.dumps(dict(span.attributes), ensure_ascii=False) for span in chunk]
            writer.write_table(pa.table(columns, schema=schema))
            rows += len(chunk)
    return rows


def read_spans(source: Path | BinaryIO, columns: Sequence[str] = (), *, dictionary: bool = False) -> pa.Table:
    """Read what :func:`write_spans` wrote.

    Args:
        source: The file.
        columns: Which columns; none: all.
        dictionary: Hold each name and each text of attributes once, where there may be millions of spans.

    Raises:
        StoreError: The file is missing or damaged.
    """
    return read_table(source, list(columns) or None, ["name", "attributes"] if dictionary else None)


def read_table(
    source: Path | BinaryIO, columns: list[str] | None = None, dictionary: list[str] | None = None
) -> pa.Table:
    """Read a Parquet file.

    Args:
        source: The file.
        columns: Which columns; None: all.
        dictionary: Columns of texts that are to be held once each.

    Raises:
        StoreError: The file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = str(source) if isinstance(source, Path) else None
    try:
        # Arrow's threads would let go of Python's buffers a moment later, which aborts a process that is ending.
        with pq.ParquetFile(source, read_dictionary=dictionary, pre_buffer=False) as file:
            return file.read(columns, use_threads=False)
    except FileNotFoundError as error:
        raise StoreError("missing", where=where) from error
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"cannot be read as Parquet: {str(error).splitlines()[0]}", where=where) from error
