"""``mlscope runs …`` and ``mlscope store rebuild``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from mlscope._origin import Origin
from mlscope.cli import _values
from mlscope.cli._databases import check_local, opened
from mlscope.cli._explain import explanation_lines, stored_explanations
from mlscope.cli._flags import DatabaseFlags, FilterFlags, FormatFlags, Globals
from mlscope.cli._records import finding_lines, headline, pictures_line
from mlscope.cli._reports import why_empty
from mlscope.cli._terminal import clean, emit, note, say, uses_color, warn
from mlscope.errors import Interrupted, StoreError, UsageError

if TYPE_CHECKING:
    from mlscope.analyses import Table
    from mlscope.results import Record

__all__ = ["list_runs", "log", "publish", "rebuild", "remove", "show"]

_FILTER = FilterFlags()
_DATABASE = DatabaseFlags()
_FORMAT = FormatFlags()
_GLOBALS = Globals()

_ID = Parameter(name="ID", help="The run's id, or the first digits of it that no other run has.")
_IDS = Parameter(name="ID", help="Ids of runs, or the first digits of them that no other run has.")
_LOGS = {
    "summary": "loadgen/mlperf_log_summary.txt",
    "detail": "loadgen/mlperf_log_detail.txt",
    "worker": "logs/worker.log",
    "loader": "logs/loader.log",
}


def list_runs(
    *,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """List recorded runs, newest first."""
    from mlscope.analyses import to_json, to_text
    from mlscope.results import Filter

    store = opened(database, flags)
    records = store.find(Filter(**where.values()), limit=where.limit)
    table = _table(records)
    if output.format == "json":
        emit(to_json(table))
        return
    if not records:
        note(why_empty(store, where.values(), where.limit))
        return
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    emit(to_text(table, True, columns, uses_color(sys.stdout)))


def _table(records: list[Record]) -> Table:
    from mlscope.analyses import Column, Table

    columns = (
        Column("id", "id"),
        Column("created_at", "created (UTC)"),
        Column("status", "status"),
        Column("command", "command"),
        Column("model_name", "model"),
        Column("dataset_name", "data set"),
        Column("framework_name", "framework", shown="wide"),
        Column("batch_size", "batch"),
        Column("scenario", "scenario"),
        Column("mode", "mode", shown="wide"),
        Column("top1_accuracy", "top-1", "fraction"),
        Column("p50_ms", "p50", "ms"),
        Column("validity", "validity", shown="wide"),
        Column("experiment", "experiment", shown="wide"),
        Column("tags", "tags", shown="wide"),
    )
    return Table("runs", columns, [_row(record) for record in records])


def _row(record: Record) -> dict[str, object]:
    row: dict[str, object] = {
        name: getattr(record, name)
        for name in (
            "id",
            "created_at",
            "status",
            "command",
            "model_name",
            "dataset_name",
            "framework_name",
            "batch_size",
            "scenario",
            "mode",
            "experiment",
        )
    }
    ranks = {each.percentile: each.value_ns for each in record.latency[0].percentiles} if record.latency else {}
    row["top1_accuracy"] = record.accuracy.top1 if record.accuracy else None
    row["p50_ms"] = ranks[50] / 1e6 if 50 in ranks else None
    row["validity"] = record.loadgen.validity if record.loadgen else None
    row["tags"] = ", ".join(record.tags) or None
    return row


def show(
    run: Annotated[str, _ID],
    /,
    *,
    database: DatabaseFlags = _DATABASE,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Show one run.

    With --format json the whole record, as the run folder's evaluation.json holds it.
    """
    store = opened(database, flags)
    record = store.get(run)
    if output.format == "json":
        emit(record.model_dump_json(indent=2))
        return
    found = [*finding_lines(record), *explanation_lines(stored_explanations(store, record))]
    emit("\n".join([*_facts(record), "", *found, "", *_file_lines(record, store.blobs(record.id))]))


