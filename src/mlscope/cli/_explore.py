"""``mlscope explore``: one command over many values of its flags."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mlscope.cli import _values
from mlscope.cli._axes import Combination, combinations, read_axes
from mlscope.cli._declare import FlagGroup, flag, group
from mlscope.cli._explore_file import read_file
from mlscope.cli._flags import Globals, OutputFlags
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._pages import EXPLORED
from mlscope.cli._reports import show_tables
from mlscope.cli._terminal import emit, note
from mlscope.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from mlscope.analyses import SweepPoint
    from mlscope.conductor import Point, PointRun

__all__ = ["Plan", "explore", "summed_up"]


@group("Sweep", 5)
@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepFlags(FlagGroup):
    """How a sweep goes."""

    file: Annotated[
        Path | None,
        flag("YAML file with the axes (flag: value, list or range); flags go before it.", "--file", metavar="FILE"),
    ] = None
    ties: Annotated[
        tuple[str, ...],
        flag("Axes that move together instead of multiplying; may be repeated.", "--tie", metavar="A,B"),
    ] = ()
    experiment: Annotated[
        str | None,
        flag(
            "Name of the experiment that all points are recorded under. Default: made from the axes, so that the same "
            "command goes on where it stopped.",
            metavar="NAME",
        ),
    ] = None
    repetitions: Annotated[int, flag("Runs of each point, in turns (A B C A B C).", metavar="N")] = 1
    again: Annotated[bool, flag("Measure anew what the experiment holds already.")] = False
    time_budget_s: Annotated[
        float | None,
        flag(
            "Begin no run that would end later: 10m, 2h.",
            "--time-budget",
            metavar="TIME",
            converter=_values.seconds,
        ),
    ] = None
    maximize: Annotated[
        str | None,
        flag(
            "Find the largest value of this flag (samples-per-query, target-qps, …) that is VALID; its own range "
            "or list says between what.",
            metavar="FLAG",
        ),
    ] = None
    latency_bound_s: Annotated[
        float | None,
        flag(
            "With --maximize: the scenario's percentile of latency must keep this too.",
            "--latency-bound",
            metavar="TIME",
            converter=_values.seconds,
        ),
    ] = None
    tune: Annotated[
        bool,
        flag(
            "Find the fastest combination for Offline or SingleStream, of the axes that are given, or of threads, "
            "streams and batch sizes."
        ),
    ] = False
    dry_run: Annotated[bool, flag("Only show the command line of every point.")] = False
    plot: Annotated[
        Path | None, flag("Also draw the points: .png, .svg or .html.", "--plot", "--plot-path", metavar="FILE")
    ] = None


_SWEEP = SweepFlags()
_OUTPUT = OutputFlags()
_GLOBALS = Globals()


def explore(
    *words: Annotated[
        str,
        Parameter(
            name="COMMAND",
            help="What is run at every point (predict dataset, predict urls, predict workload, benchmark; default: "
            "benchmark) with any of its flags; a flag's value may be a list (1,2,4) or a range (from:to, from:to:step, "
            "from:to:x2).",
            allow_leading_hyphen=True,
            show_default=False,
        ),
    ],
    sweep: SweepFlags = _SWEEP,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> int:
    """Run a command over many values of its flags.

    Every flag of the command may hold several values. They multiply; --tie moves axes together. All points are
    recorded under one experiment. Interrupted or killed, the same command line goes on where it stopped. The model
    stays loaded while only the load changes.
    """
    _check(sweep)
    plan = _plan(words, sweep, flags)
    if sweep.dry_run:
        emit("\n".join(shlex.join(("mlscope", *line)) for line, _ in _points(plan)))
        return 0
    if sweep.maximize is not None or sweep.tune:
        return _search(plan, output)
    points = [point for _, point in _points(plan)]
    return _show(points, _sweep(points, sweep, flags), sweep, output)


def _check(sweep: SweepFlags) -> None:
    if sweep.repetitions < 1:
        raise UsageError(f'"{sweep.repetitions}" cannot be used: it must be 1 or more', where="--repetitions")
    if sweep.maximize is not None and sweep.tune:
        raise UsageError("--maximize and --tune look for different things", hint="give one of them")
    if sweep.latency_bound_s is not None and sweep.maximize is None:
        raise UsageError("--latency-bound is about --maximize")


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """A sweep as it was asked for."""

    sweep: SweepFlags
    flags: Globals
    command: tuple[str, ...]
    arguments: list[str]
    ties: list[list[str]]
    experiment: str

    def combinations(self, arguments: Sequence[str]) -> list[Combination]:
        """The points of arguments whose values are lists and ranges."""
        axes, fixed = read_axes(arguments)
        if self.flags.config is not None:
            fixed.append(f"--config={self.flags.config}")
        fixed += [f"--{name}" for name in ("local", "verbose", "debug") if getattr(self.flags, name)]
        return combinations(axes, fixed, self.ties)

    def point(self, arguments: Sequence[str], values: Mapping[str, str]) -> Point:
        """The evaluation of one command line, read by the parser that reads it otherwise.

        Raises:
            UsageError: It is wrong, or asks for several.
        """
        from mlscope.cli._app import measurement

        points = measurement((*self.command, *arguments), secret=self.flags.secret).points
        if len(points) != 1:
            raise UsageError("a point of a sweep is one evaluation", hint="name models one by one")
        request = points[0].request.model_copy(update={"experiment": self.experiment, "repetitions": 1})
        return dataclasses.replace(
            points[0], request=request, values=dict(values) or {"command": " ".join(self.command)}
        )


def _plan(words: Sequence[str], sweep: SweepFlags, flags: Globals) -> Plan:
    command, arguments, ties = _arguments(words, sweep)
    return Plan(
        sweep, flags, command, arguments, ties, sweep.experiment or _experiment(command, sorted(arguments), ties)
    )


def _points(plan: Plan) -> list[tuple[Sequence[str], Point]]:
    """Every point with its command line."""
    return [
        ((*plan.command, *each.arguments), plan.point(each.arguments, each.values))
        for each in plan.combinations(plan.arguments)
    ]


def _search(plan: Plan, output: OutputFlags) -> int:
    from mlscope.cli import _searches

    with TerminalObserver(plan.flags.verbose) as observer:
        found = _searches.search(plan, observer)
    return _searches.show(found, plan, output)


def _arguments(words: Sequence[str], sweep: SweepFlags) -> tuple[tuple[str, ...], list[str], list[list[str]]]:
    """The command's words, its flags and the ties, from file and command line."""
    command, arguments, ties = read_file(sweep.file) if sweep.file else ((), [], [])
    rest = list(words)
    for known in EXPLORED:
        if tuple(rest[: len(known)]) == known:
            command, rest = known, rest[len(known) :]
            break
    given = {word.partition("=")[0] for word in rest if word.startswith("--")}
    arguments = [each for each in arguments if each.partition("=")[0] not in given]
    ties += [[name.strip().replace("_", "-") for name in text.split(",")] for text in sweep.ties]
    return command or ("benchmark",), [*arguments, *rest], ties


