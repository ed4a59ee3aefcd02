"""``mlscope predict``: over a data set, named pictures, or requests that come on a schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mlscope.cli._evaluate import Measurement
from mlscope.cli._flags import (
    DatabaseFlags,
    DataFlags,
    ExecutionFlags,
    FormatFlags,
    Globals,
    ModelFlags,
    PartFlags,
    RecordFlags,
    UrlFlags,
    WorkerFlags,
)
from mlscope.cli._quiet_flags import QuietFlags
from mlscope.cli._request import make_request, model_axes
from mlscope.cli._serving_flags import ServingFlags
from mlscope.cli._stack_flags import StackFlags
from mlscope.cli._workload_flags import MaxQpsFlags, WorkloadFlags
from mlscope.errors import UsageError

__all__ = ["dataset", "max_qps", "urls", "workload"]

_File = Annotated[Path | None, Parameter(help="A model file, .onnx or .tflite, for --random-inputs.", metavar="FILE")]
_MODEL = ModelFlags()
_STACK = StackFlags()
_DATA = DataFlags()
_PARTS = PartFlags()
_LIST = UrlFlags()
_EXECUTION = ExecutionFlags()
_WORKERS = WorkerFlags()
_SERVING = ServingFlags()
_WORKLOAD = WorkloadFlags()
_MAX_QPS = MaxQpsFlags()
_RECORD = RecordFlags()
_QUIET = QuietFlags()
_DATABASE = DatabaseFlags()
_FORMAT = FormatFlags()
_GLOBALS = Globals()


def dataset(
    *,
    model: ModelFlags = _MODEL,
    stack: StackFlags = _STACK,
    data: DataFlags = _DATA,
    parts: PartFlags = _PARTS,
    execution: ExecutionFlags = _EXECUTION,
    workers: WorkerFlags = _WORKERS,
    record: RecordFlags = _RECORD,
    machine: QuietFlags = _QUIET,
    database: DatabaseFlags = _DATABASE,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> Measurement:
    """Evaluate a model over a labelled data set.

    Pictures are decoded ahead of the model in processes of their own; pre-processing, inference and
    post-processing are timed apart. Accuracy counts what was evaluated; a sample that failed is a wrong one.
    Ctrl-C keeps what was measured.
    """
    groups = (model, stack, data, parts, execution, workers, record, machine, database)
    return Measurement.of(
        make_request("predict dataset", groups, flags), (model.axes(), stack.axes(), record.axes()), output, flags
    )


def urls(
    *sources: Annotated[
        str, Parameter(name="SOURCES", help="Picture files, globs and http(s) addresses.", show_default=False)
    ],
    model: ModelFlags = _MODEL,
    stack: StackFlags = _STACK,
    inputs: UrlFlags = _LIST,
    execution: ExecutionFlags = _EXECUTION,
    workers: WorkerFlags = _WORKERS,
    record: RecordFlags = _RECORD,
    machine: QuietFlags = _QUIET,
    database: DatabaseFlags = _DATABASE,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> Measurement:
    """Classify pictures from files, globs or http(s) addresses.

    Prints the five best labels of each picture.
    """
    listed = (*sources, *_lines(inputs.urls_file_path))
    if not listed:
        raise UsageError("no pictures are named", hint="give files, globs or addresses, or --urls-file-path FILE")
    if inputs.duplicate_input < 1:
        raise UsageError(f'"{inputs.duplicate_input}" cannot be used: it must be 1 or more', where="--duplicate-input")
    groups = (model, stack, inputs, execution, workers, record, machine, database)
    request = make_request("predict urls", groups, flags, urls=listed * inputs.duplicate_input)
    axes = (model.axes(), stack.axes(), record.axes())
    return Measurement.of(request, axes, output, flags)


def workload(
    file: _File = None,
    /,
    *,
    model: ModelFlags = _MODEL,
    stack: StackFlags = _STACK,
    requests: WorkloadFlags = _WORKLOAD,
    data: DataFlags = _DATA,
    execution: ExecutionFlags = _EXECUTION,
    serving: ServingFlags = _SERVING,
    record: RecordFlags = _RECORD,
    machine: QuietFlags = _QUIET,
    database: DatabaseFlags = _DATABASE,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> Measurement:
    """Send requests on a schedule, whether or not the model keeps up, and report their latency.

    A process of its own issues each request at its time. Latency counts from when a request was due; how much later it
    was issued stands beside it. Requests that failed, found the queue full or had no answer at the end are counted, and
    no percentile is better for them.
    """
    groups = (model, stack, data, execution, serving, record, machine, database)
    request = make_request("predict workload", groups, flags, workload=requests, warmup=requests.warmup)
    return Measurement.of(
        request, (model_axes(model, file, requests.random_inputs), stack.axes(), record.axes()), output, flags
    )


def max_qps(
    file: _File = None,
    /,
    *,
    model: ModelFlags = _MODEL,
    stack: StackFlags = _STACK,
    requests: MaxQpsFlags = _MAX_QPS,
    data: DataFlags = _DATA,
    execution: ExecutionFlags = _EXECUTION,
    serving: ServingFlags = _SERVING,
    record: RecordFlags = _RECORD,
    machine: QuietFlags = _QUIET,
    database: DatabaseFlags = _DATABASE,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> Measurement:
    """Find the highest rate at which the latency at a percentile stays within a bound.

    Each rate is a run with arrivals of its own, the model stays loaded. Rates near the limit get runs of full length;
    the answer comes with the interval in which the limit lies, and the lowest rate that did not meet the bound. After
    Ctrl-C the same command goes on with the search.
    """
    groups = (model, stack, data, execution, serving, record, machine, database)
    request = make_request("predict max-qps", groups, flags, workload=requests, warmup=requests.warmup)
    return Measurement.of(
        request, (model_axes(model, file, requests.random_inputs), stack.axes(), record.axes()), output, flags
    )


def _lines(path: Path | None) -> list[str]:
    """The lines of a list of pictures, without empty ones and comments."""
    if path is None:
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise UsageError(f"cannot be read: {reason}", where=f"--urls-file-path {path}") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
