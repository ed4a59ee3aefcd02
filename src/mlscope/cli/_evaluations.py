"""``mlscope info evaluation …``: evaluations as a whole."""

from __future__ import annotations

from typing import Annotated

from mlscope.cli._declare import flag
from mlscope.cli._flags import DatabaseFlags, FilterFlags, Globals, OutputFlags
from mlscope.cli._reports import PlotFlags, RunsFlags, report
from mlscope.errors import UsageError

__all__ = [
    "accuracy",
    "divergence",
    "duration",
    "everything",
    "hardware",
    "latency",
    "levels",
    "memory",
    "model",
    "stability",
    "throughput",
]

_FILTER = FilterFlags()
_DATABASE = DatabaseFlags()
_OUTPUT = OutputFlags()
_GLOBALS = Globals()
_PLOT = PlotFlags()
_RUNS = RunsFlags()
_SOURCE = flag("Compare with this one: its id, or the first digits of it.", "--source", metavar="ID")
_TARGET = flag("Compare this one only.", "--target", metavar="ID")
_TOLERANCE = flag("Up to here a divergence counts as none.", "--tolerance", "--tollerance", metavar="X")


def accuracy(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report the accuracy of recorded evaluations.

    Top-1 and Top-5 as fractions of the evaluated samples, with 95 % intervals.
    """
    report("accuracy", where, database, output, flags)


def latency(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report latency and throughput of recorded evaluations.

    Milliseconds of a sample, batch or query, warm-up left out; throughput in samples a second.
    """
    report("latency", where, database, output, flags)


def duration(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report how long the parts of recorded evaluations took."""
    report("duration", where, database, output, flags)


def model(
    *,
    where: FilterFlags = _FILTER,
    runs: RunsFlags = _RUNS,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    plots: PlotFlags = _PLOT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report how long a call of the model took in recorded evaluations.

    Alone, without any waiting, and what latency and throughput follow from that. Evaluations that were traced into the
    framework are left out.
    """
    report("model", where, database, output, flags, plots=plots, list_runs=runs.list_runs)


def throughput(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    plots: PlotFlags = _PLOT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report throughput over batch sizes, and the best batch.

    Of evaluations that differ in nothing else: the best batch is the smallest one that no larger one beats by 5 % or
    more.
    """
    report("throughput", where, database, output, flags, plots=plots)


def stability(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report whether recorded evaluations were steady.

    Warm-up that was not cut, a trend over the run, autocorrelation, outliers, and MLPerf's early stopping, from the
    recorded times of the queries or of the model's calls.
    """
    report("stability", where, database, output, flags)


def levels(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report what each trace level costs.

    Of evaluations with a list of levels (--trace-level MODEL_TRACE,FRAMEWORK_TRACE): the median of each against that of
    the least level of the same experiment.
    """
    report("levels", where, database, output, flags)


def memory(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    plots: PlotFlags = _PLOT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report the memory of recorded evaluations.

    The machine's, the worker's peak, everything that was counted in bytes over time, and what the layers allocate.
    """
    report("memory", where, database, output, flags, plots=plots)


def hardware(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    plots: PlotFlags = _PLOT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report what was counted on the machine while evaluations ran.

    CPU time of ours, of others and stolen, frequency, throttling; with --trace-level HARDWARE_TRACE whatever else the
    kernel tells.
    """
    report("hardware", where, database, output, flags, plots=plots)


def divergence(
    *,
    source: Annotated[str | None, _SOURCE] = None,
    target: Annotated[str | None, _TARGET] = None,
    tolerance: Annotated[float, _TOLERANCE] = 0.01,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report how far the answers of recorded evaluations are apart.

    Each evaluation against the newest one of the same model and data, by the measures of MLModelScope's `database
    divergence`: means over the samples that both have.
    """
    if tolerance < 0:
        raise UsageError("a tolerance is not negative", where="--tolerance")
    if target is not None and source is None:
        raise UsageError("--target alone does not say what to compare with", hint="add --source ID")
    report("divergence", where, database, output, flags, target=target, source=source, tolerance=tolerance)


def everything(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report everything about recorded evaluations.

    All reports but eventflow. JSON is one object with a list for each report; CSV one table whose first column names
    the report.
    """
    report("all", where, database, output, flags)
