"""The run folder's table of GPU kernels: each execution of one, with the call that launched it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mlscope.results._layers import write_rows
from mlscope.results._tables import read_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KERNELS_FILE", "Kernel", "read_kernels", "write_kernels"]

KERNELS_FILE = "kernels.parquet"


@dataclasses.dataclass(frozen=True, slots=True)
class Kernel:
    """One execution of a kernel; times in nanoseconds of the samples' clock, None where it is not told."""

    call: int
    """Of the model: the number of its batch."""
    name: str
    begin_ns: int
    end_ns: int
    layer_index: int | None = None
    """Of the layer that launched it, as :class:`mlscope.results.Layer` has it."""
    layer_name: str = ""
    layer_type: str = ""
    correlation_id: int | None = None
    """The same of a launch and of the kernel that it launched."""
    launch_name: str = ""
    """The function of CUDA that launched it."""
    launch_begin_ns: int | None = None
    launch_end_ns: int | None = None
    device: int = 0
    stream: int = 0
    grid: str = ""
    """Blocks: ``64x1x1``."""
    block: str = ""
    """Threads of a block."""
    flops_fp64: float | None = None
    """Operations in double precision; a fused multiply-add counts as two."""
    flops_fp32: float | None = None
    flops_fp16: float | None = None
    flops_tensor: float | None = None
    """Operations of tensor cores, whatever the precision."""
    dram_read_bytes: float | None = None
    dram_write_bytes: float | None = None
    achieved_occupancy: float | None = None
    """Share of the warps that could be active, 0 to 1."""
    metrics: str = ""
    """Every other metric by name: a JSON object."""


def write_kernels(path: Path, kernels: Iterable[Kernel]) -> None:
    """Write executions of kernels; columns are the fields of :class:`Kernel`.

    Raises:
        ResourceError: The disk is full or the folder cannot be written.
    """
    write_rows(path, Kernel, list(kernels))


def read_kernels(source: Path | BinaryIO) -> pa.Table:
    """Read what :func:`write_kernels` wrote.

    Raises:
        StoreError: The file is missing or damaged.
    """
    return read_table(source)
