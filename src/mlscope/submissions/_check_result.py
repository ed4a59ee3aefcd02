"""The results of one system."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from mlscope.submissions._check_accuracy import check_accuracy
from mlscope.submissions._check_compliance import check_compliance
from mlscope.submissions._check_run import Judged, check_run
from mlscope.submissions._check_system import check_measurements, is_network
from mlscope.submissions._check_tree import check_result_files
from mlscope.submissions._evidence import Scope, text_of
from mlscope.submissions._findings import Severity
from mlscope.submissions._metric import official_metric, readable
from mlscope.submissions._rounds import Benchmark
from mlscope.submissions._runlog import RunLog, read_run
from mlscope.submissions._values import canonical_scenario

__all__ = ["CheckedResult", "ResultChecker"]


@dataclasses.dataclass(frozen=True, slots=True)
class CheckedResult:
    """One result of a submission."""

    folder: str
    """Path below the root."""
    division: str
    submitter: str
    system: str
    benchmark: str | None
    """The official name; None: unknown."""
    scenario: str
    inferred_from: str | None
    """The scenario that was measured, where the result is inferred."""
    checked: bool
    """Whether all rules were looked at, or only the structure."""
    value: float | None
    unit: str | None
    """`ms`, `samples/s` or `samples/query` (MultiStream of v0.5)."""
    accuracy: float | None
    """Percent."""


class ResultChecker:
    """Checks the results of one system.

    Args:
        scope: Where findings go.
        base: ``DIVISION/SUBMITTER``.
        system: Name of the system.
        description: Its JSON; None: it is missing or broken.
        mapping: Own names of benchmarks → official ones.
    """

    def __init__(
        self,
        scope: Scope,
        base: PurePath,
        system: str,
        description: Mapping[str, Any] | None,
        mapping: Mapping[str, object],
    ) -> None:
        self._scope = scope
        self._base = base
        self._system = system
        self._description = description or {}
        self._mapping = mapping
        self._division = base.parts[0]
        self._runs: dict[str, tuple[str, PurePath, bool]] = {}

    @property
    def _type(self) -> str:
        return str(self._description.get("system_type", ""))

    def check(self, name: str) -> Iterator[CheckedResult]:
        """Check the results in the folder of one benchmark."""
        folder = self._base / "results" / self._system / name
        official = self._scope.round.benchmark_of(name, self._mapping)
        benchmark = self._scope.round.benchmarks.get(official or "")
        scenarios = self._scope.folders(folder)
        if official is None:
            self._scope.findings.add("benchmark-unknown", folder, f"{name} is no benchmark of {self._scope.round.name}")
        elif benchmark is None:
            self._scope.findings.add("not-checked", folder, f"{official} is checked in its structure only")
        elif self._division != "open":
            self._required(folder, benchmark, scenarios)
        for scenario in scenarios:
            spelled = self._scenario(folder / scenario)
            if benchmark is None or spelled is None:
                yield self._structure(folder / scenario, official, spelled)
            else:
                yield self._result(folder / scenario, benchmark, spelled)

    def _required(self, folder: PurePath, benchmark: Benchmark, found: list[str]) -> None:
        if self._scope.round.early_stopping and self._type not in benchmark.required_scenarios:
            if self._description:
                self._scope.findings.add(
                    "benchmark-category",
                    folder,
                    f"{self._scope.round.name} takes {benchmark.name} of {' | '.join(benchmark.required_scenarios)} "
                    f"systems, this one is {self._type or 'of no type'}",
                )
            return
        wanted = benchmark.required_scenarios.get(self._type, ())
        there = {canonical_scenario(each) for each in found}
        if missing := [each for each in wanted if each not in there]:
            self._scope.findings.add("scenario-missing", folder, f"missing: {', '.join(missing)}")
        for each in found:
            if wanted and canonical_scenario(each) not in {*wanted, None}:
                self._scope.findings.add("scenario-unknown", folder / each, f"{benchmark.name} has no {each} here")

    def _scenario(self, folder: PurePath) -> str | None:
        name = canonical_scenario(folder.name)
        if name is None:
            self._scope.findings.add("scenario-unknown", folder, f"{folder.name} is no scenario")
        elif name != folder.name and self._scope.round.early_stopping:
            severity: Severity = "warning" if folder.name.islower() else "error"  # the official one ends in a KeyError
            self._scope.findings.add("scenario-spelling", folder, f"it is spelled {name}", severity)
        return name

    def _beside(self, folder: PurePath, other: str | None) -> PurePath:
        """The folder of the same result below another folder than `results`."""
        return self._base / (other or "results") / PurePath(*folder.parts[3:])

    def _measurements(self, folder: PurePath, scenario: str) -> None:
        check_measurements(
            self._scope,
            self._beside(folder, self._scope.round.measurements_folder),
            self._system,
            scenario,
            self._division != "open",
        )

    def _structure(self, folder: PurePath, official: str | None, scenario: str | None) -> CheckedResult:
        if "config.yaml" not in self._scope.files(folder):  # results of MLPerf Endpoints have other files
            self._measurements(folder, scenario or folder.name)
            for run in ("performance/run_1", "accuracy"):
                self._logs_there(folder / run)
        return self._checked(folder, official, scenario or folder.name, None, None, checked=False)

    def _logs_there(self, run: PurePath) -> None:
        for name in ("mlperf_log_summary.txt", "mlperf_log_detail.txt"):
            if self._scope.size(run / name) is None:
                self._scope.findings.add("log-missing", run / name, "the file is missing")

    def _result(self, folder: PurePath, benchmark: Benchmark, scenario: str) -> CheckedResult:
        scope = self._scope
        judged = Judged(
            scope.round, benchmark, self._division, scenario, self._type, network=is_network(self._description)
        )
        tests = self._beside(folder, scope.round.compliance_folder)
        self._measurements(folder, scenario)
        runs = check_result_files(scope, folder, tests)
        performance = self._performance(folder / "performance", runs, judged)
        accuracy_log = read_run(scope, folder / "accuracy")
        accuracy = check_accuracy(scope, folder / "accuracy", accuracy_log, judged)
        inferred = _inferred_from(performance, scenario)
        self._once("performance", folder / "performance" / "run_1", inferred is not None)
        self._once("accuracy", folder / "accuracy", inferred is not None)
        if judged.closed:
            for test, run in check_compliance(scope, tests, performance, judged):
                self._once(test, run, inferred is not None)
        return self._checked(folder, benchmark.name, scenario, performance, accuracy, checked=True)

    def _performance(self, folder: PurePath, runs: list[str], judged: Judged) -> RunLog | None:
        count = judged.round.performance_runs.get(judged.scenario, 1)
        first = None
        for number_of_run in range(1, count + 1):
            name = f"run_{number_of_run}"
            self._logs_there(folder / name)
            log = read_run(self._scope, folder / name)
            if log is not None:
                check_run(self._scope, folder / name, log, judged)
                first = first or log
        for name in runs:
            if int(name.removeprefix("run_")) not in range(1, count + 1) and judged.round.early_stopping:
                self._scope.findings.add("extra-run", folder / name, f"{judged.scenario} has {count}")
        return first

    def _once(self, role: str, run: PurePath, inferred: bool) -> None:
        """A detail log stands in one place, but for inferred results."""
        file = run / "mlperf_log_detail.txt"
        if self._scope.size(file) is None:
            return
        if (sha256 := self._scope.digest(file)) is None:
            return
        other = self._runs.setdefault(sha256, (role, file, inferred))
        if other[1] == file or (other[0] == role and (inferred or other[2])):
            return
        self._scope.findings.add("log-twice", file, f"it is the log of {other[1]}")

    def _checked(
        self,
        folder: PurePath,
        benchmark: str | None,
        scenario: str,
        log: RunLog | None,
        accuracy: float | None,
        *,
        checked: bool,
    ) -> CheckedResult:
        metric = official_metric(log.logs, scenario, benchmark or "") if log else None
        value, unit = readable(metric.value, metric.unit) if metric else (None, None)
        return CheckedResult(
            folder=folder.as_posix(),
            division=self._division,
            submitter=self._base.parts[1],
            system=self._system,
            benchmark=benchmark,
            scenario=scenario,
            inferred_from=_inferred_from(log, scenario),
            checked=checked,
            value=value,
            unit=unit,
            accuracy=accuracy,
        )


def _inferred_from(log: RunLog | None, scenario: str) -> str | None:
    measured = canonical_scenario(text_of(log.values, "effective_scenario")) if log else None
    return measured if measured not in (None, scenario) and scenario != "Interactive" else None
