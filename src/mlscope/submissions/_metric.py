"""Which figure of a test is its result, as each round counts.

Sources: mlcommons/inference, tools/submission (RESULT_FIELD of v0.5, RESULT_FIELD_NEW and its overwrites by benchmark
since), and inference_policies, inference_rules.adoc, for results that are calculated from another scenario's.
"""

from __future__ import annotations

import dataclasses

from mlscope.submissions._logs import LoadGenLog
from mlscope.submissions._values import canonical_scenario

__all__ = ["Metric", "official_metric", "readable"]

_TOKENS = (
    ("gptj", ("result_inferred_tokens_per_second", "result_inferred_completed_tokens_per_second")),
    *((name, ("result_tokens_per_second", "result_completed_tokens_per_second"))
      for name in ("llama", "mixtral", "deepseek", "gpt-oss", "whisper", "qwen")),
)  # fmt: skip
"""Beginning of a benchmark's name → keys of its result in tokens, of Offline and of Server."""
_SAMPLES_OF_INFERRED = 8  # MultiStream from SingleStream


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """A result.

    Attributes:
        name: What it is.
        value: In `unit`.
        unit: ``ns``, ``samples/s``, ``tokens/s`` or ``samples/query``.
        inferred_from: The scenario that was measured, where it is another one.
    """

    name: str
    value: float
    unit: str
    inferred_from: str | None = None


def official_metric(log: LoadGenLog, scenario: str, benchmark: str) -> Metric | None:
    """The result of a performance run.

    Args:
        log: Of the run.
        scenario: The scenario that it was handed in for (the folder's name).
        benchmark: The benchmark's folder.

    Returns:
        The result; None where the logs do not hold it.
    """
    wanted, measured = canonical_scenario(scenario) or log.scenario, log.scenario
    if wanted == "Interactive":
        wanted = "Server"
    if measured is not None and wanted is not None and measured != wanted:
        return _inferred(log, wanted, measured)
    by_scenario = {"SingleStream": _single_stream, "MultiStream": _multi_stream, "Server": _server, "Offline": _offline}
    return by_scenario[wanted](log, benchmark) if wanted in by_scenario else None


def readable(value: float | None, unit: str | None) -> tuple[float | None, str | None]:
    """A result for people: nanoseconds as milliseconds, anything else as it is."""
    return (value / 1e6, "ms") if value is not None and unit == "ns" else (value, unit)


def _single_stream(log: LoadGenLog, benchmark: str) -> Metric | None:
    estimate = log.figure("early_stopping_latency_ss")
    # What a model of language says comes token by token; v5.1 counts its plain percentile.
    if estimate and not benchmark.lower().startswith("llama3"):
        return Metric("early-stopping estimate of the 90th percentile latency", estimate, "ns")
    return _first(log, ("result_90.00_percentile_latency_ns", "90th percentile latency", "ns"))


def _multi_stream(log: LoadGenLog, benchmark: str) -> Metric | None:
    estimate = log.figure("early_stopping_latency_ms")
    if estimate:
        return Metric("early-stopping estimate of the 99th percentile latency", estimate, "ns")
    if "early_stopping_met" in log.results:
        return _first(log, ("result_99.00_percentile_per_query_latency_ns", "99th percentile latency", "ns"))
    streams = log.figure("result_samples_per_query") or _setting(log, "samples_per_query")
    return None if streams is None else Metric("samples per query", streams, "samples/query")


def _server(log: LoadGenLog, benchmark: str) -> Metric | None:
    tokens = _tokens(log, benchmark, 1)
    if tokens is not None:
        return tokens
    completed = ("result_completed_samples_per_sec", "completed samples per second", "samples/s")
    scheduled = ("result_scheduled_samples_per_sec", "scheduled samples per second", "samples/s")
    # Completed queries count since v5.0, whose LoadGen writes them into the detail log.
    today = log.detail is not None and completed[0] in log.detail.values
    return _first(log, completed, scheduled) if today else _first(log, scheduled, completed)


def _offline(log: LoadGenLog, benchmark: str) -> Metric | None:
    tokens = _tokens(log, benchmark, 0)
    return tokens or _first(log, ("result_samples_per_second", "samples per second", "samples/s"))


def _tokens(log: LoadGenLog, benchmark: str, which: int) -> Metric | None:
    for beginning, keys in _TOKENS:
        if benchmark.lower().startswith(beginning):
            value = log.figure(keys[which])
            return Metric("tokens per second", value, "tokens/s") if value else None
    return None


def _first(log: LoadGenLog, *choices: tuple[str, str, str]) -> Metric | None:
    for key, name, unit in choices:
        if (value := log.figure(key)) is not None:
            return Metric(name, value, unit)
    return None


def _setting(log: LoadGenLog, name: str) -> float | None:
    value = log.settings.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _inferred(log: LoadGenLog, wanted: str, measured: str) -> Metric | None:
    """The result of a scenario that was not run, as the rules let it be calculated (edge)."""
    if (wanted, measured) == ("MultiStream", "SingleStream"):
        latency = log.figure("early_stopping_latency_ms") or log.figure("result_99.00_percentile_latency_ns")
        if latency is not None:
            name = "99th percentile latency of 8 samples"
            return Metric(name, latency * _SAMPLES_OF_INFERRED, "ns", measured)
    if (wanted, measured) == ("Offline", "SingleStream"):
        rate = log.figure("result_qps_without_loadgen_overhead")
        if rate is not None:
            return Metric("samples per second", rate, "samples/s", measured)
    if (wanted, measured) == ("Offline", "MultiStream"):
        mean = log.figure("result_mean_query_latency_ns")
        samples = _setting(log, "samples_per_query")
        if mean and samples:
            return Metric("samples per second", samples * 1e9 / mean, "samples/s", measured)
    return None
