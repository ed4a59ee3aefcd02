"""Every field of LoadGen's TestSettings: what it means, and which flag of ``mlscope benchmark`` sets it.

Source: mlcommons/inference, loadgen/test_settings.h. Any field can be set by ``--setting NAME=VALUE``.
"""

from __future__ import annotations

import dataclasses
import difflib

from mlscope.errors import UsageError
from mlscope.plan._plan import Scenario
from mlscope.plan._request import LoadRequest

__all__ = ["SETTINGS", "Setting", "load_settings", "settings_reference"]

EARLY_STOPPING_QUERIES = 662
"""Fewest queries from which LoadGen's early stopping can judge a 99th percentile (its mlperf.conf says the same)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One field of TestSettings."""

    name: str
    kind: type[bool] | type[int] | type[float]
    default: str
    meaning: str
    flag: str = ""


_S = Setting
SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        _S("min_duration_ms", int, "10000", "Shortest test, milliseconds.", "--min-duration"),
        _S("max_duration_ms", int, "0", "Longest test, milliseconds; 0: no limit.", "--max-duration"),
        _S("min_query_count", int, "100 (662 in MultiStream and Server)", "Fewest queries.", "--count-override"),
        _S("max_query_count", int, "0", "Most queries; 0: no limit.", "--count-override"),
        _S("single_stream_expected_latency_ns", int, "measured", "SingleStream: latency from which LoadGen sizes its list of queries.", "--target-latency"),
        _S("single_stream_target_latency_percentile", float, "0.9", "SingleStream: the percentile that is the metric."),
        _S("multi_stream_expected_latency_ns", int, "measured", "MultiStream: latency of a query from which LoadGen sizes its list of queries.", "--target-latency"),
        _S("multi_stream_target_latency_percentile", float, "0.99", "MultiStream: the percentile that is the metric."),
        _S("multi_stream_samples_per_query", int, "8", "MultiStream: samples of one query.", "--samples-per-query"),
        _S("server_target_qps", float, "half of what the warm-up reached", "Server: mean rate of the Poisson arrivals, queries a second.", "--target-qps"),
        _S("server_target_latency_ns", int, "100000000", "Server: latency bound.", "--target-latency"),
        _S("server_target_latency_percentile", float, "0.99", "Server: share of the queries that must keep the bound."),
        _S("server_coalesce_queries", bool, "false", "Server: queries that are due together are issued as one."),
        _S("server_find_peak_qps_decimals_of_precision", int, "1", "FindPeakPerformance: decimals of the rate."),
        _S("server_find_peak_qps_boundary_step_size", float, "1", "FindPeakPerformance: step of the search for the bounds."),
        _S("server_max_async_queries", int, "0", "Server: most queries under way; 0: no limit."),
        _S("server_num_issue_query_threads", int, "0", "Server: issuing threads of the SUT's own; only 0 is supported."),
        _S("offline_expected_qps", float, "1.5 x what the warm-up reached", "Offline: rate from which LoadGen sizes its one query.", "--target-qps"),
        _S("qsl_rng_seed", int, "0", "Seed of the sets of samples that are loaded.", "--seed"),
        _S("sample_index_rng_seed", int, "0", "Seed of the order of samples.", "--seed"),
        _S("schedule_rng_seed", int, "0", "Seed of the arrivals.", "--seed"),
        _S("accuracy_log_rng_seed", int, "0", "Seed of the choice of answers that a performance run logs."),
        _S("accuracy_log_probability", float, "0", "Share of the answers that a performance run logs."),
        _S("accuracy_log_sampling_target", int, "0", "How many answers a performance run logs."),
        _S("performance_sample_count_override", int, "0", "Samples of the performance set; 0: --buffer-size.", "--buffer-size"),
        _S("accuracy_sample_count_override", int, "0", "Samples of an accuracy run; 0: all."),
        _S("performance_issue_unique", bool, "false", "Issue no sample twice (compliance tests)."),
        _S("performance_issue_same", bool, "false", "Issue one sample only (compliance tests)."),
        _S("performance_issue_same_index", int, "0", "Which one."),
        _S("sample_concatenate_permutation", bool, "false", "Issue whole permutations of the performance set."),
        _S("print_timestamps", bool, "false", "Print a time stamp for each response."),
        _S("test05", bool, "false", "Run with the seeds of compliance test 05."),
        _S("test05_qsl_rng_seed", int, "0", "Its seed of the sets of samples."),
        _S("test05_sample_index_rng_seed", int, "0", "Its seed of the order of samples."),
        _S("test05_schedule_rng_seed", int, "0", "Its seed of the arrivals."),
        _S("use_token_latencies", bool, "false", "Token latencies (language models)."),
        _S("ttft_latency", int, "100000000", "Bound of the time to the first token, nanoseconds."),
        _S("tpot_latency", int, "100000000", "Bound of the time of a token, nanoseconds."),
        _S("infer_token_latencies", bool, "false", "Estimate token latencies."),
        _S("token_latency_scaling_factor", int, "0", "Factor of that estimate."),
    )
}  # fmt: skip
"""Field → what it is. ``scenario`` and ``mode`` have flags of their own."""


