"""The list of all analyses, and the charts of each."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from mlscope.analyses._accuracy import accuracy
from mlscope.analyses._charts import Chart, Kind, draw
from mlscope.analyses._cuda_launch import cuda_launch
from mlscope.analyses._divergence import divergence
from mlscope.analyses._duration import duration
from mlscope.analyses._eventflow import eventflow
from mlscope.analyses._hardware import hardware
from mlscope.analyses._kernel_runs import NO_KERNELS
from mlscope.analyses._kernels import kernels
from mlscope.analyses._latency import latency
from mlscope.analyses._layer_aggregate import layer_aggregate
from mlscope.analyses._layer_runs import LAYER_LEVEL
from mlscope.analyses._layer_tree import layer_tree
from mlscope.analyses._layers import layers
from mlscope.analyses._levels import levels
from mlscope.analyses._memory import memory
from mlscope.analyses._model import model
from mlscope.analyses._roofline import roofline
from mlscope.analyses._runs import View
from mlscope.analyses._stability import stability
from mlscope.analyses._table import Table
from mlscope.analyses._throughput import throughput
from mlscope.errors import UsageError
from mlscope.results import Evaluation

__all__ = ["ANALYSES", "Analysis", "plot", "run"]

_MIB = float(2**20)
_UNTRACED = f"none of the {{count}} evaluations was traced to its layers; --trace-level {LAYER_LEVEL} does it"
_PROFILED = f"all of the {{count}} evaluations were traced to {LAYER_LEVEL} or deeper, which takes time itself"
_FIVE = ("min_us", "p25_us", "median_us", "p75_us", "max_us")
_LAYER = ("layer_index", "layer_name")
_BATCH = ("model_name", "framework_name", "batch_size")


@dataclasses.dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis: how its table is made, and what can be drawn of it."""

    table: Callable[[Sequence[Evaluation], View], Table]
    charts: tuple[Chart, ...] = ()
    silence: str = ""
    """What to say of so many (``{count}``) evaluations that it has no rows of."""
    in_all: bool = True
    """Whether ``all`` has it."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of charts, the one that is drawn unless another is asked for first."""
        return tuple(dict.fromkeys(chart.kind for chart in self.charts))


_CALLS = (
    Chart("bar", ("duration_us",), "duration of a call (us)", _BATCH, together=True),
    Chart("bar", ("throughput_inputs_per_s",), "throughput (inputs/s)", _BATCH, together=True),
)
_KERNELS = (
    Chart("bar", ("kernel_duration_us",), "duration (us)", ("layer_index", "kernel_name")),
    Chart(
        "bar",
        ("layer_gpu_duration_us", "layer_cpu_duration_us"),
        "duration (us)",
        _LAYER,
        names=("on the GPU", "elsewhere"),
    ),
    Chart("bar", ("layer_gpu_duration_us",), "on the GPU (us)", _LAYER),
    Chart("bar", ("layer_flops",), "GFLOPs", _LAYER, scale=1e9),
    Chart("bar", ("layer_dram_read_bytes",), "read (MiB)", _LAYER, scale=_MIB),
    Chart("bar", ("layer_dram_write_bytes",), "written (MiB)", _LAYER, scale=_MIB),
    Chart("bar", ("layer_achieved_occupancy",), "achieved occupancy (%)", _LAYER, scale=0.01),
)

