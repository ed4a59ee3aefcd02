"""``mlscope compare``."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mlscope.cli import _limits, _values
from mlscope.cli._databases import opened
from mlscope.cli._declare import FlagGroup, flag, group
from mlscope.cli._flags import DatabaseFlags, DataFlags, ExecutionFlags, Globals, ModelFlags
from mlscope.cli._limits import LimitFlags
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._request import make_request
from mlscope.cli._terminal import clean, emit, note, uses_color, width
from mlscope.cli._turn_flags import TurnFlags
from mlscope.errors import FAILED_CONDITION, UsageError

if TYPE_CHECKING:
    from mlscope.analyses import Comparison, LayerComparison, Limits, Side
    from mlscope.plan import Request

__all__ = ["ComparisonFlags", "compare", "comparison_text"]


@group("Output", 60)
@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonFlags(FlagGroup):
    """What is compared, and how it is shown."""

    layers: Annotated[
        bool,
        flag(
            "Compare layer by layer, of runs with --trace-level FRAMEWORK_TRACE, matched by the model's nodes that the "
            "layers stand for."
        ),
    ] = False
    format: Annotated[
        Literal["table", "json", "csv"],
        flag("Text for people, one JSON document, or CSV.", "--format", "-f", converter=_values.choice),
    ] = "table"


_LIMITS = LimitFlags()
_TURNS = TurnFlags()
_MODEL = ModelFlags()
_DATA = DataFlags()
_EXECUTION = ExecutionFlags()
_DATABASE = DatabaseFlags()
_FORMAT = ComparisonFlags()
_GLOBALS = Globals()

_FIELDS = (
    "framework",
    "python",
    "stack",
    "model_name",
    "model_version",
    "dataset_name",
    "dataset_path",
    "batch_size",
    "threads",
    "gpu",
    "gpu_device_id",
    "random_weights",
    "seed",
)
"""Fields of a request that --a and --b may set, besides option.KEY and env.KEY."""


def compare(
    first: Annotated[
        str | None, Parameter(name="A", help="A run's id, or its first digits, or an experiment's name.")
    ] = None,
    second: Annotated[str | None, Parameter(name="B", help="The same for the side that is judged.")] = None,
    /,
    *,
    turns: TurnFlags = _TURNS,
    fail_if: Annotated[
        tuple[str, ...],
        Parameter(
            name="--fail-if",
            help="End with exit code 20 where B is slower, less-accurate or different, or where it is undecided; an "
            "amount may follow: slower:3%. May be repeated.",
            metavar="CONDITION",
        ),
    ] = (),
    limits: LimitFlags = _LIMITS,
    model: ModelFlags = _MODEL,
    data: DataFlags = _DATA,
    execution: ExecutionFlags = _EXECUTION,
    database: DatabaseFlags = _DATABASE,
    output: ComparisonFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> int:
    """Compare two runs, experiments or plans.

    Each figure of B as against A gets a ratio with its interval and a verdict: faster, slower, no difference beyond
    the margin, or not enough data, and how much more. Accuracy is compared on the same samples, and answers by
    their divergence.
    """
    conditions = _limits.parse_conditions(fail_if)
    wanted = limits.limits()
    turns.check(first, second)
    if output.layers:
        if turns.side_by_side or conditions:
            what = "--fail-if is about figures" if conditions else "layers are not traced in short blocks"
            raise UsageError(
                what, where="--layers", hint="name two runs that were traced with --trace-level FRAMEWORK_TRACE"
            )
        _show_layers(_sides(str(first), str(second), turns, database, flags), output.format)
        return 0
    if turns.side_by_side:
        plans = [_request(texts, name, (model, data, execution), flags) for name, texts in turns.plans()]
        found = _side_by_side((first, second), plans, turns, wanted, flags)
    else:
        found = _compared(_sides(str(first), str(second), turns, database, flags), wanted)
    failed = _limits.failures(found, conditions)
    _show(found, failed, output.format)
    sys.stdout.flush()
    for text in failed:
        note(f"--fail-if: {text}")
    return FAILED_CONDITION if failed else 0


def _show(found: Comparison, failed: Sequence[str], form: str) -> None:
    from mlscope import analyses

    if form == "json":
        emit(json.dumps({**analyses.compare_json(found), "failed_conditions": failed}, indent=2, ensure_ascii=False))
    elif form == "csv":
        emit(analyses.to_csv(analyses.compare_figures(found)))
    else:
        emit(comparison_text(found))


def _show_layers(sides: tuple[Side, Side], form: str) -> None:
    from mlscope import analyses

    found = analyses.compare_layers(*sides)
    if form == "json":
        emit(json.dumps(analyses.layer_comparison_json(found), indent=2, ensure_ascii=False))
    elif form == "csv":
        emit(analyses.to_csv(analyses.layer_comparison_table(found)))
    else:
        emit(_layers_text(found))


def _layers_text(found: LayerComparison) -> str:
    from mlscope import analyses

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    table = analyses.to_text(analyses.layer_comparison_table(found), True, columns, uses_color(sys.stdout))
    sides = [clean(analyses.side_line(name, side)) for name, side in (("A", found.first), ("B", found.second))]
    return "\n".join([*sides, "", table, *map(clean, analyses.layer_comparison_lines(found))])


def comparison_text(found: Comparison) -> str:
    """Both sides, a table, and what stands below it."""
    from mlscope import analyses

    table = analyses.to_text(analyses.compare_table(found), True, width(sys.stdout), uses_color(sys.stdout))
    sides = [clean(analyses.side_line(name, side)) for name, side in (("A", found.first), ("B", found.second))]
    return "\n".join([*sides, "", table, *map(clean, analyses.compare_lines(found))])


def _sides(first: str, second: str, turns: TurnFlags, database: DatabaseFlags, flags: Globals) -> tuple[Side, Side]:
    """Two recorded sides, or fresh runs of both in turns."""
    from mlscope import conductor

    if turns.interleave is None:
        store = opened(database, flags)
        return conductor.find_side(store, first), conductor.find_side(store, second)
    with TerminalObserver(flags.verbose) as observer:
        return conductor.repeat_in_turns(first, second, turns.interleave, observer, offline=flags.local)


def _compared(sides: tuple[Side, Side], limits: Limits) -> Comparison:
    from mlscope import analyses

    return analyses.compare(*sides, limits)


def _side_by_side(
    names: tuple[str | None, str | None],
    plans: Sequence[Request],
    turns: TurnFlags,
    limits: Limits,
    flags: Globals,
) -> Comparison:
    from mlscope import analyses, conductor

    with TerminalObserver(flags.verbose) as observer:
        sides, measured = conductor.compare_in_turns(
            plans or [str(name) for name in names],
            conductor.TurnPlan(turns.pairs or 20, turns.block, turns.max_time, limits.margin),
            observer,
            labels=[" ".join(texts) for _, texts in turns.plans()],
            offline=flags.local,
        )
    if measured.repeated:
        note(f"{measured.repeated} pairs were disturbed by other processes and measured again")
    return analyses.compare(*sides, limits, looks=measured.looks, disturbed=measured.disturbed)


def _request(texts: Sequence[str], flag: str, groups: Sequence[FlagGroup], flags: Globals) -> Request:
    """The request of one side.

    Raises:
        UsageError: A key that is not known, or a value out of its range.
    """
    fields: dict[str, Any] = {}
    base = make_request("compare", groups, flags)
    options, env = dict(base.options), dict(base.env)
    for key, value in _values.options(flag, texts).items():
        kind, _, name = key.partition(".")
        field = key.replace("-", "_")
        if kind == "option" and name:
            options[name] = value
        elif kind == "env" and name:
            env[name] = str(value)
        elif field in _FIELDS:
            fields[field] = str(value) if field in ("python", "model_version") else value
        else:
            known = [each.replace("_", "-") for each in _FIELDS]
            raise UsageError(
                f'there is no "{key}"', where=flag, hint=f"{_values.did_you_mean(key, known)}; or option.KEY, env.KEY"
            )
    return make_request("compare", groups, flags, **{**fields, "options": options, "env": env})
