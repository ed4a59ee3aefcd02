"""``mlscope submission export``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mlscope.cli import _values
from mlscope.cli._databases import opened
from mlscope.cli._declare import FlagGroup, flag, group
from mlscope.cli._flags import DatabaseFlags, FilterFlags, FormatFlags, Globals
from mlscope.cli._submission_flags import SubmissionFlags
from mlscope.cli._terminal import emit, warn
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from mlscope.analyses import Table
    from mlscope.results import Record
    from mlscope.submissions import Exported, Place

__all__ = ["export"]


@group("Tree", 6)
@dataclasses.dataclass(frozen=True, kw_only=True)
class TreeFlags(FlagGroup):
    """What goes into the tree."""

    system_file: Annotated[Path | None, flag("The system file (mlscope submission system init).", metavar="FILE")] = (
        None
    )
    submitter: Annotated[str | None, flag("Who submits. Default: what the system file says.", metavar="NAME")] = None
    system_name: Annotated[
        str | None, flag("Folder of the system. Default: its name with framework and version.", metavar="NAME")
    ] = None
    measurements: Annotated[
        tuple[str, ...],
        flag(
            "Fact about the model that its manifest does not tell; may be repeated: weight_data_types=fp32.",
            "--measurement",
            metavar="KEY=TEXT",
        ),
    ] = ()
    infer: Annotated[
        bool, flag("Infer MultiStream and Offline from the scenarios that were measured (edge systems).")
    ] = False
    rehearsal: Annotated[bool, flag("Write rehearsals too; the tree says that it is one.")] = False
    overwrite: Annotated[bool, flag("Replace results that the tree has already.")] = False


_SUBMISSION = SubmissionFlags()
_TREE = TreeFlags()
_FILTER = FilterFlags()
_DATABASE = DatabaseFlags()
_FORMAT = FormatFlags()
_GLOBALS = Globals()


def export(
    root: Annotated[Path, Parameter(name="DIR", help="Folder of the tree; results of others may lie in it.")],
    /,
    *,
    submission: SubmissionFlags = _SUBMISSION,
    tree: TreeFlags = _TREE,
    where: FilterFlags = _FILTER,
    database: DatabaseFlags = _DATABASE,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> None:
    """Write recorded runs as the tree of a round.

    Of each scenario the newest valid accuracy run, performance run and compliance tests are taken. What the rules
    forbid is an error, and nothing is written. For v0.5 the experiments of CK are taken; imported results of a round
    are written as they came.
    """
    from mlscope.results import Filter
    from mlscope.submissions import Wanted, export_ck, export_official, export_runs, find_ck, find_official, find_parts

    round_ = submission.found_round()
    store, asked = opened(database, flags), Filter(**where.values())
    official = find_official(store, asked, round_, submission.division)
    points = find_ck(store, asked) if round_.name == "v0.5" else []
    parts = [] if round_.name == "v0.5" else find_parts(store, asked)
    if official and not points and not parts:
        rows = [
            _told(place, each.record)
            for place, each in export_official(official, round_, root, overwrite=tree.overwrite)
        ]
        _show(rows, root, output.format)
        return
    wanted = Wanted(
        round=round_,
        division=submission.division,
        system=_answers(tree.system_file, tree.submitter),
        system_name=tree.system_name,
        benchmark=submission.benchmark,
        facts=_values.pairs("--measurement", tree.measurements),
        infer=tree.infer,
        rehearsal=tree.rehearsal,
    )
    if round_.name == "v0.5":
        done = export_ck(points, wanted, root, overwrite=tree.overwrite)
        rows = [_told(place, each.record) for place, found in done for each in found.performance]
    else:
        results, notes = export_runs(parts, wanted, root, overwrite=tree.overwrite)
        for text in notes:
            warn(text)
        rows = [_row(each) for each in results]
    _show(rows, root, output.format)


def _answers(file: Path | None, submitter: str | None) -> dict[str, str | None]:
    """What the system file says, with the submitter that was named.

    Raises:
        UsageError: No file is named.
        DataError: It cannot be read.
    """
    from mlscope.submissions import read_system

    if file is None:
        hint = "mlscope submission system init system.json writes one"
        raise UsageError("a submission describes its system: --system-file FILE", hint=hint)
    return read_system(file) | ({"submitter": submitter} if submitter is not None else {})


def _show(rows: list[dict[str, object]], root: Path, style: str) -> None:
    from mlscope.analyses import to_json, to_text

    table = _table(rows)
    if style == "json":
        emit(json.dumps({"root": str(root), "results": json.loads(to_json(table))}, indent=2, ensure_ascii=False))
    else:
        emit(f"{to_text(table, True, None, False)}\nwritten to {root}; `mlscope submission check` checks it")


def _table(rows: list[dict[str, object]]) -> Table:
    from mlscope.analyses import Column, Table

    columns = (
        Column("system", "system"),
        Column("benchmark", "benchmark"),
        Column("scenario", "scenario"),
        Column("result", "result"),
        Column("unit", "unit"),
        Column("metric", "metric"),
        Column("accuracy_percent", "accuracy", "%"),
        Column("tests", "tests"),
        Column("inferred_from", "inferred from"),
        Column("run", "performance run"),
    )
    return Table("submission", columns, rows)


def _row(each: Exported) -> dict[str, object]:
    from mlscope.submissions import readable

    accuracy = each.measured.accuracy.record.accuracy
    value, unit = readable(each.result.value, each.result.unit) if each.result else (None, None)
    return {
        "system": each.place.system,
        "benchmark": each.place.benchmark,
        "scenario": each.place.scenario,
        "result": value,
        "unit": unit,
        "metric": each.result.name if each.result else None,
        "accuracy_percent": None if accuracy is None else round(100 * accuracy.top1, 3),
        "tests": ", ".join(each.measured.tests()) or None,
        "inferred_from": each.inferred_from,
        "run": each.measured.performance.record.id[:12],
    }


def _told(place: Place, record: Record) -> dict[str, object]:
    """The row of a result that was imported."""
    from mlscope.submissions import readable

    found, accuracy = record.loadgen, record.accuracy
    value, unit = readable(found.metric_value, found.metric_unit) if found else (None, None)
    return {
        "system": place.system,
        "benchmark": place.benchmark,
        "scenario": place.scenario,
        "result": value,
        "unit": unit,
        "metric": found.metric if found else None,
        "accuracy_percent": round(100 * accuracy.top1, 3) if accuracy else None,
        "tests": None,
        "inferred_from": record.submission.inferred_from if record.submission else None,
        "run": record.id[:12],
    }
