"""The layers of runs of one plan, each over all of them.

A quantity is read at the level at which it is the deepest, so that tracing does not distort it (XSP, arXiv 1908.06869):
from evaluations that were traced to their layers, and from deeper ones only where there is no other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from mlscope import stats
from mlscope.analyses._runs import Runs, View, has_file, mean_of_runs, plans, traced
from mlscope.analyses._table import Column, Row, to_us
from mlscope.results import (
    LAYER_SUMMARY_FILE,
    Evaluation,
    LayerSummary,
    layer_summaries,
    read_layer_summary,
    read_layer_table,
)
from mlscope.worker.protocol import TraceLevel

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LAYER_LEVEL", "NO_LAYERS", "TIMES", "layer_runs", "layers_of", "times"]

LAYER_LEVEL = "FRAMEWORK_TRACE"
_READERS = 2
"""Files that are read at once."""
NO_LAYERS = "no layers in these evaluations"

_TIMES = (
    "index", "name", "type", "calls", "median_ns", "trimmed_mean_ns", "min_ns", "max_ns", "share", "p25_ns", "p75_ns",
)  # fmt: skip
"""What is read of all runs but the first."""

TIMES = (
    Column("median_us", "median", "us"),
    Column("trimmed_mean_us", "trimmed mean", "us"),
    Column("share", "share", "fraction"),
)


def times(layer: LayerSummary) -> Row:
    """The cells of :data:`TIMES`."""
    return {
        "median_us": to_us(layer.median_ns),
        "trimmed_mean_us": to_us(layer.trimmed_mean_ns),
        "share": layer.share,
    }


def layer_runs(evaluations: Sequence[Evaluation], view: View) -> list[Runs]:
    """Runs of each plan that was traced to the layers."""
    return plans(traced(evaluations, TraceLevel[LAYER_LEVEL]), view)


def layers_of(runs: Runs) -> tuple[list[LayerSummary], int]:
    """Each layer over all runs, and how many runs have layers.

    Times of several runs are the trimmed mean and the median of the runs' own, the interval is that of the mean over
    runs. Layers are the same where index, name and type are.
    """
    told = [run for run in runs.each if has_file(run, LAYER_SUMMARY_FILE)]
    if not told:  # it failed, or its profile could not be read
        return [], 0
    if len(told) == 1:
        with told[0].open(LAYER_SUMMARY_FILE) as file:
            return read_layer_summary(file), 1
    with ThreadPoolExecutor(_READERS) as pool:
        tables = [_read(told[0]), *pool.map(lambda run: _read(run, _TIMES), told[1:])]
        layers = _merged(tables)
        if layers is None:
            layers = _merged([tables[0], *pool.map(_read, told[1:])])
    return layers or [], len(told)


def _read(run: Evaluation, columns: Sequence[str] = ()) -> pa.Table:
    with run.open(LAYER_SUMMARY_FILE) as file:
        return read_layer_table(file, columns)


def _merged(tables: Sequence[pa.Table]) -> list[LayerSummary] | None:
    """Layers of several runs; None where one is not in the first run and the others' shapes and nodes were not read.

    The tables' columns stay columns, since there may be some ten thousand rows.
    """
    import pyarrow as pa

    table = pa.concat_tables(tables, promote_options="default")
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    codes = [_array(columns[name].dictionary_encode().indices) for name in ("name", "type")]
    keys = np.stack([_array(columns["index"]), *codes], axis=1)
    _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(group.reshape(-1)))[:-1])
    numbers = {name: _array(column) for name, column in columns.items() if pa.types.is_floating(column.type)}
    numbers |= {name: _array(columns[name]) for name in ("calls", "min_ns", "max_ns")}
    described = table.take(pa.Array.from_buffers(pa.int64(), len(first), [None, pa.py_buffer(first)]))
    if described["nodes"].null_count:
        return None
    shown = layer_summaries(described)
    return [
        _over({name: values[rows] for name, values in numbers.items()}, layer)
        for rows, layer in zip(parts, shown, strict=True)
    ]


def _array(column: pa.Array) -> np.ndarray[Any, Any]:
    """A column of numbers, NaN where there is none.

    What turns arrays of one package into the other's would import pandas where it is installed, which takes 0.3 s.
    """
    if column.null_count:
        return np.array(column.to_pylist(), dtype=np.float64)
    return np.from_dlpack(column)


def _over(found: Mapping[str, np.ndarray[Any, Any]], layer: LayerSummary) -> LayerSummary:
    """One layer over its runs."""
    mean = mean_of_runs(found["trimmed_mean_ns"].tolist())
    shares = found["share"][~np.isnan(found["share"])].tolist()
    return dataclasses.replace(
        layer,
        calls=int(found["calls"].sum()),
        median_ns=float(np.median(found["median_ns"])),
        trimmed_mean_ns=mean.trimmed,
        min_ns=int(found["min_ns"].min()),
        max_ns=int(found["max_ns"].max()),
        share=stats.trimmed_mean(shares) if shares else None,
        low_ns=mean.low,
        high_ns=mean.high,
        p25_ns=_median(found.get("p25_ns")),
        p75_ns=_median(found.get("p75_ns")),
    )


def _median(values: np.ndarray[Any, Any] | None) -> float | None:
    known = [] if values is None else values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None
