"""``mlscope results table`` and ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mlscope.cli import _values
from mlscope.cli._databases import opened
from mlscope.cli._flags import DatabaseFlags, FilterFlags, FormatFlags, Globals, OutputFlags
from mlscope.cli._reports import show_tables
from mlscope.cli._submission_import import tell_imported
from mlscope.cli._terminal import clean, note, warn
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from mlscope.analyses import Table

__all__ = ["import_table", "table"]

_FILTER = FilterFlags()
_DATABASE = DatabaseFlags()
_FORMAT = FormatFlags()
_GLOBALS = Globals()
_PUBLISHED = {"scenario": "Scenario", "kind": "Kind", "model_name": "Benchmark"}
"""Filters that the rows which come with mlscope can answer → their columns."""


def table(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output_format: Annotated[
        Literal["table", "json", "csv", "parquet"],
        Parameter(
            name=("--format", "-f"),
            help="Text for people, one JSON document, CSV, or a Parquet file.",
            converter=_values.choice,
        ),
    ] = "table",
    output: Annotated[
        Path | None, Parameter(name=("--output", "-o"), help="Write to a file, not to stdout.", metavar="FILE")
    ] = None,
    overwrite: Annotated[bool, Parameter(help="Replace the output file.")] = False,
    records_only: Annotated[bool, Parameter(help="Leave out the official results that come with mlscope.")] = False,
    flags: Globals = _GLOBALS,
) -> None:
    """Show results of LoadGen, official and own ones together, as one table.

    The columns are those of CK-MLPerf's dashboard (P_ and A_: performance and accuracy by benchmark and scenario); at
    the end stands the result with its unit, whatever the benchmark. Text shows the most telling ones.
    """
    from mlscope.results import Filter
    from mlscope.submissions import published_rows, results_table

    given = where.values()
    records = opened(database, flags).find(Filter(**given), limit=where.limit)
    extra = [] if records_only else [row for row in published_rows() if _passes(row, given)]
    found = results_table(records, extra)
    if output_format == "parquet":
        _parquet(found, output, overwrite=overwrite)
        return
    show_tables([found], OutputFlags(format=output_format, output=output, overwrite=overwrite))


def _passes(row: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether a row that comes with mlscope passes the filters."""
    for name, value in given.items():
        if name not in _PUBLISHED:
            return False
        if str(row.get(_PUBLISHED[name])).split(" (")[0] != value:
            return False
    return True


def _parquet(found: Table, output: Path | None, *, overwrite: bool) -> None:
    from mlscope.submissions import write_parquet

    if output is None:
        raise UsageError("Parquet is no text", hint="name a file with --output FILE")
    path = output if output.suffix else output.with_suffix(".parquet")
    if path.exists() and not overwrite:
        raise UsageError("is there already", where=str(path), hint="use --overwrite or another name")
    write_parquet(found, path)
    note(f"written to {path}")


def import_table(
    file: Annotated[Path, Parameter(name="FILE", help="CSV, JSON or Parquet, as mlscope results table writes it.")],
    /,
    *,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Join a colleague's table of results.

    Every row becomes a record of kind table. A pickle, as CK-MLPerf's dashboard kept them, is refused: it is a program.
    """
    from mlscope.submissions import import_table as join

    tell_imported(join(file, warn=lambda text: warn(clean(text))), output, "row")
