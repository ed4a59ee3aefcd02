"""``mlscope explore``: one command over many values of its flags."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mlscope.cli import _values
from mlscope.cli._axes import combinations, read_axes
from mlscope.cli._declare import FlagGroup, flag, group
from mlscope.cli._evaluations import show_tables
from mlscope.cli._explore_file import read_file
from mlscope.cli._flags import Globals, OutputFlags
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._pages import EXPLORED
from mlscope.cli._terminal import emit, note
from mlscope.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from mlscope.analyses import SweepPoint
    from mlscope.conductor import Point, PointRun

__all__ = ["explore"]


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
    points = _points(words, sweep, flags)
    if sweep.dry_run:
        emit("\n".join(_command_line(arguments) for arguments, _ in points))
        return 0
    if sweep.repetitions < 1:
        raise UsageError(f'"{sweep.repetitions}" cannot be used: it must be 1 or more', where="--repetitions")
    runs = _sweep([point for _, point in points], sweep, flags)
    return _show([point for _, point in points], runs, sweep, output)


def _points(words: Sequence[str], sweep: SweepFlags, flags: Globals) -> list[tuple[Sequence[str], Point]]:
    """Every point with its command line."""
    command, arguments, ties = _arguments(words, sweep)
    axes, fixed = read_axes(arguments)
    if flags.config is not None:
        fixed.append(f"--config={flags.config}")
    fixed += [f"--{name}" for name in ("local", "verbose", "debug") if getattr(flags, name)]
    found = combinations(axes, fixed, ties)
    experiment = sweep.experiment or _experiment(command, sorted(arguments), ties)
    points: list[tuple[Sequence[str], Point]] = []
    for combination in found:
        line = (*command, *combination.arguments)
        for point in _parse(line, flags):
            values = dict(combination.values) or {"command": " ".join(command)}
            request = point.request.model_copy(update={"experiment": experiment, "repetitions": 1})
            points.append((line, dataclasses.replace(point, request=request, values=values)))
    return points


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


def _parse(line: Sequence[str], flags: Globals) -> Sequence[Point]:
    """The evaluations that a command line asks for, told by the parser that reads it otherwise."""
    from mlscope.cli._app import measurement

    return measurement(line, secret=flags.secret).points


def _command_line(words: Sequence[str]) -> str:
    return shlex.join(("mlscope", *words))


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

    table = analyses.sweep_table([_summed_up(point, runs) for point in points])
    show_tables([table], output)
    there = sum(run.state == "there" for run in runs)
    if there:
        note(f"{there} of {len(runs)} runs were there already; --again measures them anew")
    note(f"experiment {points[0].request.experiment}: mlscope runs list --experiment {points[0].request.experiment}")
    if sweep.plot is not None:
        analyses.plot_sweep(table, sweep.plot, f"{points[0].request.command}: {points[0].request.experiment}")
        note(f"plot written to {sweep.plot}")
    if any(run.outcome is not None and run.outcome.interrupted for run in runs):
        return Interrupted.exit_code
    return next((run.error.exit_code for run in runs if run.error is not None), 0)


def _summed_up(point: Point, runs: Sequence[PointRun]) -> SweepPoint:
    from mlscope.analyses import SweepPoint

    mine = [run for run in runs if run.point is point]
    records = [run.record for run in mine if run.record is not None and run.error is None]
    error = next((run.error for run in mine if run.error is not None), None)
    if error is not None:
        return SweepPoint(point.values, records, "failed", str(error))
    if any(run.state == "left" for run in mine) or not mine:
        return SweepPoint(point.values, records, "not run", "time was up" if mine else "not reached")
    return SweepPoint(point.values, records, "done")
