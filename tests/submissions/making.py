"""Small trees of MLPerf results for tests: made up, of both of LoadGen's dialects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RULE = "=" * 48
SEEDS = {
    "qsl_rng_seed": 1780908523862526354,
    "sample_index_rng_seed": 14771362308971278857,
    "schedule_rng_seed": 18209322760996052031,
}


def mllog(key: str, value: object, *, error: bool = False, warning: bool = False) -> str:
    """One line of today's detail log."""
    entry = {
        "key": key,
        "value": value,
        "time_ms": 0.1,
        "namespace": "mlperf::logging",
        "event_type": "POINT_IN_TIME",
        "metadata": {"is_error": error, "is_warning": warning, "file": "loadgen.cc", "line_no": 1, "pid": 1, "tid": 1},
    }
    return f":::MLLOG {json.dumps(entry)}\n"


def detail_text(
    scenario: str = "SingleStream", mode: str = "PerformanceOnly", values: Mapping[str, object] | None = None
) -> str:
    """A detail log of today; `values` replace and add keys."""
    keys: dict[str, object] = {
        "loadgen_version": "5.1.0 @ 091d51f041",
        "test_datetime": "2025-08-01T07:51:19Z",
        "sut_name": "PySUT",
        "qsl_reported_total_count": 50000,
        "effective_scenario": scenario,
        "effective_test_mode": mode,
        "effective_min_duration_ms": 600000,
        "effective_samples_per_query": 8 if scenario == "MultiStream" else 1,
        **{f"effective_{name}": seed for name, seed in SEEDS.items()},
        "loaded_qsl_set": list(range(100)),
        "power_begin": "08-01-2025 07:51:28.000",
        "power_end": "08-01-2025 08:01:28.500",
    }
    if mode == "PerformanceOnly":
        keys |= {
            "result_validity": "VALID",
            "result_min_duration_met": True,
            "result_min_queries_met": True,
            "early_stopping_met": True,
            "result_query_count": 79118,
            "result_qps_without_loadgen_overhead": 131.96,
            "early_stopping_latency_ss": 7627156,
            "early_stopping_latency_ms": 7836918,
            "result_samples_per_second": 140.5,
            "result_completed_samples_per_sec": 130.25,
            "result_min_latency_ns": 7408298,
            "result_max_latency_ns": 19247768,
            "result_mean_latency_ns": 7578057,
            "result_50.00_percentile_latency_ns": 7565442,
            "result_90.00_percentile_latency_ns": 7626305,
            "result_99.00_percentile_latency_ns": 7826359,
        }
    keys |= values or {}
    return "".join(mllog(key, value) for key, value in (keys | {"num_errors": 0}).items() if value is not None)


def summary_text(scenario: str = "SingleStream", validity: str = "VALID", *, seconds: str = "Yes") -> str:
    """A performance run's summary of today."""
    return f"""{RULE}
MLPerf Results Summary
{RULE}
SUT name : PySUT
Scenario : {scenario}
Mode     : PerformanceOnly
90.0th percentile latency (ns) : 7627156
Result is : {validity}
  Min duration satisfied : {seconds}
  Min queries satisfied : Yes
  Early stopping satisfied: Yes

{RULE}
Additional Stats
{RULE}
QPS w/ loadgen overhead         : 131.86
QPS w/o loadgen overhead        : 131.96

Min latency (ns)                : 7408298
Max latency (ns)                : 19247768
Mean latency (ns)               : 7578057
50.00 percentile latency (ns)   : 7565442
90.00 percentile latency (ns)   : 7626305
99.00 percentile latency (ns)   : 7826359

{RULE}
Test Parameters Used
{RULE}
samples_per_query : 1
min_duration (ms): 600000

No warnings encountered during test.

No errors encountered during test.
"""


PLAIN_ACCURACY_SUMMARY = "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n"