def _facts(record: Record) -> list[str]:
    system = record.system
    failure = record.failure
    mlscope = Origin(record.mlscope_version, record.mlscope_commit, record.mlscope_dirty)
    facts = {
        "Run": record.id,
        "Measured": headline(record),
        "Command": record.command,
        "Started": f"{record.created_at:%Y-%m-%d %H:%M:%S} UTC, took {record.timings.total_ns / 1e9:.1f} s",
        "Status": record.status,
        "Failure": f"{failure.kind}: {failure.message}" if failure else "",
        "Experiment": record.experiment or "",
        "Tags": ", ".join(record.tags),
        "Plan": record.plan_id,
        "Pictures": pictures_line(record),
        "Machine": f"{system.hostname}, {system.cpu_name}, {system.cpu_count} CPUs, {system.machine_architecture}",
        "System": f"{system.operating_system}, Python {system.python}, mlscope {mlscope}",
    }
    lines = [f"{name:<12}{clean(value)}" for name, value in facts.items() if value]
    return lines + [f"{'Warning':<12}{clean(each)}" for each in record.warnings]


def _file_lines(record: Record, here: list[str]) -> list[str]:
    from mlscope._home import runs_dir

    folder = runs_dir() / record.id
    lines = [f"Folder      {folder}"] if folder.is_dir() else []
    lines += [f"{'Files' if not index else '':<12}{clean(name)}" for index, name in enumerate(here)]
    logs = [name for name, path in _LOGS.items() if path in here]
    return [*lines, f"Logs        mlscope runs log {record.id} [{'|'.join(logs)}]"] if logs else lines


def remove(
    *runs: Annotated[str, _IDS],
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask.")] = False,
    database: DatabaseFlags = _DATABASE,
    flags: Globals = _GLOBALS,
) -> None:
    """Remove runs and their folders.

    With --database-address what this machine published there is removed, and the folders stay.
    """
    from mlscope.results import remove_run, run_folder

    if not runs:
        raise UsageError("no run is named", hint="mlscope runs list shows them")
    if database.database_address:
        store = opened(database, flags)
        names = list(dict.fromkeys(store.get(run).id for run in runs))
        _confirm(names, yes)
        for name in names:
            store.delete(name)
    else:
        names = list(dict.fromkeys(run_folder(run).name for run in runs))
        _confirm(names, yes)
        for name in names:
            remove_run(name)
    emit("\n".join(f"removed {name}" for name in names))


def _confirm(names: list[str], yes: bool) -> None:
    """Ask, unless the answer was given.

    Raises:
        UsageError: Nobody is there to be asked.
        Interrupted: The answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked whether to remove them", hint="add --yes")
    say("\n".join(names))
    say(f"Remove {'this run' if len(names) == 1 else f'these {len(names)} runs'} for good? [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Interrupted("nothing was removed")


def log(
    run: Annotated[str, _ID],
    which: Annotated[
        Literal["summary", "detail", "worker", "loader"] | None,
        Parameter(
            name="LOG",
            help="LoadGen's summary or detail, the model process' or the loader's. Default: summary, or else worker.",
            converter=_values.choice,
        ),
    ] = None,
    /,
    *,
    database: DatabaseFlags = _DATABASE,
    flags: Globals = _GLOBALS,
) -> None:
    """Print a log of a run."""
    store = opened(database, flags)
    record = store.get(run)
    there = {name: path for name, path in _LOGS.items() if path in store.blobs(record.id)}
    wanted = which or ("summary" if "summary" in there else "worker")
    if wanted not in there:
        has = f"it has {', '.join(there)}" if there else "it has none"
        raise StoreError(f"the run has no {wanted} log", where=record.id, hint=has)
    with store.open_blob(record.id, there[wanted]) as file:
        emit(file.read().decode("utf-8", errors="replace"))


def publish(
    *runs: Annotated[str, _IDS],
    publish_predictions: Annotated[bool, Parameter(help="Copy every prediction too (can be large).")] = False,
    database: DatabaseFlags = _DATABASE,
    flags: Globals = _GLOBALS,
) -> None:
    """Copy runs to a shared database.

    Publishing again adds what is not there yet.
    """
    from mlscope import results

    if not runs:
        raise UsageError("no run is named", hint="mlscope runs list shows them")
    check_local(database.database_address, flags)
    folders: list[Path] = [results.run_folder(run) for run in runs]
    for folder in folders:
        address = results.publish(
            folder,
            database.database_address,
            name=database.database_name,
            secret=flags.secret,
            predictions=publish_predictions,
        )
        emit(f"published {folder.name} to {address}")


def rebuild(*, flags: Globals = _GLOBALS) -> None:
    """Rebuild the local index from the run folders.

    Run folders are the truth; the index may be deleted at any time.
    """
    from mlscope import results

    count = results.rebuild(warn)
    emit(f"{count} run{'' if count == 1 else 's'} in the index")
