"""GPU kernels: one by one, by name, by layer, or of the whole model (XSP's analyses 8 and 10 to 15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlscope.analyses._kernel_runs import (
    NO_KERNELS,
    KernelTimes,
    kernel_runs,
    kernels_of,
    summed,
    times_cells,
    work_columns,
)
from mlscope.analyses._layer_runs import layer_runs, layers_of
from mlscope.analyses._model import call_times_of
from mlscope.analyses._render import dump_line
from mlscope.analyses._runs import Runs, View, setting, undisturbed
from mlscope.analyses._table import Column, Row, Table, build, to_us
from mlscope.results import Evaluation, LayerSummary

__all__ = ["KERNELS_BY", "kernels"]

_LAYER = (
    Column("layer_index", "layer"),
    Column("layer_name", "layer's name"),
    Column("layer_type", "type"),
)
_KERNEL = (
    *_LAYER,
    Column("layer_shape", "output shape", shown="data"),
    Column("layer_duration_us", "layer's duration", "us", "wide"),
    Column("layer_allocated_bytes", "layer's memory", "B", "data"),
    Column("kernel_name", "kernel"),
    Column("kernel_number", "number", shown="wide"),
    Column("calls", "calls", shown="wide"),
    Column("runs", "runs", shown="wide"),
    Column("kernel_duration_us", "duration", "us"),
    Column("kernel_median_us", "median", "us", "wide"),
    Column("kernel_low_us", "low", "us", "wide"),
    Column("kernel_high_us", "high", "us", "wide"),
    *work_columns("kernel"),
    Column("metrics", "metrics", shown="data"),
)
_BY_NAME = (
    Column("kernel_name", "kernel"),
    Column("kernel_count", "count"),
    Column("kernel_duration_us", "duration", "us"),
    Column("model_duration_share", "share of the model", "fraction"),
    *work_columns("kernel"),
)
_BY_LAYER = (
    *_LAYER,
    Column("kernel_count", "kernels"),
    Column("layer_duration_us", "duration", "us"),
    Column("layer_gpu_duration_us", "on the GPU", "us"),
    Column("layer_cpu_duration_us", "elsewhere", "us"),
    *work_columns("layer"),
)
_MODEL = (
    Column("kernel_count", "kernels"),
    Column("model_duration_us", "duration of a call", "us"),
    Column("model_gpu_duration_us", "on the GPU", "us"),
    *work_columns("model"),
)


class _Found:
    """The kernels of runs of one setting, and the evaluations of that setting that were traced less deeply."""

    def __init__(self, runs: Runs, alike: Sequence[Evaluation], names: Sequence[str]) -> None:
        self.record = runs.record
        self.kernels = [kernel for kernel in kernels_of(runs) if not names or kernel.name in names]
        layered = layer_runs([each for each in alike if each not in runs.each], View())
        self.layers: dict[int, LayerSummary] = {}
        for each in layered[:1]:
            self.layers = {layer.index: layer for layer in layers_of(each)[0]}
        calls = call_times_of(undisturbed(alike))
        self.model_ns = calls.trimmed if calls else None

    def grouped(self, key: Callable[[KernelTimes], object]) -> list[list[KernelTimes]]:
        """Kernels that have something in common, in the order of the first of each."""
        found: dict[object, list[KernelTimes]] = {}
        for kernel in self.kernels:
            found.setdefault(key(kernel), []).append(kernel)
        return list(found.values())


def kernels(evaluations: Sequence[Evaluation], view: View) -> Table:
    """A row for each kernel, for each name of kernels, for each layer, or for the model, as ``view.by`` asks.

    Times are of one call of the model. Those of layers and of the whole model come from evaluations of the same
    setting that were traced to their layers (their model), and are empty where none is among the evaluations.
    """
    columns, rows_of = KERNELS_BY[view.by or "kernel"]
    found_runs = kernel_runs(evaluations, view)
    settings: dict[object, list[Evaluation]] = {}
    for each in evaluations if found_runs else ():
        settings.setdefault(setting(each, batch=True), []).append(each)

    def rows(runs: Runs) -> list[Row]:
        alike = settings[setting(runs.each[0], batch=True)]
        found = rows_of(_Found(runs, alike, view.names))
        return found if view.top is None else sorted(found, key=_longest_first)[: view.top]

    return build("kernels", columns, found_runs, rows, empty=NO_KERNELS)


def _longest_first(row: Row) -> float:
    names = ("kernel_duration_us", "layer_gpu_duration_us", "model_gpu_duration_us")
    return -next(value for name in names if isinstance(value := row.get(name), float))


def _each(found: _Found) -> list[Row]:
    rows: list[Row] = []
    for kernel in found.kernels:
        layer = found.layers.get(-1 if kernel.layer_index is None else kernel.layer_index)
        rows.append(
            _layer_cells(kernel)
            | {
                "layer_shape": layer.output_shapes if layer else None,
                "layer_duration_us": to_us(layer.trimmed_mean_ns) if layer else None,
                "layer_allocated_bytes": layer.allocated_bytes if layer else None,
                "kernel_name": kernel.name,
                "kernel_number": kernel.number,
                "calls": kernel.calls,
                "runs": kernel.runs,
                "metrics": dump_line(dict(kernel.metrics)) if kernel.metrics else None,
            }
            | times_cells(kernel)
            | kernel.work.cells("kernel", found.record)
        )
    return rows


def _layer_cells(kernel: KernelTimes) -> Row:
    return {
        "layer_index": kernel.layer_index,
        "layer_name": kernel.layer_name or None,
        "layer_type": kernel.layer_type or None,
    }


def _by_name(found: _Found) -> list[Row]:
    rows: list[Row] = []
    for each in found.grouped(lambda kernel: kernel.name):
        work = summed(each)
        share = work.duration_ns / found.model_ns if found.model_ns else None
        rows.append(
            {
                "kernel_name": each[0].name,
                "kernel_count": len(each),
                "kernel_duration_us": to_us(work.duration_ns),
                "model_duration_share": share,
            }
            | work.cells("kernel", found.record)
        )
    return sorted(rows, key=_longest_first)


def _by_layer(found: _Found) -> list[Row]:
    rows: list[Row] = []
    for each in found.grouped(lambda kernel: kernel.layer_index):
        work = summed(each)
        index = each[0].layer_index
        layer = found.layers.get(-1 if index is None else index)
        whole = layer.trimmed_mean_ns if layer else None
        rows.append(
            _layer_cells(each[0])
            | {
                "kernel_count": len(each),
                "layer_duration_us": to_us(whole),
                "layer_gpu_duration_us": to_us(work.duration_ns),
                "layer_cpu_duration_us": None if whole is None else to_us(max(whole - work.duration_ns, 0.0)),
            }
            | work.cells("layer", found.record)
        )
    return rows


def _whole(found: _Found) -> list[Row]:
    work = summed(found.kernels)
    return [
        {
            "kernel_count": len(found.kernels),
            "model_duration_us": to_us(found.model_ns),
            "model_gpu_duration_us": to_us(work.duration_ns),
        }
        | work.cells("model", found.record)
    ]


KERNELS_BY: dict[str, tuple[tuple[Column, ...], Callable[[_Found], list[Row]]]] = {
    "kernel": (_KERNEL, _each),
    "name": (_BY_NAME, _by_name),
    "layer": (_BY_LAYER, _by_layer),
    "model": (_MODEL, _whole),
}
"""What a row can be of: its columns, and how it is made."""
