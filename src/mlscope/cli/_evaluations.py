"""``mlscope info evaluation …``."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

from mlscope.cli._databases import opened
from mlscope.cli._flags import DatabaseFlags, FilterFlags, Globals, OutputFlags
from mlscope.cli._terminal import emit, note, uses_color
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from mlscope.analyses import Table
    from mlscope.results import LayerSummary, Record, Store

__all__ = [
    "accuracy",
    "duration",
    "everything",
    "latency",
    "layer_aggregate",
    "layer_tree",
    "layers",
    "show_tables",
    "show_text",
    "stability",
    "why_empty",
]

_FILTER = FilterFlags()
_DATABASE = DatabaseFlags()
_OUTPUT = OutputFlags()
_GLOBALS = Globals()


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
    _report("accuracy", where, database, output, flags)


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
    _report("latency", where, database, output, flags)


def duration(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report how long the parts of recorded evaluations took."""
    _report("duration", where, database, output, flags)


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
    from mlscope.analyses import stability as analyse
    from mlscope.results import Evaluation, Filter

    store = opened(database, flags)
    given = where.values()
    records = store.find(Filter(**given), limit=where.limit)
    show_tables([analyse([Evaluation.from_store(store, record.id) for record in records])], output)
    if not records:
        sys.stdout.flush()
        note(why_empty(store, given, where.limit))


def layers(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report the layers of recorded evaluations.

    One by one in the order of execution, of evaluations that were traced with --trace-level FRAMEWORK_TRACE:
    microseconds over the profiled calls (trimmed mean: without the 20 % at each end), the share of the model's call.
    """
    _report("layers", where, database, output, flags)


def layer_tree(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report what the layers of recorded evaluations consist of.

    The model's call, its layers, what is part of them, and the model's nodes that they fuse.
    """
    _report("layer_tree", where, database, output, flags)


def layer_aggregate(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report the layers of recorded evaluations by their types.

    How many of each type, how long they take, how much memory they allocate; the longest first.
    """
    _report("layer_aggregate", where, database, output, flags)


def everything(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Report everything about recorded evaluations.

    JSON is one object with a list for each report; CSV one table whose first column names the report.
    """
    _report("all", where, database, output, flags)


def _report(name: str, where: FilterFlags, database: DatabaseFlags, output: OutputFlags, flags: Globals) -> None:
    from mlscope.analyses import LAYER_ANALYSES, LAYER_LEVEL, run
    from mlscope.results import Filter

    store = opened(database, flags)
    given = where.values()
    records = store.find(Filter(**given), limit=where.limit)
    tables = run(name, records, lambda record: _layers_of(store, record))
    show_tables(tables, output)
    if not records:
        sys.stdout.flush()
        note(why_empty(store, given, where.limit))
        return
    sys.stdout.flush()
    deeper = sum(record.trace_level == LAYER_LEVEL for record in records)
    if name in LAYER_ANALYSES and not deeper:
        note(f"none of the {len(records)} evaluations was traced to its layers; --trace-level {LAYER_LEVEL} does it")
    if name in ("latency", "all") and deeper:
        note(f"{deeper} of {len(records)} evaluations are left out of latency: {LAYER_LEVEL} takes time itself")


def _layers_of(store: Store, record: Record) -> list[LayerSummary]:
    """A record's layers; none where there is no such file: it failed, or its profile could not be read."""
    from mlscope.results import LAYER_SUMMARY_FILE, read_layer_summary

    if LAYER_SUMMARY_FILE not in {entry.path for entry in record.files}:
        return []
    with store.open_blob(record.id, LAYER_SUMMARY_FILE) as file:
        return read_layer_summary(file)


def show_tables(tables: list[Table], output: OutputFlags) -> None:
    """Print tables, or write them to ``--output``.

    Raises:
        UsageError: The output flags make no sense together, or the file is there already.
    """
    from mlscope.analyses import to_csv, to_json, to_text

    header = not output.no_header
    if output.format == "json":
        text = to_json(tables)
    elif output.format == "csv":
        text = to_csv(tables, header)
    elif output.output is None and sys.stdout.isatty():
        text = to_text(tables, header, shutil.get_terminal_size().columns, uses_color(sys.stdout))
    else:
        text = to_text(tables, header)
    show_text(text, output)


def show_text(text: str, output: OutputFlags) -> None:
    """Print what was rendered, or write it to ``--output``.

    Raises:
        UsageError: The output flags make no sense together, or the file is there already.
    """
    from mlscope.analyses import write_output

    if output.output is not None:
        for path in write_output(
            {output.format: text}, output.output, append=output.append, overwrite=output.overwrite
        ):
            note(f"written to {path}")
    elif output.append or output.overwrite:
        raise UsageError(
            f"--{'append' if output.append else 'overwrite'} is about a file", hint="name one with --output FILE"
        )
    else:
        emit(text)


def why_empty(store: Store, given: dict[str, Any], limit: int) -> str:
    """Which filter left nothing."""
    from mlscope.results import Filter

    if limit == 0:
        return "--limit 0 leaves nothing"
    total = store.count()
    if total == 0:
        return "nothing is recorded there yet; `mlscope predict dataset` makes a first record"
    shown = {name: f"--{name.replace('_', '-')} {value}" for name, value in given.items()}
    for name, value in given.items():
        if store.count(Filter(**{name: value})) == 0:
            return f"none of the {total} recorded evaluations has {shown[name]}"
    for name in given:
        rest = {other: value for other, value in given.items() if other != name}
        count = store.count(Filter(**rest))
        if count:
            others = " and ".join(shown[other] for other in rest)
            return f"{count} evaluations have {others}, but none of them has {shown[name]}"
    return f"no evaluation has all of {', '.join(shown.values())}"
