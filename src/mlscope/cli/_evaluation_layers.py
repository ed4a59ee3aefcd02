"""``mlscope info evaluation …``: what lies within the model's call."""

from __future__ import annotations

from typing import Annotated, Literal

from mlscope.cli import _values
from mlscope.cli._declare import flag
from mlscope.cli._flags import DatabaseFlags, FilterFlags, Globals, OutputFlags
from mlscope.cli._reports import PlotFlags, RunsFlags, counted, report

__all__ = ["cuda_launch", "eventflow", "kernels", "layer_aggregate", "layer_tree", "layers", "roofline"]

_FILTER = FilterFlags()
_DATABASE = DatabaseFlags()
_OUTPUT = OutputFlags()
_GLOBALS = Globals()
_PLOT = PlotFlags()
_RUNS = RunsFlags()
_BY = flag("What a row is of.", "--by", converter=_values.choice)
_TOP = flag("Only the N that take longest, the longest first.", "--top", metavar="N")
_TOP_LAYERS = flag("Only the N layers that take longest, the longest first.", "--top-layers", "--top", metavar="N")
_TOP_KERNELS = flag("Only the N that take longest, the longest first.", "--top-kernels", "--top", metavar="N")
_NAMES = flag("Only kernels of these names; commas between, or repeated.", "--kernel-names", metavar="NAME")


def layers(
    *,
    top: Annotated[int | None, _TOP_LAYERS] = None,
    where: FilterFlags = _FILTER,
    runs: RunsFlags = _RUNS,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    plots: PlotFlags = _PLOT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report the layers of recorded evaluations.

    One by one in the order of execution, of evaluations that were traced with --trace-level FRAMEWORK_TRACE:
    microseconds over the profiled calls (trimmed mean: without the 20 % at each end), the share of the model's call.
    """
    report("layers", where, database, output, flags, plots=plots, list_runs=runs.list_runs, top=counted(top))


def layer_tree(
    *,
    where: FilterFlags = _FILTER,
    runs: RunsFlags = _RUNS,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report what the layers of recorded evaluations consist of.

    The model's call, its layers, what is part of them, and the model's nodes that they fuse.
    """
    report("layer_tree", where, database, output, flags, list_runs=runs.list_runs)


def layer_aggregate(
    *,
    where: FilterFlags = _FILTER,
    runs: RunsFlags = _RUNS,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    plots: PlotFlags = _PLOT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report the layers of recorded evaluations by their types.

    How many of each type, how long they take, how much memory they allocate; the longest first.
    """
    report("layer_aggregate", where, database, output, flags, plots=plots, list_runs=runs.list_runs)


def kernels(
    *,
    by: Annotated[Literal["kernel", "name", "layer", "model"], _BY] = "kernel",
    top: Annotated[int | None, _TOP_KERNELS] = None,
    kernel_names: Annotated[tuple[str, ...], _NAMES] = (),
    where: FilterFlags = _FILTER,
    runs: RunsFlags = _RUNS,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    plots: PlotFlags = _PLOT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report the GPU kernels of recorded evaluations.

    One by one, by name, by layer, or of the whole model. Times of layers and of the model's call come from runs of the
    same setting that were traced less deeply.
    """
    report(
        "kernels",
        where,
        database,
        output,
        flags,
        plots=plots,
        list_runs=runs.list_runs,
        by=by,
        top=counted(top),
        names=_values.comma_list(kernel_names),
    )


def cuda_launch(
    *,
    where: FilterFlags = _FILTER,
    runs: RunsFlags = _RUNS,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report the launches of GPU kernels in recorded evaluations.

    Which functions of CUDA launched which kernels, how long that took, and how long the kernels waited.
    """
    report("cuda_launch", where, database, output, flags, list_runs=runs.list_runs)


def roofline(
    *,
    by: Annotated[Literal["layer", "kernel", "model"], _BY] = "layer",
    top: Annotated[int | None, _TOP] = None,
    where: FilterFlags = _FILTER,
    runs: RunsFlags = _RUNS,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    plots: PlotFlags = _PLOT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report what limits the layers, kernels or models of recorded evaluations.

    Operations a byte and operations a second against this machine's measured ceilings, which are measured when they are
    asked for first.
    """
    report("roofline", where, database, output, flags, plots=plots, list_runs=runs.list_runs, by=by, top=counted(top))


def eventflow(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report the spans of recorded evaluations.

    Every one, in the order of their begin; `mlscope trace export` writes them for viewers.
    """
    report("eventflow", where, database, output, flags)