def load_settings(load: LoadRequest, seed: int) -> dict[str, bool | int | float]:
    """The TestSettings that a request names, by LoadGen's names; hints that nobody named are left out.

    A run with a ``user.conf`` keeps that file's (and the embedded mlperf.conf's) values but where a flag says
    otherwise.

    Raises:
        UsageError: A setting that LoadGen does not have, or that does not go with the scenario.
    """
    found: dict[str, bool | int | float] = {}
    if load.user_conf is None and load.mlperf_conf is None:
        found |= {"qsl_rng_seed": seed, "sample_index_rng_seed": seed, "schedule_rng_seed": seed}
        if load.scenario in ("MultiStream", "Server"):
            found["min_query_count"] = EARLY_STOPPING_QUERIES
    if load.samples_per_query is not None:
        if load.scenario != "MultiStream":
            raise UsageError(f"--samples-per-query goes with MultiStream, not with {load.scenario}")
        found["multi_stream_samples_per_query"] = load.samples_per_query
    if load.count_override is not None:
        found |= {"min_query_count": load.count_override, "max_query_count": load.count_override}
    if load.min_duration_s is not None:
        found["min_duration_ms"] = round(load.min_duration_s * 1000)
    if load.max_duration_s is not None:
        found["max_duration_ms"] = round(load.max_duration_s * 1000)
    return found | _targets(load) | {name: _checked(name, value) for name, value in load.settings.items()}


def _targets(load: LoadRequest) -> dict[str, bool | int | float]:
    rates: dict[Scenario, str] = {"Server": "server_target_qps", "Offline": "offline_expected_qps"}
    latencies: dict[Scenario, str] = {
        "SingleStream": "single_stream_expected_latency_ns",
        "MultiStream": "multi_stream_expected_latency_ns",
        "Server": "server_target_latency_ns",
    }
    found: dict[str, bool | int | float] = {}
    if load.target_qps is not None:
        if load.scenario not in rates:
            raise UsageError(f"--target-qps goes with Server and Offline, not with {load.scenario}")
        found[rates[load.scenario]] = load.target_qps
    if load.target_latency_ms is not None:
        if load.scenario not in latencies:
            raise UsageError(
                f"--target-latency goes with SingleStream, MultiStream and Server, not with {load.scenario}"
            )
        found[latencies[load.scenario]] = round(load.target_latency_ms * 1e6)
    return found


def _checked(name: str, value: bool | int | float) -> bool | int | float:
    setting = SETTINGS.get(name)
    if setting is None:
        near = difflib.get_close_matches(name, SETTINGS, 1)
        hint = f"did you mean {near[0]}?" if near else "docs/loadgen-settings.md lists them all"
        raise UsageError(f"LoadGen has no setting {name!r}", hint=hint)
    if name == "server_num_issue_query_threads" and value:
        raise UsageError(
            "server_num_issue_query_threads: only 0 is supported; LoadGen's Python API cannot register threads"
        )
    if setting.kind is not float and value != int(value):
        raise UsageError(f"{name} is a whole number, not {value}")
    return setting.kind(value)


def settings_reference() -> str:
    """Markdown table of all settings."""
    rows = [
        f"| `{s.name}` | {s.kind.__name__} | {s.default} | {s.meaning} | {f'`{s.flag}`' if s.flag else ''} |"
        for s in SETTINGS.values()
    ]
    return "\n".join(
        [
            "# LoadGen's TestSettings",
            "",
            "Every field can be set by `mlscope benchmark --setting NAME=VALUE`; the last column names the flag that is",
            "easier to remember. Defaults are LoadGen's own but where this page says otherwise. Generated from the code.",
            "",
            "| field | type | default | meaning | flag |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
