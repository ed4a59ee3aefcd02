"""``mlscope compare``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mlscope.cli import _limits, _values
from mlscope.cli._databases import opened
from mlscope.cli._declare import FlagGroup
from mlscope.cli._flags import DatabaseFlags, DataFlags, ExecutionFlags, FormatFlags, Globals, ModelFlags
from mlscope.cli._limits import LimitFlags
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._request import make_request
from mlscope.cli._terminal import clean, emit, note, uses_color, width
from mlscope.cli._turn_flags import TurnFlags
from mlscope.errors import FAILED_CONDITION, UsageError

if TYPE_CHECKING:
    from mlscope.analyses import Comparison, Limits
    from mlscope.plan import Request
    from mlscope.results import Store

__all__ = ["compare", "comparison_text"]

_LIMITS = LimitFlags()
_TURNS = TurnFlags()
_MODEL = ModelFlags()
_DATA = DataFlags()
_EXECUTION = ExecutionFlags()
_DATABASE = DatabaseFlags()
_FORMAT = FormatFlags()
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
    output: FormatFlags = _FORMAT,
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
    if turns.side_by_side:
        plans = [_request(texts, name, (model, data, execution), flags) for name, texts in turns.plans()]
        found = _side_by_side((first, second), plans, turns, wanted, flags)
    else:
        assert first is not None
        assert second is not None
        if turns.interleave is None:
            found = _compared(opened(database, flags), first, second, wanted)
        else:
            found = _repeated(first, second, turns.interleave, wanted, flags)
    failed = _limits.failures(found, conditions)
    if output.format == "json":
        from mlscope.analyses import compare_json

        emit(json.dumps({**compare_json(found), "failed_conditions": failed}, indent=2, ensure_ascii=False))
    else:
        emit(comparison_text(found))
    sys.stdout.flush()
    for text in failed:
        note(f"--fail-if: {text}")
    return FAILED_CONDITION if failed else 0


def comparison_text(found: Comparison) -> str:
    """Both sides, a table, and what stands below it."""
    from mlscope import analyses

    table = analyses.to_text(analyses.compare_table(found), True, width(sys.stdout), uses_color(sys.stdout))
    sides = [clean(analyses.side_line(name, side)) for name, side in (("A", found.first), ("B", found.second))]
    return "\n".join([*sides, "", table, *map(clean, analyses.compare_lines(found))])


def _compared(store: Store, first: str, second: str, limits: Limits) -> Comparison:
    from mlscope import analyses, conductor

    return analyses.compare(conductor.find_side(store, first), conductor.find_side(store, second), limits)


def _repeated(first: str, second: str, times: int, limits: Limits, flags: Globals) -> Comparison:
    from mlscope import analyses, conductor

    with TerminalObserver(flags.verbose) as observer:
        sides = conductor.repeat_in_turns(first, second, times, observer, offline=flags.local)
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
