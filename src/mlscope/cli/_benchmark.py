"""``mlscope benchmark``."""

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
    RecordFlags,
)
from mlscope.cli._load_flags import LoadFlags
from mlscope.cli._quiet_flags import QuietFlags
from mlscope.cli._request import make_request, model_axes
from mlscope.cli._serving_flags import ServingFlags
from mlscope.cli._stack_flags import StackFlags

__all__ = ["benchmark"]

_MODEL = ModelFlags()
_STACK = StackFlags()
_LOAD = LoadFlags()
_DATA = DataFlags()
_EXECUTION = ExecutionFlags()
_SERVING = ServingFlags()
_RECORD = RecordFlags()
_QUIET = QuietFlags()
_DATABASE = DatabaseFlags()
_FORMAT = FormatFlags()
_GLOBALS = Globals()


def benchmark(
    file: Annotated[
        Path | None, Parameter(help="A model file, .onnx or .tflite, for --random-inputs.", metavar="FILE")
    ] = None,
    /,
    *,
    model: ModelFlags = _MODEL,
    stack: StackFlags = _STACK,
    load: LoadFlags = _LOAD,
    data: DataFlags = _DATA,
    execution: ExecutionFlags = _EXECUTION,
    serving: ServingFlags = _SERVING,
    record: RecordFlags = _RECORD,
    machine: QuietFlags = _QUIET,
    database: DatabaseFlags = _DATABASE,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> Measurement:
    """Measure a model under load with MLPerf's official LoadGen.

    Without arguments the built-in model is measured with the built-in data set. Prints latencies, LoadGen's own
    summary and, when LoadGen calls the result INVALID, which condition failed.
    """
    groups = (model, stack, data, execution, serving, record, machine, database)
    request = make_request("benchmark", groups, flags, load=load, warmup=load.warmup)
    return Measurement.of(
        request, (model_axes(model, file, load.random_inputs), stack.axes(), record.axes()), output, flags
    )
