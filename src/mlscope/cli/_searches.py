"""``mlscope explore --maximize`` and ``--tune``: sweeps that look for something."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mlscope.cli._reports import show_tables
from mlscope.cli._terminal import emit, note
from mlscope.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from mlscope.cli._axes import Combination
    from mlscope.cli._explore import Plan
    from mlscope.cli._flags import OutputFlags
    from mlscope.conductor import Limits, Observer, Point, PointRun, Search, Sweeper
    from mlscope.plan import Request
    from mlscope.results import Record

__all__ = ["search", "show"]

_SHORT_SHARE, _SHORTEST_S = 0.2, 2.0
_SHORT_QUERIES = 100
"""Fewest queries that have a 99th percentile."""
_REAL = frozenset({"target-qps", "target-latency"})
_LOWEST = {"target-qps": 0.1, "target-latency": 0.001}
_BATCHES = (1, 2, 4, 8, 16, 32)
_TUNING_S = 180.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Found:
    """What a search has found."""

    runs: Sequence[PointRun]
    summary: str
    document: dict[str, Any]
    """For JSON."""


def _shortened(point: Point) -> Point:
    """The same point with a test that is only as long as it must be to tell good from bad."""
    load = point.request.load
    if load is None:
        raise UsageError("a search runs LoadGen's tests", hint="mlscope explore benchmark …")
    if load.count_override is not None:
        return point
    full_s = load.min_duration_s if load.min_duration_s is not None else 10.0
    settings = dict(load.settings)
    if load.scenario != "Server":  # whose early stopping needs its queries
        settings.setdefault("min_query_count", _SHORT_QUERIES)
    short = load.model_copy(
        update={"min_duration_s": min(full_s, max(_SHORTEST_S, _SHORT_SHARE * full_s)), "settings": settings}
    )
    return dataclasses.replace(point, request=point.request.model_copy(update={"load": short}))


def _limits_of(flag: str, text: str | None, first: Callable[[], float]) -> Limits:
    """Where the search for a flag's largest value goes.

    Args:
        flag: Without dashes.
        text: What the command line says of it: a range or list (its ends are the search's), one value (the first that
            is tried), or nothing.
        first: Finds a first value where nothing is said.

    Raises:
        UsageError: The text is no number or range.
    """
    from mlscope.conductor import Limits

    integer = flag not in _REAL
    lowest = 1.0 if integer else _LOWEST[flag]
    parts = [part.split(":")[:2] for part in (text or "").split(",") if part]
    try:
        ranges = [[float(each) for each in part] for part in parts]
    except ValueError as error:
        raise UsageError(f'"{text}" is no number and no range', where=f"--{flag}") from error
    numbers = [number for each in ranges for number in each]
    if any(number <= 0 or (integer and number != int(number)) for number in numbers):
        raise UsageError(f'"{text}" has a value that --{flag} cannot take', where=f"--{flag}")
    if any(each[0] > each[-1] for each in ranges):
        raise UsageError(f'"{text}" is empty', where=f"--{flag}")
    if len(numbers) > 1:
        return Limits(min(numbers), min(numbers), max(numbers), integer)
    start = numbers[0] if numbers else first()
    return Limits(start, min(lowest, start), float("inf"), integer)


def _run_maximize(
    flag: str,
    make: Callable[[float, bool], Point],
    limits: Limits,
    sweeper: Sweeper,
    bound_ms: float | None,
) -> _Found:
    """Find the largest value of a flag that is VALID (and within the bound).

    Raises:
        MlscopeError: A run could not be measured.
    """
    from mlscope.conductor import Judge, maximize

    runs: list[PointRun] = []
    last: Search | None = None
    for run, search in maximize(make, sweeper, limits, Judge(bound_ms * 1e6 if bound_ms else None)):
        runs.append(run)
        last = search
        if run.error is not None and not run.ends:
            raise run.error
    assert last is not None
    verdict, summary = last.verdict, _sentence(flag, last, limits, bound_ms)
    return _Found(
        runs,
        summary,
        {
            "maximize": flag,
            "summary": summary,
            "outcome": verdict.outcome,
            "best": verdict.best,
            "first_failing": verdict.first_failing,
            "low": verdict.low,
            "high": verdict.high,
            "confirmed": verdict.confirmed,
            "runs": verdict.runs,
            "steps": [
                {"value": value, "passed": seen.passed, "margin": seen.margin, "full": seen.full, "note": seen.note}
                for value, seen, _ in last.seen
            ],
        },
    )


def _sentence(flag: str, search: Search, limits: Limits, bound_ms: float | None) -> str:
    verdict = search.verdict
    wanted = "VALID" if bound_ms is None else f"VALID within {bound_ms:g} ms"
    notes = {value: seen.note for value, seen, _ in search.seen}
    if verdict.best is None:
        at, seen = verdict.nearest_miss or (limits.low, None)
        miss = f"; the nearest miss is {flag} {at:g}: {seen.note}" if seen else ""
        return f"no {flag} from {limits.low:g} on is {wanted}{miss}"
    state = "confirmed by a run of full length" if verdict.confirmed else "not confirmed by a run of full length"
    if verdict.outcome == "everything":
        return f"every {flag} up to {limits.high:g} is {wanted}, {state}"
    text = f"{flag} {verdict.best:g} is the largest that is {wanted}, {state}"
    if verdict.first_failing is not None:
        text += f"; {verdict.first_failing:g} is not: {notes.get(verdict.first_failing, 'INVALID')}"
    if verdict.outcome == "unfinished":
        text += "; the search did not come to its end"
    return f"{text} ({verdict.runs} runs)"


def _candidates(request: Request, arguments: Sequence[str], cores: int) -> list[str]:
    """What `--tune` tries where the command line names no axis: flags with their values."""
    load = request.load
    named = {word.partition("=")[0] for word in arguments}
    found = []
    if load is not None and load.scenario == "Offline" and "--batch-size" not in named:
        found.append(f"--batch-size={','.join(map(str, _BATCHES))}")
    if "--threads" not in named:
        found.append(f"--threads=1:{cores}" if cores > 1 else "--threads=1")
    if load is not None and load.scenario == "Offline" and "--streams" not in named:
        found.append(f"--streams=1:{cores}" if cores > 1 else "--streams=1")
    return found


def _run_tune(points: Sequence[Point], sweeper: Sweeper, budget_s: float) -> _Found:
    """Find the combination with the most throughput (Offline) or the least latency (SingleStream).

    Raises:
        MlscopeError: None can be measured.
    """
    from mlscope.conductor import tune

    shorts = [_shortened(point) for point in points]
    full = {id(short): point for short, point in zip(shorts, points, strict=True)}
    tuned = tune(shorts, lambda short: full[id(short)], sweeper, _score, budget_s=budget_s)
    ranked = sorted(tuned.trials, key=lambda trial: trial.score, reverse=True)
    winner = next(trial for trial in tuned.trials if points[trial.candidate].values == tuned.winner.values)
    others = [trial for trial in ranked if trial is not winner and trial.scores]
    tried = sum(bool(trial.scores) for trial in tuned.trials)
    text = f"{tuned.winner.label} is the best of {tried}"
    if tried < len(points):
        text += f" ({len(points) - tried} had no turn before the time was up, or failed)"
    if others:
        ratio = winner.score / others[0].score
        text += f": {ratio:.3f} x the next best, {points[others[0].candidate].label}"
        text += f" ({len(winner.scores)} and {len(others[0].scores)} short runs)"
    failed = [trial for trial in tuned.trials if trial.error is not None]
    for trial in failed:
        note(f"{points[trial.candidate].label}: {trial.error}")
    return _Found(
        tuned.runs,
        text,
        {
            "summary": text,
            "tune": [
                {
                    **points[trial.candidate].values,
                    "score": trial.score if trial.scores else None,
                    "short_runs": len(trial.scores),
                    "error": str(trial.error) if trial.error else None,
                }
                for trial in ranked
            ],
            "best": dict(tuned.winner.values),
            "confirmed": tuned.confirmation.record is not None,
        },
    )


def _score(record: Record) -> float:
    """Samples a second, of Offline as LoadGen counts them and of SingleStream by its latency."""
    test = record.loadgen
    if test is None or test.metric_value is None or record.scenario not in ("Offline", "SingleStream"):
        raise UsageError("--tune is for Offline and SingleStream", hint="--maximize target-qps is for Server")
    return test.metric_value if record.scenario == "Offline" else 1e9 / test.metric_value


def search(plan: Plan, observer: Observer) -> list[_Found]:
    """Carry out what `--maximize` or `--tune` asks for; a search for every combination of the other axes.

    Raises:
        MlscopeError: What is wrong with the command line, or no run could be measured.
    """
    from mlscope.conductor import Sweeper

    sweep = plan.sweep
    budget_s = None if sweep.tune else sweep.time_budget_s  # tuning keeps to it by itself
    with Sweeper(observer, skip_existing=not sweep.again, budget_s=budget_s) as sweeper:
        if sweep.tune:
            return [_tuned(plan, sweeper)]
        return _maximized(plan, str(sweep.maximize).lstrip("-").replace("_", "-"), sweeper)


def _maximized(plan: Plan, flag: str, sweeper: Sweeper) -> list[_Found]:
    prefix = f"--{flag}="
    said = [each.removeprefix(prefix) for each in plan.arguments if each.startswith(prefix)]
    tied = [f"--{name}=" for tie in plan.ties if flag in tie for name in tie]
    others = [each for each in plan.arguments if not each.startswith((prefix, *tied))]
    plan = dataclasses.replace(plan, ties=[tie for tie in plan.ties if flag not in tie])
    bound_ms = plan.sweep.latency_bound_s * 1e3 if plan.sweep.latency_bound_s is not None else None
    found = []
    for combination in plan.combinations(others):

        def make(value: float, full: bool, combination: Combination = combination) -> Point:
            text = f"{value:g}" if value < 1e6 else f"{value:.10g}"
            values = {**combination.values, flag: text, "length": "full" if full else "short"}
            point = plan.point(
                (*combination.arguments, *(f"{each}{text}" for each in dict.fromkeys((prefix, *tied)))), values
            )
            return point if full else _shortened(point)

        def first(combination: Combination = combination) -> float:
            return _first_value(plan, flag, combination, sweeper)

        limits = _limits_of(flag, ",".join(said) or None, first)
        found.append(_run_maximize(flag, make, limits, sweeper, bound_ms))
    return found


def _first_value(plan: Plan, flag: str, combination: Combination, sweeper: Sweeper) -> float:
    """Where nothing is said: LoadGen's own number of samples, or the rate that the worker chooses by its warm-up."""
    if flag != "target-qps":
        return 8.0 if flag == "samples-per-query" else 1.0
    values = {**combination.values, flag: "chosen", "length": "short"}
    run = sweeper.run(_shortened(plan.point(combination.arguments, values)), 1)
    if run.record is None or run.record.loadgen is None:
        raise run.error or UsageError("the first run has no result of LoadGen's")
    rate = run.record.loadgen.effective_settings.get("server_target_qps")
    if run.record.scenario != "Server" or not rate:
        raise UsageError("--maximize target-qps is for the Server scenario", hint="add --scenario Server")
    return float(rate)


