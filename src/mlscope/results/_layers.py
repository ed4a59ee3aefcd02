"""The run folder's tables of layers: each execution of one, and each layer summed up over the calls.

pyarrow is imported when a function needs it, so that importing the room stays cheap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlscope._files import explain_os_errors
from mlscope.results._tables import read_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "LAYERS_FILE",
    "LAYER_SUMMARY_FILE",
    "Layer",
    "LayerSummary",
    "layer_summaries",
    "read_layer_summary",
    "read_layer_table",
    "read_layers",
    "write_layer_summary",
    "write_layers",
    "write_rows",
]

LAYERS_FILE = "layers.parquet"
LAYER_SUMMARY_FILE = "layer-summary.parquet"


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """One execution of a layer, whatever the framework; times in nanoseconds of the samples' clock."""

    call: int
    """Of the model: the number of its batch."""
    index: int
    """Of the layer in its model, from 0 in the order of execution; the same in every call."""
    name: str
    type: str
    begin_ns: int
    end_ns: int
    duration_ns: int
    """As the framework tells it; where the slice is not `synthetic`, end minus begin."""
    synthetic: bool = False
    """The slice was laid out, not measured: the framework tells a mean without a start."""
    depth: int = 0
    """0: a layer of the model; 1: part of a layer of depth 0, …"""
    parent: int | None = None
    """Index of the layer that it is part of."""
    thread: int = 0
    input_shapes: str = ""
    """``float32[1,3,224,224] float32[32]``, as far as the framework tells."""
    output_shapes: str = ""
    allocated_bytes: int | None = None
    """Memory for its outputs, where the framework tells."""
    nodes: tuple[str, ...] = ()
    """Nodes of the model that it stands for; several where they were fused."""


@dataclasses.dataclass(frozen=True, slots=True)
class LayerSummary:
    """A layer over all profiled calls."""

    index: int
    name: str
    type: str
    depth: int
    parent: int | None
    input_shapes: str
    output_shapes: str
    nodes: tuple[str, ...]
    calls: int
    """How many executions this sums up."""
    median_ns: float
    trimmed_mean_ns: float
    """Without the fastest and slowest 20 % (:func:`mlscope.stats.trimmed_mean`)."""
    min_ns: int
    max_ns: int
    share: float | None
    """Of the time of the model's calls."""
    allocated_bytes: int | None
    synthetic: bool
    low_ns: float | None = None
    """Lower end of the median's 95 % interval, over the calls; None where they are too few, or `synthetic`."""
    high_ns: float | None = None
    p25_ns: float | None = None
    """A quarter of the calls took less."""
    p75_ns: float | None = None


def write_layers(path: Path, layers: Iterable[Layer]) -> None:
    """Write executions of layers; columns are the fields of :class:`Layer`, `nodes` a list.

    Raises:
        ResourceError: The disk is full or the folder cannot be written.
    """
    write_rows(path, Layer, list(layers))


def write_layer_summary(path: Path, layers: Iterable[LayerSummary]) -> None:
    """Write layers summed up; columns are the fields of :class:`LayerSummary`; errors as of :func:`write_layers`."""
    write_rows(path, LayerSummary, list(layers))


def read_layers(source: Path | BinaryIO) -> pa.Table:
    """Read what :func:`write_layers` wrote.

    Raises:
        StoreError: The file is missing or damaged.
    """
    return read_table(source)


def read_layer_summary(source: Path | BinaryIO) -> list[LayerSummary]:
    """Read what :func:`write_layer_summary` wrote; errors as of :func:`read_layers`."""
    return layer_summaries(read_layer_table(source))


def read_layer_table(source: Path | BinaryIO, columns: Sequence[str] = ()) -> pa.Table:
    """The same as a table; files of older versions lack the last columns.

    Args:
        source: The file.
        columns: Which columns, as far as the file has them; none: all.
    """
    import pyarrow as pa

    # The files are small: Arrow reads them faster from memory than through Python's file object.
    small = source if isinstance(source, Path) else pa.BufferReader(source.read())
    return read_table(small, list(columns) or None)


def layer_summaries(table: pa.Table) -> list[LayerSummary]:
    """The rows of such a table."""
    rows: list[dict[str, Any]] = table.to_pylist()
    return [LayerSummary(**{**row, "nodes": tuple(row["nodes"])}) for row in rows]


def write_rows(path: Path, kind: type[Any], rows: Sequence[Any]) -> None:
    """Write instances of a dataclass, its fields as columns; errors as of :func:`write_layers`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "int": pa.int64(),
        "int | None": pa.int64(),
        "float": pa.float64(),
        "float | None": pa.float64(),
        "str": pa.string(),
        "bool": pa.bool_(),
        "tuple[str, ...]": pa.list_(pa.string()),
    }
    fields = dataclasses.fields(kind)
    schema = pa.schema([pa.field(field.name, types[str(field.type)]) for field in fields])
    columns = {field.name: [getattr(row, field.name) for row in rows] for field in fields}
    with explain_os_errors(path):
        pq.write_table(pa.table(columns, schema=schema), path, compression="zstd")
