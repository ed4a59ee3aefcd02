"""What all reports of ``mlscope info evaluation`` do: find evaluations, analyse them, show tables and draw plots."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from mlscope.cli._databases import opened
from mlscope.cli._declare import FlagGroup, flag, group
from mlscope.cli._flags import DatabaseFlags, FilterFlags, Globals, OutputFlags
from mlscope.cli._terminal import emit, note, uses_color
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from mlscope.analyses import Kind, Table
    from mlscope.results import Evaluation, Record, Store

__all__ = ["PlotFlags", "RunsFlags", "counted", "report", "show_tables", "show_text", "why_empty"]


@group("Plot", 70)
@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotFlags(FlagGroup):
    """What is drawn of a report."""

    bar_plot: Annotated[bool, flag("Draw bars, where the report has such a plot.")] = False
    box_plot: Annotated[bool, flag("Draw boxes: smallest, quartiles, largest.")] = False
    pie_plot: Annotated[bool, flag("Draw pies.")] = False
    plot_path: Annotated[
        Path | None,
        flag(
            "Where to: .png, .svg or .html, a page of its own with the table. Without a kind of plot: the report's "
            "usual one. Default: the report's name with .html, in this folder.",
            metavar="FILE",
        ),
    ] = None

    @property
    def kinds(self) -> list[Kind]:
        """Kinds that were asked for."""
        asked: dict[Kind, bool] = {"bar": self.bar_plot, "box": self.box_plot, "pie": self.pie_plot}
        return [kind for kind, wanted in asked.items() if wanted]


@group("Runs", 20)
@dataclasses.dataclass(frozen=True, kw_only=True)
class RunsFlags(FlagGroup):
    """How runs of one plan are shown."""

    list_runs: Annotated[
        bool, flag("A row for each run. Default: one row for all runs of a plan, with their trimmed mean.")
    ] = False


_PLOT = PlotFlags()


def report(
    name: str,
    where: FilterFlags,
    database: DatabaseFlags,
    output: OutputFlags,
    flags: Globals,
    *,
    plots: PlotFlags = _PLOT,
    **view: Any,
) -> None:
    """Show an analysis of the evaluations that the filters leave, and draw it where that is asked for.

    Args:
        name: Of the analysis, or ``all``.
        where: Which evaluations.
        database: Of which store.
        output: How and where the table is written.
        flags: Of every command.
        plots: What is drawn.
        **view: Fields of :class:`mlscope.analyses.View`.

    Raises:
        MlscopeError: The store cannot be read, or flags make no sense together.
    """
    from mlscope.analyses import View, run
    from mlscope.results import Evaluation, Filter

    store = opened(database, flags)
    given = where.values()
    target = view.pop("target", None)
    if target is not None:
        given["ids"] = (store.get(target).id,)
    records = store.find(Filter(**given), limit=where.limit)
    evaluations = [Evaluation.of_record(store, record) for record in records]
    wanted = View(**_with_source(store, view), ceilings_of=_ceilings(measure=name == "roofline"))
    tables = run(name, evaluations, wanted)
    drawn = _draw(name, tables[0], plots)
    filled = [table for table in tables if table.rows]
    show_tables((filled or tables[:1]) if output.format == "table" else tables, output)
    sys.stdout.flush()
    for text in drawn:
        note(text)
    if not records:
        note(why_empty(store, given, where.limit))
        return
    for text in _remarks(name, tables, evaluations, str(view.get("by", ""))):
        note(text)


def counted(top: int | None) -> int | None:
    """A flag that says how many.

    Raises:
        UsageError: It is less than one; -1, as MLModelScope had it, means all.
    """
    if top == -1:
        return None
    if top is not None and top < 1:
        raise UsageError(f"there are no {top} longest ones", hint="give 1 or more, or -1 for all")
    return top


def _with_source(store: Store, view: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation that `source` names."""
    from mlscope.results import Evaluation

    source = view.get("source")
    return {**view, "source": None if source is None else Evaluation.from_store(store, source)}


def _ceilings(*, measure: bool) -> Any:
    """Gives the ceilings of a record's machine: those that are known; this machine's are measured if need be."""

    def find(record: Record) -> Mapping[str, Any] | None:
        from mlscope.stacks import describe_machine, known_ceilings, machine_ceilings

        machine = {"hostname": record.system.hostname, "cpu_name": record.system.cpu_name}
        known = known_ceilings(machine)
        if known is not None or not measure:
            return known
        here = describe_machine()
        if any(here.get(name) != value for name, value in machine.items()):
            return None
        note("measuring what this machine can do at most (once, some seconds)")
        return machine_ceilings(machine)

    return find


def _draw(name: str, table: Table, plots: PlotFlags) -> list[str]:
    """Draw what is asked for; what a user must know of it."""
    from mlscope.analyses import plot

    if not plots.kinds and plots.plot_path is None:
        return []
    if not table.rows:
        return ["nothing is drawn: there are no rows"]
    path = plots.plot_path or Path(f"{name}.html")
    return [*plot(name, table, plots.kinds, path), f"plot written to {path}"]


def _remarks(name: str, tables: Sequence[Table], evaluations: Sequence[Evaluation], by: str) -> list[str]:
    """What a report leaves out, and why."""
    from mlscope.analyses import ANALYSES, LAYER_LEVEL, NO_KERNELS, undisturbed

    count = len(evaluations)
    if name == "all":
        silent = [table.name for table in tables if not table.rows]
        return [f"nothing is known for {', '.join(silent)}"] if silent else []
    (table,) = tables
    if not table.rows:
        return [NO_KERNELS if table.empty == NO_KERNELS else ANALYSES[name].silence.format(count=count)]
    remarks = []
    left = count - len(undisturbed(evaluations))
    if left and (name in {"latency", "model", "throughput"} or (name, by) == ("roofline", "model")):
        remarks.append(
            f"{left} of {count} evaluations are left out: {LAYER_LEVEL} and deeper levels take time themselves"
        )
    return remarks + [text for text, holds in _REMARKS.get(name, ()) if holds(table.rows)]


def _no(column: str) -> Callable[[Sequence[Mapping[str, Any]]], bool]:
    """Whether no row says anything in a column."""
    return lambda rows: all(row.get(column) is None for row in rows)


_DEEPER = (
    "some of these evaluations were traced deeper than to their layers, which takes more time itself",
    lambda rows: any(row["trace_level"] != "FRAMEWORK_TRACE" for row in rows),
)
_REMARKS: dict[str, tuple[tuple[str, Callable[[Sequence[Mapping[str, Any]]], bool]], ...]] = {
    "layers": (_DEEPER,),
    "layer_tree": (_DEEPER,),
    "layer_aggregate": (_DEEPER,),
    "levels": (
        (
            "none of them was measured at several levels; --trace-level MODEL_TRACE,FRAMEWORK_TRACE does it",
            _no("tracing_overhead"),
        ),
    ),
    "throughput": (("one batch size alone has no best one; measure several", _no("optimal")),),
    "roofline": (
        ("operations are not known: they are counted where a model in ONNX is traced to its layers", _no("flops")),
        (
            "the ceilings of this machine are not known: `mlscope info system --ceilings` measures them there",
            _no("peak_gflops_per_s"),
        ),
    ),
}
"""What else to say of a report, and when."""


def show_tables(tables: Sequence[Table], output: OutputFlags) -> None:
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
