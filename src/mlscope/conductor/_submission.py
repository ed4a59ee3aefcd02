"""`mlscope submission run`: everything that a division asks of one model, in the right order, resumable."""

from __future__ import annotations

import dataclasses
import functools
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from mlscope.conductor._evaluate import evaluate_prepared, prepare_any
from mlscope.conductor._outcome import Observer, Outcome
from mlscope.conductor._prepare import Prepared
from mlscope.conductor._recover import recover
from mlscope.conductor._submission_plan import (
    Goal,
    Step,
    Target,
    estimate_s,
    fitting,
    more_demanding,
    step_request,
    target_of,
)
from mlscope.errors import DataError, Interrupted, MlscopeError, StackError
from mlscope.plan import Request, Scenario
from mlscope.results import Filter, Record, open_store
from mlscope.submissions import PROBE, find_parts, round_of_seeds, used_seeds, verify_tests

__all__ = ["Estimate", "StepRun", "SubmissionRun"]

State = Literal["measured", "there", "failed"]


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """How long a step will take."""

    step: Step
    seconds: float
    target: Target


@dataclasses.dataclass(frozen=True, slots=True)
class StepRun:
    """What became of a step."""

    step: Step
    state: State
    """`there`: measured before, in the same experiment."""
    seconds: float = 0.0
    record: Record | None = None
    outcome: Outcome | None = None
    error: MlscopeError | None = None
    faults: tuple[str, ...] = ()
    """Why it does not pass though it was measured."""