SYSTEM: dict[str, Any] = {
    "division": "closed",
    "submitter": "acme",
    "status": "available",
    "system_type": "edge",
    "system_name": "Acme Box",
    "number_of_nodes": "1",
    "host_processor_model_name": "Acme CPU",
    "host_processors_per_node": "2",
    "host_processor_core_count": "16",
    "host_memory_capacity": "125G",
    "accelerators_per_node": "0",
    "accelerator_model_name": "N/A",
    "framework": "onnxruntime v1.22.1",
    "operating_system": "Ubuntu 22.04",
}


def write(path: Path, text: str | bytes) -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def add_result(
    root: Path,
    *,
    division: str = "closed",
    submitter: str = "acme",
    system: str = "box",
    benchmark: str = "resnet50",
    scenario: str = "SingleStream",
    runs: tuple[int, ...] = (1,),
    accuracy: str | None = "accuracy=76.456%, good=38228, total=50000\nhash=" + "a" * 64 + "\n",
    measured: str | None = None,
) -> Path:
    """Write one result as v5.1 has it; the folder of the scenario."""
    home = root / division / submitter
    folder = home / "results" / system / benchmark / scenario
    log = measured or scenario
    for run in runs:
        write(folder / "performance" / f"run_{run}" / "mlperf_log_summary.txt", summary_text(log))
        write(folder / "performance" / f"run_{run}" / "mlperf_log_detail.txt", detail_text(log))
    if accuracy is not None:
        write(folder / "accuracy" / "accuracy.txt", accuracy)
        write(folder / "accuracy" / "mlperf_log_summary.txt", PLAIN_ACCURACY_SUMMARY)
        write(folder / "accuracy" / "mlperf_log_detail.txt", detail_text(log, "AccuracyOnly"))
        write(folder / "accuracy" / "mlperf_log_accuracy.json", "[\n...\n]\n")
    write(home / "systems" / f"{system}.json", json.dumps(SYSTEM | {"submitter": submitter, "division": division}))
    measurements = home / "measurements" / system / benchmark / scenario
    write(measurements / "user.conf", "*.SingleStream.target_latency = 8\n")
    write(measurements / f"{system}.json", json.dumps({"retraining": "no", "input_data_types": "fp32"}))
    write(home / "compliance" / system / benchmark / scenario / "TEST01" / "verify_accuracy.txt", "TEST PASS\n")
    write(home / "code" / benchmark / "README.md", "how\n")
    return folder


def add_plain_result(root: Path, *, scenario: str = "singlestream", metric: str, extra: str = "") -> Path:
    """Write one result as v0.5 has it, with logs of the plain dialect."""
    home = root / "closed" / "acme"
    folder = home / "results" / "board" / "mobilenet" / scenario
    shown = {"singlestream": "Single Stream", "multistream": "Multi Stream"}.get(scenario, scenario.capitalize())
    write(
        folder / "performance" / "run_1" / "mlperf_log_summary.txt",
        f"{RULE}\nMLPerf Results Summary\n{RULE}\nSUT name : SUT\nScenario : {shown}\nMode     : Performance\n"
        f"{metric}\n"
        f"Result is : VALID\n  Min duration satisfied : Yes\n{extra}\n"
        "No warnings encountered during test.\n\nNo errors encountered during test.\n",
    )
    write(folder / "performance" / "run_1" / "mlperf_log_detail.txt", plain_detail(shown))
    write(folder / "accuracy" / "accuracy.txt", "accuracy=71.676%, good=35838, total=50000\n")
    write(home / "systems" / "board.json", json.dumps(SYSTEM | {"framework": "TFLite v1.15.0-rc2"}))
    return folder


def plain_detail(scenario: str) -> str:
    """A detail log of v0.5."""
    lines = [
        "LoadgenVersionInfo:",
        "version : .5a1 @ 413dbabcb3",
        "Date + time of test: 2019-10-10T21:33:27Z",
        "QSL total size: 1024",
        "",
        "Effective Settings:",
        f"Scenario : {scenario}",
        "Test mode : Performance",
        "samples_per_query : 1",
        "min_duration (ms) : 60000",
        "ERROR : CAS failed.",
        'WARNING : Logging allocation detected: "tid" : 3',
    ]
    return "".join(f'"pid": 1, "tid": 1, "ts": 7500ns : {line}\n' for line in lines)
