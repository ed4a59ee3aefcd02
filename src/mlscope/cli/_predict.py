"""``mlscope predict dataset`` and ``mlscope predict urls``."""

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
from mlscope.cli._request import make_request
from mlscope.cli._stack_flags import StackFlags
from mlscope.errors import UsageError

__all__ = ["dataset", "urls"]

_MODEL = ModelFlags()
_STACK = StackFlags()
_DATA = DataFlags()
_PARTS = PartFlags()
_LIST = UrlFlags()
_EXECUTION = ExecutionFlags()
_WORKERS = WorkerFlags()
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
    return Measurement.of(make_request("predict dataset", groups, flags), (model.axes(), stack.axes()), output, flags)


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
    return Measurement.of(request, (model.axes(), stack.axes()), output, flags)


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