class SubmissionRun:
    """Measures a submission's runs, step by step; runs that the experiment holds already are not made again.

    Args:
        request: Model, data set, software, and how the model is run; its experiment names the runs.
        goal: What is to be measured.
        observer: Hears how it goes.
    """

    def __init__(self, request: Request, goal: Goal, observer: Observer) -> None:
        self.goal = goal
        self._request, self._observer = request, observer
        self._folder = tempfile.TemporaryDirectory(prefix="mlscope-submission-")
        self._targets: dict[Scenario, Target] = {}
        self._records: dict[Step, Record] = {}
        self._samples = 0
        recover(observer)

    def __enter__(self) -> Self:
        """Nothing is running yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the conf files; records have copies."""
        self._folder.cleanup()

    @property
    def steps(self) -> list[Step]:
        """All steps in their order."""
        return [Step(scenario, role) for scenario in self.goal.scenarios for role in self.goal.steps]

    def estimates(self) -> list[Estimate]:
        """Find LoadGen of the round, probe each scenario for some seconds, and tell how long the steps will take.

        Raises:
            StackError: LoadGen is not the round's.
            MlscopeError: A probe failed.
            KeyboardInterrupt: Ctrl-C.
        """
        first = step_request(self._request, self.goal, Step("SingleStream", PROBE), self._path, None)
        self._request = self._request.model_copy(
            update={"packages": fitting(first, self.goal.round, self._observer).packages}
        )
        self._probe("SingleStream")
        for scenario in self.goal.scenarios:
            if scenario not in self._targets:
                self._probe(scenario)
        return [
            Estimate(step, estimate_s(step, self._targets[step.scenario], self.goal, self._samples), target)
            for step in self.steps
            for target in (self._targets[step.scenario],)
        ]

    def run(self) -> Iterator[StepRun]:
        """Measure what is not there yet; :meth:`estimates` comes first.

        Yields:
            What became of each step. A step that failed, or an accuracy that the closed division does not admit, is
            the last one.
        """
        for scenario in self.goal.scenarios:
            for role in self.goal.steps:
                found = self._run(Step(scenario, role))
                yield found
                if found.state == "failed":
                    return

    @property
    def _path(self) -> Path:
        return Path(self._folder.name)

    def _probe(self, scenario: Scenario) -> None:
        target = self._targets.get("SingleStream")
        found = self._run(Step(scenario, PROBE), target)
        if found.error is not None:
            raise found.error
        assert found.record is not None
        self._check_seeds(found.record)
        self._targets[scenario] = functools.reduce(more_demanding, map(target_of, self._too_short(found.record)))

    def _too_short(self, probe: Record) -> list[Record]:
        """A probe, and the runs after it that were void, maybe since it had named too few queries."""
        where = Filter(
            experiment=probe.experiment,
            scenario=probe.scenario,
            model_name=probe.model_name,
            kind=probe.kind,
            status="complete",
        )
        return [probe] + [
            record
            for record in open_store(create=True).find(where)
            if record.created_at > probe.created_at
            and record.mode == "PerformanceOnly"
            and PROBE not in record.tags
            and record.loadgen is not None
            and record.loadgen.validity == "INVALID"
        ]

    def _check_seeds(self, record: Record) -> None:
        """Whatever LoadGen's version says: its seeds tell the round.

        Raises:
            StackError: They are another round's.
        """
        assert record.loadgen is not None
        seeds = used_seeds(record)
        if seeds != self.goal.round.seeds:
            other = round_of_seeds(seeds)
            whose = f"those of {other.name}" if other else "of no round that is known here"
            raise StackError(f"the seeds of LoadGen {record.loadgen.version} are {whose}, not {self.goal.round.name}'s")

    def _run(self, step: Step, target: Target | None = None) -> StepRun:
        """One step, unless it is there already."""
        begin = time.monotonic()
        target = target or self._targets.get(step.scenario)
        try:
            request = step_request(self._request, self.goal, step, self._path, target)
            prepared, inputs = prepare_any(request, self._observer)
            self._samples = prepared.plan.load.sample_count if prepared.plan.load else 0
            known = self._there(prepared, step)
            if known is not None:
                return self._judged(StepRun(step, "there", 0.0, known))
            outcome = evaluate_prepared(prepared, inputs, self._observer)[0]
        except MlscopeError as error:
            return StepRun(step, "failed", error=error)
        except KeyboardInterrupt:
            return StepRun(step, "failed", error=Interrupted("interrupted; the same command goes on where it ended"))
        seconds = time.monotonic() - begin
        if outcome.error is not None:
            return StepRun(step, "failed", seconds, outcome.record, outcome, outcome.error)
        return self._judged(StepRun(step, "measured", seconds, outcome.record, outcome))

    def _there(self, prepared: Prepared, step: Step) -> Record | None:
        """The newest run of the same plan, software and machine that can be used."""
        request = prepared.request
        kind = "rehearsal" if request.rehearsal else "own"
        where = Filter(experiment=request.experiment, status="complete", scenario=step.scenario, kind=kind)
        for record in open_store(create=True).find(where):
            same = record.plan_id == prepared.plan.plan_id and record.lock_sha256 == prepared.stack.lock_sha256
            valid = record.loadgen is not None and record.loadgen.validity != "INVALID"
            usable = valid or step.role == PROBE or request.rehearsal
            if same and usable and record.system.hostname == socket.gethostname():
                return record
        return None

    def _judged(self, run: StepRun) -> StepRun:
        """What is wrong with a run that was measured."""
        record = run.record
        assert record is not None
        self._records[run.step] = record
        if run.step.role == PROBE:
            return run
        result, benchmark = record.loadgen, self.goal.benchmark
        if result is not None and result.validity == "INVALID":
            return dataclasses.replace(run, faults=result.failed_conditions or ("LoadGen calls it INVALID",))
        if run.step.role == "accuracy" and benchmark and self.goal.division == "closed" and not self.goal.rehearsal:
            reached = 100 * record.accuracy.top1 if record.accuracy else 0.0
            if reached < benchmark.accuracy_target:
                text = f"the accuracy is {reached:.3f} %, the closed division needs {benchmark.accuracy_target:.4f} %"
                error = DataError(text, hint="the open division takes any accuracy: --division open")
                return dataclasses.replace(run, state="failed", error=error)
        if run.step.role.startswith("TEST"):
            return dataclasses.replace(run, faults=tuple(self._verify(run.step, record)))
        return run

    def _verify(self, step: Step, test: Record) -> list[str]:
        """What a compliance test failed in; nothing as long as the runs that it is held against are missing."""
        held = [self._known(Step(step.scenario, role)) for role in ("accuracy", "performance")]
        ids = tuple(record.id for record in (*held, test) if record is not None)
        return verify_tests(find_parts(open_store(create=True), Filter(ids=ids)), self.goal.round)

    def _known(self, step: Step) -> Record | None:
        """The run of a step, measured now or before."""
        if step not in self._records:
            request = step_request(self._request, self.goal, step, self._path, self._targets[step.scenario])
            known = self._there(prepare_any(request, self._observer)[0], step)
            if known is None:
                return None
            self._records[step] = known
        return self._records[step]