def _experiment(command: Sequence[str], arguments: Sequence[str], ties: Sequence[Sequence[str]]) -> str:
    from mlscope._schema import canonical_digest

    return f"explore-{canonical_digest([list(command), list(arguments), [list(tie) for tie in ties]])[:12]}"


def _sweep(points: Sequence[Point], sweep: SweepFlags, flags: Globals) -> list[PointRun]:
    from mlscope import conductor

    runs: list[PointRun] = []
    with TerminalObserver(flags.verbose) as observer:
        for run in conductor.sweep(
            points,
            observer,
            repetitions=sweep.repetitions,
            skip_existing=not sweep.again,
            budget_s=sweep.time_budget_s,
        ):
            runs.append(run)
            if run.error is not None:
                note(f"error: {run.point.label}: {run.error}")
    return runs


def _show(points: Sequence[Point], runs: Sequence[PointRun], sweep: SweepFlags, output: OutputFlags) -> int:
    from mlscope import analyses

    table = analyses.sweep_table([summed_up(point, runs) for point in points])
    show_tables([table], output)
    there = sum(run.state == "there" for run in runs)
    if there:
        note(f"{there} of {len(runs)} runs were there already; --again measures them anew")
    note(f"experiment {points[0].request.experiment}: mlscope runs list --experiment {points[0].request.experiment}")
    if sweep.plot is not None:
        analyses.plot_sweep(table, sweep.plot, f"{points[0].request.command}: {points[0].request.experiment}")
        note(f"plot written to {sweep.plot}")
    if any(run.ends for run in runs):
        return Interrupted.exit_code
    return next((run.error.exit_code for run in runs if run.error is not None), 0)


def summed_up(point: Point, runs: Sequence[PointRun]) -> SweepPoint:
    """A point with all of its runs."""
    from mlscope.analyses import SweepPoint

    mine = [run for run in runs if run.point is point]
    records = [run.record for run in mine if run.record is not None and run.error is None]
    error = next((run.error for run in mine if run.error is not None), None)
    if error is not None:
        return SweepPoint(point.values, records, "failed", str(error))
    if any(run.state == "left" for run in mine) or not mine:
        return SweepPoint(point.values, records, "not run", "time was up" if mine else "not reached")
    return SweepPoint(point.values, records, "done")
