"""Why runs cannot be a submission: what is missing, and what a round's rules forbid."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from mlscope.results import Record
from mlscope.submissions._parts import Measured, Part
from mlscope.submissions._rounds import Benchmark, Round, Seeds, round_of_seeds

__all__ = ["Rules", "inferred_from", "missing_scenarios", "rule_faults", "used_seeds"]

_INFERRED: Mapping[str, tuple[str, ...]] = {
    "MultiStream": ("SingleStream",),
    "Offline": ("MultiStream", "SingleStream"),
}
"""Scenario → from which others its result may be inferred, the better one first (edge systems only)."""

_SAME = ("model", "framework", "dataset")
"""Parts of a plan that all runs of a scenario share."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """What a submission has to follow."""

    round: Round
    division: str
    benchmark: Benchmark | None
    """None: a benchmark of which no rules are known here."""
    system_type: str
    rehearsal: bool = False

    @property
    def closed(self) -> bool:
        """Whether the rules of the closed division hold."""
        return self.division == "closed"

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Those that the division requires."""
        if not self.closed or self.benchmark is None:
            return ()
        return self.benchmark.required_scenarios.get(self.system_type, ())

    @property
    def tests(self) -> tuple[str, ...]:
        """Compliance tests that the division requires of each scenario."""
        return self.benchmark.compliance_tests if self.closed and self.benchmark else ()


def inferred_from(scenario: str, measured: Sequence[str]) -> str | None:
    """The measured scenario that a result may be inferred from; None: from none of them."""
    return next((each for each in _INFERRED.get(scenario, ()) if each in measured), None)


def missing_scenarios(rules: Rules, there: Sequence[str]) -> list[str]:
    """Required scenarios that are not there, as sentences."""
    missing = [name for name in rules.scenarios if name not in there]
    if rules.closed and not rules.scenarios:
        return [f"{rules.round.name} has no closed results of this benchmark for the type {rules.system_type}"]
    return [f"closed needs {' and '.join(missing)}"] if missing else []


def rule_faults(measured: Measured, rules: Rules) -> Iterator[str]:
    """What is wrong with the runs of a scenario, a clause each.

    Args:
        measured: The runs; both of a result are there.
        rules: What they have to follow.
    """
    for part in measured.parts.values():
        if part.record.kind == "rehearsal" and not rules.rehearsal:
            yield f"{part.describe()} is a rehearsal, which is too short for a submission"
        elif part.role != "accuracy" and not rules.rehearsal:
            yield from _length_faults(part, rules)
        yield from _seed_faults(part, rules)
        for what in _SAME:
            if getattr(part.plan, what) != getattr(measured.performance.plan, what):
                yield f"{part.describe()} had another {what} than the performance run"
    if measured.accuracy.record.accuracy is None:
        yield f"{measured.accuracy.describe()} has no accuracy: its data set has no labels"
    missing = [test for test in rules.tests if test not in measured.parts]
    if missing:
        yield f"{measured.scenario} has no {' and no '.join(missing)}"
    if rules.closed and rules.benchmark is not None and not rules.rehearsal:
        yield from _closed_faults(measured, rules.benchmark)


def _length_faults(part: Part, rules: Rules) -> Iterator[str]:
    result = part.record.loadgen
    assert result is not None
    if result.validity != "VALID":
        yield f"{part.describe()} is {result.validity}: {'; '.join(result.failed_conditions) or 'see its summary'}"
    least = rules.round.min_duration_ms
    duration = float(result.effective_settings.get("min_duration_ms", 0))
    if duration < least:
        asked = f"{rules.round.name} asks for {least / 1000:g} s"
        yield f"{part.describe()} was to run {duration / 1000:g} s at least; {asked}"


def used_seeds(record: Record) -> Seeds:
    """The seeds that LoadGen used in a recorded test."""
    used = record.loadgen.effective_settings if record.loadgen else {}
    return Seeds(*(int(used.get(f"{name}_rng_seed", 0)) for name in ("qsl", "sample_index", "schedule")))


def _seed_faults(part: Part, rules: Rules) -> Iterator[str]:
    found = used_seeds(part.record)
    if found != rules.round.seeds:
        other = round_of_seeds(found)
        whose = f"those of {other.name}" if other else "of no round"
        yield f"{part.describe()} used seeds that are {whose}, not {rules.round.name}'s"


def _closed_faults(measured: Measured, benchmark: Benchmark) -> Iterator[str]:
    accuracy = measured.accuracy.record.accuracy
    if accuracy is not None:
        reached = 100 * accuracy.top1
        if reached < benchmark.accuracy_target:
            least = f"closed needs {benchmark.accuracy_target:.4f} %"
            yield f"{measured.scenario} reached {reached:.3f} % accuracy; {least}"
        if accuracy.evaluated != benchmark.dataset_size:
            yield f"the accuracy run covers {accuracy.evaluated} samples; closed needs all {benchmark.dataset_size}"
    result, load = measured.performance.record.loadgen, measured.performance.plan.load
    assert result is not None
    assert load is not None
    kept = int(result.effective_settings.get("performance_sample_count_override") or load.performance_count)
    if kept < benchmark.performance_sample_count:
        yield f"the performance run drew from {kept} samples; closed needs {benchmark.performance_sample_count}"
    size = result.summary.get("samples_per_query", "")
    if measured.scenario == "Offline" and size.isdecimal() and int(size) < benchmark.min_offline_samples:
        yield f"the Offline query had {size} samples; closed needs {benchmark.min_offline_samples}"
