"""``mlscope submission run``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from mlscope.cli import _values
from mlscope.cli._declare import FlagGroup, flag, group
from mlscope.cli._flags import DataFlags, ExecutionFlags, FormatFlags, Globals, ModelFlags, RecordFlags
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._quiet_flags import QuietFlags
from mlscope.cli._request import make_request
from mlscope.cli._serving_flags import ServingFlags
from mlscope.cli._stack_flags import StackFlags
from mlscope.cli._submission_flags import SubmissionFlags
from mlscope.cli._terminal import emit, note
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from mlscope.analyses import Table
    from mlscope.conductor import Estimate, Goal, StepRun
    from mlscope.plan import Request

__all__ = ["run"]


@group("Steps", 6)
@dataclasses.dataclass(frozen=True, kw_only=True)
class StepFlags(FlagGroup):
    """What is measured."""

    scenarios: Annotated[
        tuple[str, ...],
        flag(
            "SingleStream, MultiStream, Offline; several, separated by commas. Default: SingleStream (open), all three "
            "(closed).",
            "--scenario",
            metavar="NAME",
        ),
    ] = ()
    steps: Annotated[
        tuple[str, ...],
        flag(
            "Only these steps, separated by commas: accuracy, performance, TEST01, TEST04. Default: what the division "
            "asks for.",
            "--steps",
            metavar="NAME,NAME",
        ),
    ] = ()
    dataset_size: Annotated[
        int | None, flag("Only the first N samples (open division, rehearsals). Default: all.", metavar="N")
    ] = None
    rehearsal: Annotated[
        bool, flag("Short runs that try everything out. They are marked, and are never exported as real.")
    ] = False
    estimate: Annotated[bool, flag("Only probe, and tell how long it would take.")] = False
    experiment: Annotated[
        str | None,
        flag("Name under which the runs are recorded. Default: made from round and division.", metavar="NAME"),
    ] = None


_SUBMISSION = SubmissionFlags()
_STEPS = StepFlags()
_MODEL = ModelFlags()
_STACK = StackFlags()
_DATA = DataFlags()
_EXECUTION = ExecutionFlags()
_SERVING = ServingFlags()
_QUIET = QuietFlags()
_FORMAT = FormatFlags()
_GLOBALS = Globals()

_SCENARIOS = ("SingleStream", "MultiStream", "Offline")
_NOT_PASSED = 9
"""Exit code where runs are invalid or tests failed: what was measured cannot be submitted (StoreError's)."""


def run(
    *,
    submission: SubmissionFlags = _SUBMISSION,
    asked: StepFlags = _STEPS,
    model: ModelFlags = _MODEL,
    stack: StackFlags = _STACK,
    data: DataFlags = _DATA,
    execution: ExecutionFlags = _EXECUTION,
    serving: ServingFlags = _SERVING,
    machine: QuietFlags = _QUIET,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> int:
    """Measure everything that a division asks of one model.

    Of each scenario: accuracy, performance for ten minutes, and in the closed division TEST01 and TEST04 with their
    verification. A probe of some seconds comes first, for LoadGen's hints and an estimate of the time. LoadGen's seeds
    must be the round's; where this interpreter's LoadGen is of another round, the right one comes in an environment of
    its own. Interrupted, the same command goes on where it ended.
    """
    from mlscope.conductor import SubmissionRun

    goal = _goal(submission, asked.scenarios, asked.steps, asked.rehearsal)
    groups = (model, stack, data, execution, serving, machine)
    record = RecordFlags(experiment=asked.experiment)
    request = make_request("benchmark", (*groups, record), flags, load=None)
    request = _one(request, model, stack, asked.dataset_size, goal)
    with TerminalObserver(flags.verbose) as observer, SubmissionRun(request, goal, observer) as driver:
        estimates = driver.estimates()
        if output.format != "json":
            emit(_estimate_text(estimates))
        if asked.estimate:
            if output.format == "json":
                emit(json.dumps({"estimates": _estimate_rows(estimates)}, indent=2))
            return 0
        runs = []
        for each in driver.run():
            runs.append(each)
            if each.state != "there":
                note(f"{each.step}: {_state(each)}")
    if output.format == "json":
        emit(json.dumps({"estimates": _estimate_rows(estimates), "steps": _rows(runs)}, indent=2, ensure_ascii=False))
    else:
        emit(_text(runs))
    return _code(runs)


def _goal(submission: SubmissionFlags, scenarios: Sequence[str], steps: Sequence[str], rehearsal: bool) -> Goal:
    """What is to be measured.

    Raises:
        UsageError: There is no such round, benchmark, scenario or step.
    """
    from mlscope.conductor import Goal

    round_ = submission.found_round()
    closed = submission.division == "closed"
    name = submission.benchmark or ("resnet50" if closed else "")
    official = round_.benchmark_of(name) if name else None
    if closed and official not in round_.benchmarks:
        raise UsageError(f"{round_.name} has no closed benchmark {name} for image classification", where="--benchmark")
    benchmark = round_.benchmarks.get(official or "resnet")
    tests = benchmark.compliance_tests if closed and benchmark else ()
    order = ("accuracy", "performance", *tests)
    asked = _chosen("--steps", _values.comma_list(steps), order) or order
    wanted = _chosen("--scenario", _values.comma_list(scenarios), _SCENARIOS)
    chosen = wanted or (_SCENARIOS if closed else _SCENARIOS[:1])
    return Goal(
        round=round_,
        division=submission.division,
        benchmark=benchmark,
        scenarios=chosen,  # type: ignore[arg-type]  # they were looked up in _SCENARIOS
        steps=asked,
        rehearsal=rehearsal,
    )


def _chosen(where: str, asked: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Those of the known names that are asked for, in their own order and spelling."""
    folded = {name.lower(): name for name in known}
    for name in asked:
        if name.lower() not in folded:
            raise UsageError(f'"{name}" is none of {", ".join(known)}', where=where)
    return tuple(name for name in known if name.lower() in {each.lower() for each in asked})


def _one(request: Request, model: ModelFlags, stack: StackFlags, dataset_size: int | None, goal: Goal) -> Request:
    """The request of the one model that is measured."""
    from mlscope.plan import LoadRequest

    axes = [*model.axes(), *stack.axes()]
    if len(model.axes()) > 1 or len(stack.axes()) > 1:
        raise UsageError("a submission is measured for one model on one framework", hint="give one of each")
    if dataset_size is not None and goal.division == "closed" and not goal.rehearsal:
        raise UsageError("the closed division wants the whole data set", where="--dataset-size", hint="leave it out")
    fields = {name: value for each in axes for name, value in each.items() if value is not None}
    return request.model_copy(update={**fields, "load": LoadRequest(dataset_size=dataset_size)})


def _estimate_rows(estimates: Sequence[Estimate]) -> list[dict[str, object]]:
    return [
        {
            "scenario": each.step.scenario,
            "step": each.step.role,
            "seconds": round(each.seconds, 1),
            "target": each.target.line,
        }
        for each in estimates
    ]


def _estimate_text(estimates: Sequence[Estimate]) -> str:
    from mlscope.analyses import Column, Table, to_text

    columns = (
        Column("scenario", "scenario"),
        Column("step", "step"),
        Column("seconds", "estimate", "s"),
        Column("target", "user.conf"),
    )
    total = sum(each.seconds for each in estimates)
    table = to_text(Table("estimate", columns, _estimate_rows(estimates)), True, None, False)
    return f"{table}\nabout {_duration(total)} in all, without loading and what is there already\n"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _state(each: StepRun) -> str:
    if each.error is not None:
        return f"failed: {each.error}"
    return f"does not pass: {'; '.join(each.faults)}" if each.faults else each.state


def _rows(runs: Sequence[StepRun]) -> list[dict[str, object]]:
    from mlscope.submissions import readable

    rows: list[dict[str, object]] = []
    for each in runs:
        result = each.record.loadgen if each.record else None
        accuracy = each.record.accuracy if each.record else None
        value, unit = readable(result.metric_value, result.metric_unit) if result else (None, None)
        rows.append(
            {
                "scenario": each.step.scenario,
                "step": each.step.role,
                "state": _state(each),
                "run": each.record.id if each.record else None,
                "result": value,
                "unit": unit,
                "validity": result.validity if result else None,
                "accuracy_percent": round(100 * accuracy.top1, 3) if accuracy else None,
            }
        )
    return rows


def _text(runs: Sequence[StepRun]) -> str:
    from mlscope.analyses import to_text

    table = to_text(_table(runs), True, None, False)
    if _code(runs) == 0:
        return f"{table}\n`mlscope submission export` writes the tree"
    return table


def _table(runs: Sequence[StepRun]) -> Table:
    from mlscope.analyses import Column, Table

    columns = (
        Column("scenario", "scenario"),
        Column("step", "step"),
        Column("state", "state"),
        Column("result", "result"),
        Column("unit", "unit"),
        Column("validity", "validity"),
        Column("accuracy_percent", "accuracy", "%"),
        Column("run", "run"),
    )
    rows = [{**row, "run": str(row["run"] or "")[:12] or None} for row in _rows(runs)]
    return Table("submission", columns, rows)


def _code(runs: Sequence[StepRun]) -> int:
    for each in runs:
        if each.error is not None:
            return each.error.exit_code
    return _NOT_PASSED if any(each.faults for each in runs) else 0
