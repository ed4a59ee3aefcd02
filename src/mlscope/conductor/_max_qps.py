"""``mlscope predict max-qps``: the highest rate at which the latency at a percentile stays within a bound.

A run for each rate, with draws of its own; the model stays loaded. Which rate comes next, and when enough is known, is
:class:`mlscope.stats.ThresholdSearch`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mlscope.analyses import margin_error
from mlscope.conductor._issuer import Issued
from mlscope.conductor._judge import search_result
from mlscope.conductor._run import Run
from mlscope.conductor._workload import OpenLoopRun
from mlscope.errors import UsageError
from mlscope.plan import Schedule, WorkloadChoice, draw_schedule, parse_law
from mlscope.results import Filter, SearchStep, WorkloadResult, open_store
from mlscope.stats import Observation, ThresholdSearch, Verdict
from mlscope.worker.protocol import FLAG_FAILED, SAMPLE_FIELDS, Tensor

__all__ = ["measure"]

_SHORT_S, _SHORT_QUERIES = 4.0, 150
"""A run that only tells on which side of the limit a rate lies is no longer than it must be."""
_LOWEST = 1 / 64
"""Of the first rate: nothing lower is tried."""
_TOLERANCE = 0.015


def measure(run: Run, inputs: Sequence[Tensor] | None, save: Callable[[], None]) -> None:
    """Search, going on where an interrupted one has ended; what is found goes to ``run.found`` after every step.

    Args:
        run: The run.
        inputs: The inputs of a model without a manifest.
        save: Called after every step, so that a kill loses nothing.

    Raises:
        MlscopeError: The model, the data or a process failed.
        KeyboardInterrupt: Ctrl-C.
    """
    choice = run.prepared.plan.workload
    assert choice is not None
    if choice.latency_bound_ms is None:
        raise UsageError("max-qps needs a bound", hint="give --latency-bound 100ms")
    search = _Search(run, choice, _steps_before(run), save)
    loop = OpenLoopRun(run, choice, inputs)
    try:
        search.go(loop)
        loop.finish()
    finally:
        loop.gather()


def _steps_before(run: Run) -> Sequence[SearchStep]:
    """What the newest search of the same plan, machine and software has seen, if it was not completed."""
    if not run.kept:
        return ()
    wanted = Filter(command=run.prepared.plan.command, hostname=run.system.hostname)
    key = run.prepared.plan.plan_id, run.prepared.stack.lock_sha256
    same = (each for each in open_store(create=True).find(wanted) if (each.plan_id, each.lock_sha256) == key)
    before = next(same, None)
    if before is None or before.status == "complete" or before.search is None or not before.search.steps:
        return ()
    run.warn(f"going on after the {len(before.search.steps)} runs of {before.id}, which was {before.status}")
    return before.search.steps


class _Search:
    def __init__(self, run: Run, choice: WorkloadChoice, steps: Sequence[SearchStep], save: Callable[[], None]) -> None:
        assert choice.qps is not None
        assert choice.cap_qps is not None
        self._run, self._choice, self._save = run, choice, save
        self._bound_ns = round((choice.latency_bound_ms or 0) * 1e6)
        self._hopeless = ""
        self._search = ThresholdSearch(
            start=choice.qps,
            low=choice.qps * _LOWEST,
            high=choice.cap_qps,
            tolerance=_TOLERANCE,
            observations=[(s.value, Observation(s.passed, s.margin, s.error, s.full, s.note)) for s in steps],
        )

    def go(self, loop: OpenLoopRun) -> None:
        """Run rates until the search is satisfied, or cannot be."""
        self._tell()
        for wanted in self._search:
            qps = self._rounded(wanted)
            number = len(self._search.observations) + 1
            schedule = self._schedule(qps, number)
            purpose = "full length" if self._search.full else "short"
            seconds = int(schedule.offsets_ns[-1]) / 1e9
            self._run.observer.stage(f"run {number}, {qps:g} qps, {purpose}, {seconds:.0f} s", len(schedule.inputs))
            issued, result = loop.go(schedule, name=f"-{number:03d}")
            self._search.tell(qps, self._seen(issued, result))
            self._tell()
            self._save()
            if self._hopeless:
                return

    def _rounded(self, qps: float) -> float:
        """Four digits are enough for people, and finer than the tolerance."""
        return min(float(f"{qps:.4g}"), self._choice.cap_qps or qps)

    def _schedule(self, qps: float, number: int) -> Schedule:
        seconds, queries = self._choice.min_duration_ms / 1e3, self._choice.min_queries
        if not self._search.full:
            seconds, queries = 0.0, max(1, min(queries, max(_SHORT_QUERIES, int(qps * _SHORT_S))))
        return draw_schedule(
            parse_law(self._choice.arrival),
            qps,
            min_duration_s=seconds,
            min_requests=queries,
            samples=self._choice.sample_count,
            seed=self._run.prepared.plan.execution.seed,
            run=number,
        )

    def _seen(self, issued: Issued, result: WorkloadResult) -> Observation:
        percentile = self._choice.percentile
        margin, error = margin_error(issued.rows, percentile, self._bound_ns)
        lost = result.dropped + result.unfinished
        latency = "infinite" if result.latency_ns is None else f"{result.latency_ns / 1e6:.4g} ms"
        note = f"p{percentile:g} {latency}"
        if result.verdict == "overload":
            note += f", {result.reasons[0]}"
            margin, error = min(margin, -0.9) if lost else margin, None if lost else error
        passed = bool(result.bound_met) and result.verdict == "ok"
        if not passed and margin >= 0:
            margin, error = -0.01, None
        if not passed and self._alone(issued) > self._bound_ns:
            self._hopeless = f"the model alone takes {self._alone(issued) / 1e6:.4g} ms at p{percentile:g}"
        return Observation(passed, margin, error, self._search.full, note)

    def _alone(self, issued: Issued) -> float:
        """The model's own time at the percentile: no rate is so low that a request takes less."""
        field = dict(zip(SAMPLE_FIELDS, issued.rows.T, strict=True))
        answered = (field["flags"] & FLAG_FAILED) == 0
        times = (field["end_ns"] - field["start_ns"])[answered]
        return float(np.percentile(times, self._choice.percentile)) if len(times) else 0.0

    def _tell(self) -> None:
        verdict = self._search.verdict()
        summary, hopeless = self._summary(verdict), bool(self._hopeless)
        self._run.found.search = search_result("qps", self._search, summary, hopeless=hopeless)

    def _summary(self, verdict: Verdict) -> str:
        bound = f"p{self._choice.percentile:g} <= {self._choice.latency_bound_ms:g} ms"
        if self._hopeless:
            return f"no rate meets {bound}: {self._hopeless}"
        if verdict.outcome == "nothing":
            at, seen = verdict.nearest_miss or (0.0, None)
            return f"no rate meets {bound}; the nearest miss is {at:.4g} qps, {seen.note if seen else ''}"
        if verdict.best is None:
            return f"no rate has met {bound} so far"
        if verdict.outcome == "everything":
            return f"every rate up to the cap of {self._choice.cap_qps:g} qps meets {bound}"
        state = "confirmed by a run of full length" if verdict.confirmed else "not confirmed"
        return f"{verdict.best:.4g} qps is the highest rate that meets {bound}, {state}"
