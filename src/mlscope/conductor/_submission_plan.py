"""What `mlscope submission run` measures: LoadGen that fits the round, conf files, and the requests of its steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from mlscope.conductor._evaluate import prepare_any
from mlscope.conductor._outcome import Observer
from mlscope.conductor._prepare import Prepared
from mlscope.errors import MlscopeError, StackError, UsageError
from mlscope.plan import LoadRequest, Request, Scenario
from mlscope.results import Record
from mlscope.submissions import AUDITS, PROBE, Benchmark, Division, Round

__all__ = ["Goal", "Step", "Target", "estimate_s", "fitting", "more_demanding", "step_request", "target_of"]

LOADGEN = "mlcommons-loadgen"

_SPARE = 1.1
"""Offline's rate is named a tenth above what was seen, beside LoadGen's own tenth, so that the run is long enough."""
_BELOW = 0.5
"""Half the shortest latency that was seen is named. LoadGen makes its queries from it beforehand: a run that comes to
the end of them too early is void, while too many of them cost some memory."""

_PROBE_MS = 3_000
_PROBE_REHEARSAL_MS = 500
_PROBE_QUERIES = 10
_PROBE_LATENCY_MS = 0.1
_REHEARSAL_MS = 2_000
_REHEARSAL_SAMPLES = 500
_MULTISTREAM = 8


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is to be measured."""

    round: Round
    division: Division
    benchmark: Benchmark | None
    """The round's rules for it; None: none are known here."""
    scenarios: tuple[Scenario, ...]
    steps: tuple[str, ...]
    """Of each scenario, in their order: `accuracy`, `performance`, `TEST01`, `TEST04`."""
    rehearsal: bool = False

    @property
    def min_duration_ms(self) -> int:
        """How long performance runs last at least."""
        return _REHEARSAL_MS if self.rehearsal else self.round.min_duration_ms

    @property
    def experiment(self) -> str:
        """The name under which the runs are found again."""
        return f"{'rehearsal' if self.rehearsal else 'submission'}-{self.round.name}-{self.division}"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One run."""

    scenario: Scenario
    role: str
    """As in :attr:`Goal.steps`, or `probe`."""

    def __str__(self) -> str:
        return f"{self.scenario} {self.role}"


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """What LoadGen is told to expect, from a probe: a latency in ms, or (Offline) a rate in samples a second."""

    scenario: Scenario
    value: float
    mean_s: float
    """Seconds of a query; Offline: of a sample."""

    @property
    def line(self) -> str:
        """The line of user.conf."""
        key = "target_qps" if self.scenario == "Offline" else "target_latency"
        return f"*.{self.scenario}.{key} = {self.value:.4g}"


def target_of(probe: Record) -> Target:
    """What a probe has shown.

    Raises:
        UsageError: It measured nothing.
    """
    scenario: Scenario = probe.scenario  # type: ignore[assignment]  # a record holds any text
    result = probe.loadgen
    if scenario == "Offline" and result is not None and result.metric_value:
        return Target(scenario, _SPARE * result.metric_value, 1 / result.metric_value)
    if scenario == "Offline" or not probe.latency:
        raise UsageError(f"the probe of {scenario} came to no result", hint=f"see mlscope runs show {probe.id[:12]}")
    latency = probe.latency[0]
    return Target(scenario, _BELOW * latency.min_ns / 1e6, latency.mean_ns / 1e9)


def more_demanding(first: Target, second: Target) -> Target:
    """The target of which LoadGen makes more queries."""
    lower, higher = sorted((first, second), key=lambda target: target.value)
    return higher if first.scenario == "Offline" else lower


def estimate_s(step: Step, target: Target, goal: Goal, samples: int) -> float:
    """Seconds that a step will take, without the loading of model and data.

    Args:
        step: The step.
        target: Of its scenario.
        goal: What is to be measured.
        samples: Of the data set.
    """
    if step.role == "accuracy":
        return target.mean_s * (-(-samples // _MULTISTREAM) if step.scenario == "MultiStream" else samples)
    shortest = goal.min_duration_ms / 1000
    if step.scenario != "Offline":
        return shortest
    least = goal.benchmark.min_offline_samples if goal.benchmark and goal.division == "closed" else 0
    return target.mean_s * max(1.1 * shortest * target.value, least)


def step_request(request: Request, goal: Goal, step: Step, folder: Path, target: Target | None) -> Request:
    """The request of a step.

    Args:
        request: What the user asked for: model, data set, software, how the model is run.
        goal: What is to be measured.
        step: Which step.
        folder: Where conf files are written.
        target: Of the scenario; of a probe of Offline: of SingleStream; None: for the probes of the others.
    """
    served = step.scenario == "Offline"
    asked = request.load or LoadRequest()
    size = asked.dataset_size or (_REHEARSAL_SAMPLES if goal.rehearsal else None)
    probe = step.role == PROBE
    conf = _probe_conf(goal, step.scenario, target, request) if probe else _user_conf(goal, step.scenario, target)
    load = LoadRequest(
        scenario=step.scenario,
        mode="AccuracyOnly" if step.role == "accuracy" else "PerformanceOnly",
        dataset_size=size,
        user_conf=_written(folder / step.scenario / f"{'probe' if probe else 'user'}.conf", conf),
        audit_conf=_written(folder / f"{step.role}.conf", AUDITS[step.role]) if step.role in AUDITS else None,
        min_duration_s=_probe_ms(goal) / 1000 if probe else goal.min_duration_ms / 1000,
    )
    changes = {
        "command": "benchmark",
        "load": load,
        "batch_size": 1 if step.scenario == "SingleStream" else request.batch_size,
        "experiment": request.experiment or goal.experiment,
        "tags": (*request.tags, goal.round.name, goal.division, step.role, *(("rehearsal",) if goal.rehearsal else ())),
        "rehearsal": goal.rehearsal,
        "repetitions": 1,
        "record": True,
        "floor": request.floor and not probe,
    }
    if not served:
        changes |= {"streams": None, "max_batch": None, "max_delay_s": 0.0, "queue_capacity": None, "pin": False}
    return request.model_copy(update=changes)


def _probe_ms(goal: Goal) -> int:
    return _PROBE_REHEARSAL_MS if goal.rehearsal else _PROBE_MS


def _user_conf(goal: Goal, scenario: Scenario, target: Target | None) -> str:
    assert target is not None
    lines = [f"# MLPerf Inference {goal.round.name}, {goal.division}", target.line]
    if goal.rehearsal:
        lines[:0] = ["# A rehearsal: too short for a submission."]
    lines.append(f"*.{scenario}.min_duration = {goal.min_duration_ms}")
    if goal.benchmark is not None:
        lines.append(f"*.{scenario}.performance_sample_count_override = {goal.benchmark.performance_sample_count}")
        if scenario == "Offline" and goal.division == "closed" and not goal.rehearsal:
            lines.append(f"*.Offline.min_query_count = {goal.benchmark.min_offline_samples}")
    return "\n".join(lines) + "\n"


def _probe_conf(goal: Goal, scenario: Scenario, single: Target | None, request: Request) -> str:
    """Conf of a probe: Offline's rate is guessed from the latency of SingleStream."""
    lines = [f"*.{scenario}.min_duration = {_probe_ms(goal)}", f"*.{scenario}.min_query_count = {_PROBE_QUERIES}"]
    if scenario == "Offline":
        assert single is not None
        streams = request.streams if isinstance(request.streams, int) else 1
        lines.append(f"*.Offline.target_qps = {streams / single.mean_s:.4g}")
    else:
        lines.append(f"*.{scenario}.target_latency = {_PROBE_LATENCY_MS}")
    return "\n".join(lines) + "\n"


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def fitting(request: Request, round_: Round, observer: Observer) -> Request:
    """The request with a LoadGen that writes the round's logs.

    The interpreter's own LoadGen is taken where it is of the round; else one of the round's wheels comes into an
    environment of its own.

    Args:
        request: A step's request.
        round_: The round.
        observer: Hears how it goes.

    Raises:
        UsageError: No LoadGen wheel writes the logs of this round.
        StackError: The software that was asked for has another LoadGen, or the round's cannot be had.
        MlscopeError: The request cannot be prepared.
    """
    wheels = round_.loadgen_wheels
    if not wheels:
        raise UsageError(f"no wheel of LoadGen writes the logs of {round_.name}", hint="choose a later round")
    prepared, _ = prepare_any(request, observer)
    found = loadgen_version(prepared)
    if found in wheels:
        return request
    if request.stack == "host" or any(LOADGEN in text for text in request.packages):
        raise StackError(
            f"LoadGen {found or 'is not there'} does not write the logs of {round_.name}; {', '.join(wheels)} do",
            hint="leave --stack host out: the right LoadGen then comes in an environment of its own",
        )
    problem: MlscopeError | None = None
    for wheel in reversed(wheels):
        pinned = request.model_copy(update={"packages": (*request.packages, f"{LOADGEN}=={wheel}")})
        try:
            prepare_any(pinned, observer)
        except StackError as error:
            problem = problem or error
            continue
        return pinned
    raise StackError(f"no LoadGen of {round_.name} can be had: {problem}")


def loadgen_version(prepared: Prepared) -> str | None:
    """Version of LoadGen in a stack; None: it has none."""
    packages: list[Mapping[str, str]] = prepared.stack.lock()["packages"]
    return next((each["version"] for each in packages if each["name"] == LOADGEN), None)