def _tuned(plan: Plan, sweeper: Sweeper) -> _Found:
    from mlscope.conductor import host_threads

    cores = host_threads()
    base = plan.point(plan.combinations(plan.arguments)[0].arguments, {})
    added = _candidates(base.request, plan.arguments, cores)
    points = [
        plan.point(each.arguments, each.values)
        for each in plan.combinations([*plan.arguments, *added])
        if int(each.values.get("threads", 1)) * int(each.values.get("streams", 1)) <= cores or not added
    ]
    return _run_tune(points, sweeper, plan.sweep.time_budget_s or _TUNING_S)


def show(found: Sequence[_Found], plan: Plan, output: OutputFlags) -> int:
    """Print the runs of searches and what they found."""
    from mlscope import analyses
    from mlscope.cli._explore import summed_up

    runs = [run for each in found for run in each.runs]
    points = {tuple(run.point.values.items()): run.point for run in runs}
    table = analyses.sweep_table([summed_up(point, runs) for point in points.values()])
    if output.format == "json":
        rows = json.loads(analyses.to_json(table))
        emit(json.dumps({"searches": [each.document for each in found], "points": rows}, indent=2))
    else:
        show_tables([table], output)
        emit("\n".join(each.summary for each in found))
    if plan.sweep.plot is not None:
        analyses.plot_sweep(table, plan.sweep.plot, plan.experiment)
        note(f"plot written to {plan.sweep.plot}")
    return Interrupted.exit_code if any(run.ends for run in runs) else 0
