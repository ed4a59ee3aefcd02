"""``mlscope trace …``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from mlscope.cli import _values
from mlscope.cli._databases import check_local, opened
from mlscope.cli._declare import FlagGroup, flag, group
from mlscope.cli._flags import DatabaseFlags, Globals
from mlscope.cli._terminal import note
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from mlscope.results import Evaluation

__all__ = ["chrome", "export", "flamegraph", "send"]


@group("Output", 60)
@dataclasses.dataclass(frozen=True, kw_only=True)
class FileFlags(FlagGroup):
    """Where a trace is written."""

    output: Annotated[
        Path | None,
        flag("The file. Default: named after the run, in this folder.", "--output", "-o", metavar="FILE"),
    ] = None
    overwrite: Annotated[bool, flag("Replace the output file.")] = False


_FILE = FileFlags()
_DATABASE = DatabaseFlags()
_GLOBALS = Globals()

_ID = Parameter(name="ID", help="The run's id, or the first digits of it that no other run has.")
_To = Literal["perfetto", "chrome", "otlp", "zipkin", "flamegraph", "csv"]
_TO = flag(
    "perfetto: ui.perfetto.dev; chrome: chrome://tracing; otlp, zipkin: JSON of their spans; flamegraph: folded "
    "stacks; csv: one line a slice.",
    "--to",
    "-t",
    converter=_values.choice,
)
_ADDRESS = flag(
    "The server: http://HOST:4318 or grpc://HOST:4317 (OTLP), zipkin://HOST:9411.",
    "--tracer-address",
    metavar="ADDRESS",
)


def export(
    run: Annotated[str, _ID],
    /,
    *,
    to: Annotated[_To, _TO] = "perfetto",
    output: FileFlags = _FILE,
    database: DatabaseFlags = _DATABASE,
    flags: Globals = _GLOBALS,
) -> None:
    """Write the trace of a run to a file of another tool.

    Spans, requests and LoadGen's own trace lie on one clock; otlp, zipkin and flamegraph hold the spans only.
    """
    _export(run, to, output, database, flags)


def chrome(
    run: Annotated[str, _ID],
    /,
    *,
    output: FileFlags = _FILE,
    database: DatabaseFlags = _DATABASE,
    flags: Globals = _GLOBALS,
) -> None:
    """Write a trace for Chrome.

    The same as export --to chrome, for chrome://tracing.
    """
    _export(run, "chrome", output, database, flags)


def flamegraph(
    run: Annotated[str, _ID],
    /,
    *,
    output: FileFlags = _FILE,
    database: DatabaseFlags = _DATABASE,
    flags: Globals = _GLOBALS,
) -> None:
    """Write a flame graph's stacks.

    The same as export --to flamegraph: flamegraph.pl, inferno and speedscope.app read it. The numbers are microseconds
    of a span's own time.
    """
    _export(run, "flamegraph", output, database, flags)


def _export(run: str, to: str, output: FileFlags, database: DatabaseFlags, flags: Globals) -> None:
    from mlscope.traces import FORMATS
    from mlscope.traces import export as write

    evaluation = _evaluation(run, database, flags)
    path = output.output or Path(f"{evaluation.record.id[:16]}{FORMATS[to].suffix}")
    written, notes = write(evaluation, to, path, overwrite=output.overwrite)
    for each in notes:
        note(each)
    note(f"written to {path}: {written:,} {FORMATS[to].things}")


def send(
    run: Annotated[str, _ID],
    /,
    *,
    tracer_address: Annotated[str | None, _ADDRESS] = None,
    database: DatabaseFlags = _DATABASE,
    flags: Globals = _GLOBALS,
) -> None:
    """Send the spans of a run to a trace server.

    A span has the same id each time, so that sending again does no harm.
    """
    from mlscope.traces import parse_tracer, read_spans_only
    from mlscope.traces import send as send_spans

    if tracer_address is None:
        raise UsageError("no server is named", hint="add --tracer-address http://HOST:4318, grpc://… or zipkin://…")
    address = parse_tracer(tracer_address)
    check_local(f"tracer://{address.authority}", flags)
    if address.old_style and flags.verbose:
        note(f"--tracer-address is read as {address.shown}")
    sent = send_spans(read_spans_only(_evaluation(run, database, flags)), address)
    note(f"sent {sent:,} spans to {address.shown}")


def _evaluation(run: str, database: DatabaseFlags, flags: Globals) -> Evaluation:
    from mlscope.results import Evaluation

    return Evaluation.from_store(opened(database, flags), run)
