"""Performance runs of a submission, and those of its compliance tests."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from types import MappingProxyType

from mlscope.submissions._compliance import AUDITED
from mlscope.submissions._evidence import Scope, number, text_of
from mlscope.submissions._findings import Severity
from mlscope.submissions._rounds import Benchmark, Round, Seeds, round_of_seeds
from mlscope.submissions._runlog import RunLog
from mlscope.submissions._values import canonical_scenario

__all__ = ["INFERABLE", "Judged", "check_run"]

INFERABLE = frozenset({("SingleStream", "MultiStream"), ("SingleStream", "Offline"), ("MultiStream", "Offline")})
"""(measured, inferred from it)"""

_DETAIL, _SUMMARY = "mlperf_log_detail.txt", "mlperf_log_summary.txt"
_SAMPLES_PER_QUERY = MappingProxyType({"SingleStream": 1, "MultiStream": 8, "Server": 1})
_PERCENTILES = MappingProxyType({"SingleStream": 0.9, "MultiStream": 0.99, "Server": 0.99})
_METRICS = MappingProxyType(
    {
        "Offline": "result_samples_per_second",
        "SingleStream": "early_stopping_latency_ss",
        "MultiStream": "early_stopping_latency_ms",
        "Server": "result_completed_samples_per_sec",
    }
)
_NEEDED = (
    "effective_scenario",
    "effective_test_mode",
    "effective_min_duration_ms",
    "effective_min_query_count",
    "effective_samples_per_query",
    "effective_performance_sample_count",
    "effective_qsl_rng_seed",
    "effective_sample_index_rng_seed",
    "effective_schedule_rng_seed",
    "result_validity",
)
_CLOCK_SLACK_MS = 1000  # LoadGen's wall clock begins a little after its own

_Fault = tuple[str, str] | tuple[str, str, Severity]


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """What a run is judged as."""

    round: Round
    benchmark: Benchmark
    division: str
    scenario: str
    """Of its folder."""
    system_type: str
    network: bool = False
    test: str | None = None
    """The compliance test that it belongs to."""

    @property
    def closed(self) -> bool:
        """Whether the rules of the closed division hold (those of network are the same)."""
        return self.division != "open"

    @property
    def where_open(self) -> Severity:
        """An error in closed, a warning in the open division, whose constraints are relaxed."""
        return "error" if self.closed else "warning"


def check_run(scope: Scope, folder: PurePath, log: RunLog, judged: Judged) -> None:
    """Check one performance run.

    Args:
        scope: Where findings go.
        folder: The run's folder.
        log: What LoadGen wrote there.
        judged: What it shall be.
    """
    missing = [key for key in _NEEDED if key not in log.values]
    if missing and judged.round.early_stopping:
        scope.findings.add("log-broken", folder / _DETAIL, f"it does not say {', '.join(missing)}")
    for check in _CHECKS:
        for rule, message, *severity in check(log, judged):
            scope.findings.add(rule, folder / _DETAIL, message, *severity)
    for message in _contradictions(log):
        scope.findings.add("log-contradiction", folder / _SUMMARY, message)


def _contradictions(log: RunLog) -> Iterator[str]:
    """Where the summary does not tell of the run of the detail log."""
    for key, name in (("result_validity", "validity"), ("effective_scenario", "scenario")):
        detail, summary = text_of(log.values, key), log.summary.get(name)
        if detail and summary and detail != summary:
            yield f"its {name} is {summary}, in the detail log {detail}"


def _mode(log: RunLog, _: Judged) -> Iterator[_Fault]:
    mode = text_of(log.values, "effective_test_mode")
    if mode not in {"", "PerformanceOnly", "SubmissionRun"}:
        yield "run-mode", f"the run was made in {mode}"


def _scenario(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    measured = canonical_scenario(text_of(log.values, "effective_scenario"))
    wanted = judged.scenario
    if measured is None or measured == wanted or (measured, wanted) == ("Server", "Interactive"):
        return
    if (measured, wanted) not in INFERABLE:
        yield "run-scenario", f"the run is of {measured}, which {wanted} cannot be inferred from"
    elif "edge" not in judged.system_type:
        yield "run-scenario", f"{wanted} is inferred from {measured} on a system that is {judged.system_type}"
    elif judged.test is None:
        yield "run-inferred", f"{wanted} is inferred from {measured}"


def _seeds(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    names = ("qsl", "sample_index", "schedule")
    found = {name: number(log.values, f"effective_{name}_rng_seed") for name in names}
    wrong = [name for name in names if found[name] not in (None, getattr(judged.round.seeds, name))]
    if not wrong:
        return
    other = round_of_seeds(Seeds(*(int(found[name] or 0) for name in names)))
    told = "; ".join(
        f"{name}_rng_seed is {found[name]}, {judged.round.name} has {getattr(judged.round.seeds, name)}"
        for name in wrong
    )
    yield "run-seeds", f"{told}{f'; these are the seeds of {other.name}' if other else ''}"


def _samples(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    count, least = number(log.values, "effective_performance_sample_count"), judged.benchmark.performance_sample_count
    if count is not None and count < least:
        yield "run-samples", f"performance_sample_count is {count}, at least {least} is asked for"


def _latency(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    if judged.round.early_stopping and log.values.get("early_stopping_met") is False:
        told = text_of(log.values, "early_stopping_result") or "LoadGen gives no reason"
        yield "run-early-stopping", f"early stopping is not satisfied: {told}"
    if text_of(log.values, "effective_scenario") != "Server":
        return
    target, most = number(log.values, "effective_target_latency_ns"), judged.benchmark.server_latency_ns
    if target is not None and target > most:
        yield "run-latency", f"the target latency is {target / 1e6:g} ms, at most {most / 1e6:g} ms is allowed"


def _queries(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    scenario = text_of(log.values, "effective_scenario")
    count = number(log.values, "effective_min_query_count")
    least = judged.benchmark.min_queries.get(scenario, 0)
    judged_early = judged.round.early_stopping and scenario != "Offline"
    if count is not None and count < least and not judged_early:
        yield "run-min-queries", f"min_query_count is {count}, at least {least} is asked for"
    samples, least = number(log.values, "effective_samples_per_query"), judged.benchmark.min_offline_samples
    if scenario == "Offline" and judged.division == "closed" and samples is not None and samples < least:
        yield "run-min-queries", f"Offline has {samples} samples, at least {least} are asked for"


def _duration(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    asked, least = number(log.values, "effective_min_duration_ms"), judged.round.min_duration_ms
    if asked is not None and asked < least:
        yield "run-min-duration", f"min_duration is {asked:g} ms, at least {least} ms is asked for"
    problems = [
        what
        for what, key in (("duration", "result_min_duration_met"), ("number of queries", "result_min_queries_met"))
        if log.values.get(key) is False
    ]
    if problems:
        yield "run-short", f"LoadGen says that the least {' and '.join(problems)} was not met"
    took = _took_ms(log.values)
    if took is not None and took < least - _CLOCK_SLACK_MS:
        yield "run-short", f"the run took {took / 1000:.1f} s, at least {least / 1000:g} s is asked for"


def _cut(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    most, made = (number(log.values, key) for key in ("effective_max_query_count", "result_query_count"))
    took = _took_ms(log.values)
    was_short = took is None or took < judged.round.min_duration_ms - _CLOCK_SLACK_MS
    if most and made is not None and made >= most and was_short:
        yield "run-cut", f"max_query_count ended the run after {made} queries"
    longest = number(log.values, "effective_max_duration_ms")
    if longest and longest < judged.round.min_duration_ms:
        yield "run-cut", f"max_duration is {longest:g} ms, shorter than a run has to be"


def _validity(log: RunLog, _: Judged) -> Iterator[_Fault]:
    validity = text_of(log.values, "result_validity")
    if validity not in {"", "VALID"}:
        yield "run-invalid", f"LoadGen calls the run {validity}"


def _shape(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    """Samples of a query and the percentile of the verdict."""
    if not judged.round.early_stopping:
        return  # v0.5 sought the largest number of MultiStream's samples
    scenario = text_of(log.values, "effective_scenario")
    samples, wanted = number(log.values, "effective_samples_per_query"), _SAMPLES_PER_QUERY.get(scenario)
    if wanted is not None and samples is not None and samples != wanted:
        yield "run-samples-per-query", f"{scenario} has {samples:g} samples a query, not {wanted}", judged.where_open
    percentile, usual = number(log.values, "effective_target_latency_percentile"), _PERCENTILES.get(scenario)
    if usual is not None and percentile is not None and abs(percentile - usual) > 1e-9:
        yield "run-percentile", f"{scenario} is judged at {percentile:.4%}, not {usual:.0%}", judged.where_open


def _errors(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    for error in log.errors:
        if judged.test and "Multiple conf files are used" in error:
            continue  # some systems read a test's audit.config themselves, as its README says
        harmless = "Loadgen built with uncommitted changes" in error
        yield "run-errors", f"LoadGen reports: {error}", "warning" if harmless else "error"


def _audit(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    for test, settings in AUDITED.items():
        known = {key: log.values[key] for key in settings if key in log.values}
        if not known:
            continue
        if test == judged.test:
            off = [f"{key} is {value}" for key, value in known.items() if value != settings[key]]
            if off:
                yield "compliance-audit", f"the run was not made as {test}: {', '.join(off)}"
        elif known == dict(settings):
            yield "run-audited", f"the run was made with the audit.config of {test}"


def _metric(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    key = _METRICS.get(text_of(log.values, "effective_scenario"))
    if key is None or not judged.round.early_stopping:
        return
    value = number(log.values, key)
    if value is None or value <= 0:
        yield "run-no-metric", f"the log does not say {key}" if value is None else f"{key} is {value}"
    inferred = judged.scenario == "MultiStream" and key == "early_stopping_latency_ss"
    if inferred and not number(log.values, "early_stopping_latency_ms"):
        yield "run-no-metric", "too few queries to infer MultiStream: early_stopping_latency_ms is 0"


def _network(log: RunLog, judged: Judged) -> Iterator[_Fault]:
    name = text_of(log.values, "sut_name")
    if judged.network and name and "Network SUT" not in name:
        yield "system-network", f"the SUT of a network system is called {name}, without “Network SUT”"


_CHECKS = (
    _mode,
    _scenario,
    _seeds,
    _samples,
    _latency,
    _queries,
    _duration,
    _cut,
    _validity,
    _shape,
    _errors,
    _audit,
    _metric,
    _network,
)


def _took_ms(values: Mapping[str, object]) -> float | None:
    """How long a run took by the wall clock; None: the log does not say."""
    times = []
    for key in ("power_begin", "power_end"):
        try:
            times.append(dt.datetime.strptime(text_of(values, key), "%m-%d-%Y %H:%M:%S.%f"))
        except ValueError:
            return None
    return (times[1] - times[0]).total_seconds() * 1000