ANALYSES: dict[str, Analysis] = {
    "accuracy": Analysis(accuracy),
    "latency": Analysis(latency, silence=_PROFILED),
    "duration": Analysis(duration),
    "model": Analysis(model, _CALLS, _PROFILED),
    "throughput": Analysis(throughput, _CALLS, _PROFILED),
    "stability": Analysis(stability),
    "levels": Analysis(levels),
    "layers": Analysis(
        layers,
        (
            Chart("bar", ("trimmed_mean_us",), "duration (us)", _LAYER),
            Chart("bar", ("layer_allocated_bytes",), "allocated memory (MiB)", _LAYER, scale=_MIB),
            Chart("box", _FIVE, "calls: smallest, quartiles, largest (us)", _LAYER),
        ),
        _UNTRACED,
    ),
    "layer_tree": Analysis(layer_tree, silence=_UNTRACED),
    "layer_aggregate": Analysis(
        layer_aggregate,
        (
            Chart("pie", ("occurrences",), "layers", ("layer_type",)),
            Chart("pie", ("duration_us",), "duration", ("layer_type",)),
            Chart("pie", ("allocated_bytes",), "allocated memory", ("layer_type",)),
        ),
        _UNTRACED,
    ),
    "cuda_launch": Analysis(cuda_launch, silence=NO_KERNELS),
    "kernels": Analysis(kernels, _KERNELS, NO_KERNELS),
    "roofline": Analysis(
        roofline,
        (Chart("roofline", ("intensity_flops_per_byte", "gflops_per_s"), "area: duration", ("name",)),),
        _UNTRACED,
    ),
    "eventflow": Analysis(eventflow, silence="none of the {count} evaluations has a trace", in_all=False),
    "memory": Analysis(memory, (Chart("line", ("times_ms", "values_bytes"), "(MiB)", ("memory",), scale=_MIB),)),
    "hardware": Analysis(
        hardware,
        (Chart("line", ("times_ms", "values"), "", ("counter", "counter_unit")),),
        "nothing was counted on the machine while the {count} evaluations ran",
    ),
    "divergence": Analysis(
        divergence, silence="no two of the {count} evaluations have answers of one model to the same samples"
    ),
}
"""Name → analysis."""


def run(name: str, evaluations: Sequence[Evaluation], view: View | None = None) -> list[Table]:
    """Run one analysis, or with ``all`` every one but the event flow, which has a row for each span.

    Args:
        name: Of the analysis.
        evaluations: Rows stand in their order.
        view: How it is wanted.

    Raises:
        UsageError: There is no such analysis.
    """
    wanted = view or View()
    if name == "all":
        return [each.table(evaluations, wanted) for each in ANALYSES.values() if each.in_all]
    if name not in ANALYSES:
        names = [*ANALYSES, "all"]
        near = difflib.get_close_matches(name, names, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"choose one of {', '.join(names)}"
        raise UsageError(f'no analysis is called "{name}"', hint=hint)
    return [ANALYSES[name].table(evaluations, wanted)]


def plot(name: str, table: Table, kinds: Sequence[Kind], path: Path) -> list[str]:
    """Draw an analysis' charts.

    Args:
        name: Of the analysis.
        table: What it gave.
        kinds: Which kinds of charts; none: the analysis' first.
        path: Ends in ``.png``, ``.svg`` or ``.html``.

    Returns:
        What a user must know: that not everything is drawn.

    Raises:
        UsageError: It has no such charts, the path ends in something else, or there is nothing to draw.
        ResourceError: It cannot be written.
    """
    analysis = ANALYSES[name]
    for kind in kinds:
        if kind not in analysis.kinds:
            hint = f"it has {' and '.join(analysis.kinds)} plots" if analysis.kinds else "it has no plots"
            raise UsageError(f"{name} has no {kind} plot", hint=hint)
    wanted = kinds or analysis.kinds[:1]
    charts = [chart for chart in analysis.charts if chart.kind in wanted]
    return draw(table, charts, path, f"mlscope {name.replace('_', ' ')}: {_what(table)}")


def _what(table: Table) -> str:
    """What all rows are of."""
    names = ("model_name", "framework_name", "framework_version", "hostname")
    found = [{str(row[name]) for row in table.rows} for name in names]
    return ", ".join(
        each.pop() if len(each) == 1 else f"{len(each)} {name}s"
        for name, each in zip(("model", "framework", "version", "machine"), found, strict=True)
    )
