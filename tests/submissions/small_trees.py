"""Small submissions that pass, for tests to break: the files are as LoadGen and the official tools write them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlscope.submissions import ROUNDS

SYSTEM, SUBMITTER = "box-onnxruntime", "acme"
SCENARIOS = ("SingleStream", "MultiStream", "Offline")
ACCURACY = "accuracy=76.456%, good=38228, total=50000\n"

_QUERIES = {"SingleStream": 60_000, "MultiStream": 7_500, "Offline": 1, "Server": 270_336}
_RESULTS: dict[str, dict[str, object]] = {
    "SingleStream": {
        "early_stopping_latency_ss": 10_000_000,
        "early_stopping_latency_ms": 12_000_000,
        "result_qps_without_loadgen_overhead": 101.5,
        "result_mean_latency_ns": 9_852_000,
    },
    "MultiStream": {"early_stopping_latency_ms": 80_000_000, "result_mean_query_latency_ns": 78_000_000},
    "Offline": {"result_samples_per_second": 110.25},
    "Server": {"result_completed_samples_per_sec": 80.5},
}
_AUDITED: dict[str, dict[str, object]] = {
    "TEST01": {
        "effective_accuracy_log_rng_seed": 720381539243781796,
        "effective_accuracy_log_sampling_target": 4096,
    },
    "TEST04": {"effective_performance_issue_same": True, "effective_performance_issue_same_index": 3},
}


def values(round_name: str, scenario: str, mode: str = "PerformanceOnly", test: str | None = None) -> dict[str, object]:
    """Key → value of a detail log."""
    seeds = ROUNDS[round_name].seeds
    settings: dict[str, object] = {
        "loadgen_version": "6.0.17 @ d6147c7eb7",
        "test_datetime": f"2026-11-26T05:49:42Z {mode} {scenario} {test}",  # so that no two logs are alike
        "sut_name": "PySUT",
        "qsl_reported_total_count": 50_000,
        "effective_scenario": scenario,
        "effective_test_mode": mode,
        "effective_samples_per_query": {"MultiStream": 8, "Offline": 66_000}.get(scenario, 1),
        "effective_target_latency_ns": 15_000_000 if scenario == "Server" else 0,
        "effective_target_latency_percentile": 0.9 if scenario == "SingleStream" else 0.99,
        "effective_min_duration_ms": 600_000,
        "effective_max_duration_ms": 0,
        "effective_min_query_count": {"Offline": 1, "MultiStream": 662}.get(scenario, 100),
        "effective_max_query_count": 0,
        "effective_qsl_rng_seed": seeds.qsl,
        "effective_sample_index_rng_seed": seeds.sample_index,
        "effective_schedule_rng_seed": seeds.schedule,
        "effective_accuracy_log_rng_seed": 0,
        "effective_accuracy_log_sampling_target": 0,
        "effective_performance_issue_same": False,
        "effective_performance_issue_same_index": 0,
        "effective_performance_sample_count": 1024,
        "effective_accuracy_sample_count": 50_000,
    } | _AUDITED.get(test or "", {})
    if mode == "PerformanceOnly":
        settings |= {
            "power_begin": "11-26-2026 05:49:42.671",
            "power_end": "11-26-2026 05:59:43.100",
            "result_validity": "VALID",
            "result_min_duration_met": True,
            "result_min_queries_met": True,
            "early_stopping_met": True,
            "early_stopping_result": "",
            "result_query_count": _QUERIES[scenario],
            **_RESULTS[scenario],
        }
    return {**settings, "num_errors": 0}


def detail_log(of: Mapping[str, object], *errors: str) -> str:
    """A detail log."""

    def line(key: str, value: object, is_error: bool) -> str:
        entry = {
            "key": key,
            "value": value,
            "time_ms": 0.034,
            "namespace": "mlperf::logging",
            "event_type": "POINT_IN_TIME",
            "metadata": {"is_error": is_error, "is_warning": False, "file": "x.cc", "line_no": 1, "pid": 1, "tid": 1},
        }
        return f":::MLLOG {json.dumps(entry)}\n"

    lines = [line(key, value, False) for key, value in of.items()]
    return "".join([*lines, *(line("error_runtime", error, True) for error in errors)])


def summary_log(of: Mapping[str, object]) -> str:
    """A summary."""
    if of["effective_test_mode"] == "AccuracyOnly":
        return "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n"
    return (
        f"MLPerf Results Summary\nSUT name : PySUT\nScenario : {of['effective_scenario']}\n"
        f"Mode     : PerformanceOnly\nResult is : {of['result_validity']}\n"
        "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n"
    )


@dataclasses.dataclass(frozen=True)
class Tree:
    """One submission on the disk."""

    root: Path
    round_name: str
    division: str
    benchmark: str

    @property
    def base(self) -> Path:
        """Of the submitter."""
        return self.root / self.division / SUBMITTER

    @property
    def apart(self) -> bool:
        """Whether measurements and tests lie apart from the results."""
        return self.round_name < "v6"

    def _below(self, folder: str, scenario: str) -> Path:
        return self.base / folder / SYSTEM / self.benchmark / scenario

    def result(self, scenario: str) -> Path:
        """Folder of a result."""
        return self._below("results", scenario)

    def run(self, scenario: str) -> Path:
        """Folder of the performance run."""
        return self.result(scenario) / "performance" / "run_1"

    def accuracy(self, scenario: str) -> Path:
        """Folder of the accuracy run."""
        return self.result(scenario) / "accuracy"

    def measurements(self, scenario: str) -> Path:
        """Folder of the conf files."""
        return self._below("measurements" if self.apart else "results", scenario)

    def measurements_json(self, scenario: str) -> Path:
        """What the model is."""
        name = f"{SYSTEM}_reference_{scenario}.json" if self.apart else "measurements.json"
        return self.measurements(scenario) / name

    def test(self, scenario: str, name: str) -> Path:
        """Folder of a compliance test."""
        return self._below("compliance" if self.apart else "results", scenario) / name

    def test_run(self, scenario: str, name: str) -> Path:
        """Folder of a compliance test's run."""
        return self.test(scenario, name) / "performance" / "run_1"

    @property
    def system(self) -> Path:
        """Description of the system."""
        return self.base / "systems" / f"{SYSTEM}.json"

    def edit(self, folder: Path, *errors: str, **changes: object) -> None:
        """Change values of a run's detail log, and of its summary with it; None takes the key out."""
        path = folder / "mlperf_log_detail.txt"
        entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in path.read_text().splitlines()]
        now = {entry["key"]: entry["value"] for entry in entries} | changes
        path.write_text(detail_log({key: value for key, value in now.items() if value is not None}, *errors))
        (folder / "mlperf_log_summary.txt").write_text(summary_log({**values("v6.1", "Offline"), **now}))

    def edit_json(self, path: Path, **changes: object) -> None:
        """Change fields of a JSON file; None takes the field out."""
        now: dict[str, Any] = json.loads(path.read_text()) | {key.replace("__", "-"): v for key, v in changes.items()}
        write(path, json.dumps({key: value for key, value in now.items() if value is not None}))


Change = Callable[[Tree], object]


def write(path: Path, text: str | bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def accuracy_log(entries: int = 50_000) -> bytes:
    """An accuracy log, whole."""
    lines = ",\n".join(f'{{ "seq_id" : {n}, "qsl_idx" : {n}, "data" : "00803844" }}' for n in range(entries))
    return f"[\n{lines}\n]\n".encode()


def _write_run(folder: Path, of: Mapping[str, object]) -> None:
    write(folder / "mlperf_log_detail.txt", detail_log(of))
    write(folder / "mlperf_log_summary.txt", summary_log(of))


def _write_accuracy(folder: Path, text: str) -> None:
    whole = accuracy_log(200)
    write(folder / "mlperf_log_accuracy.json", whole[:4096] + b"\n\n...\n\n" + whole[-4096:])
    write(folder / "accuracy.txt", f"{text}\nhash={hashlib.sha256(whole).hexdigest()}\n")


def build(
    root: Path,
    round_name: str = "v6.1",
    division: str = "closed",
    *,
    benchmark: str = "resnet50",
    scenarios: tuple[str, ...] = SCENARIOS,
) -> Tree:
    """Write a submission that passes."""
    tree = Tree(root, round_name, division, benchmark)
    wanted = ROUNDS[round_name]
    described: dict[str, object] = dict.fromkeys(wanted.system_fields, "N/A")
    described |= {"division": division, "submitter": SUBMITTER, "status": "available", "system_type": "edge"}
    described |= {"number_of_nodes": "1", "accelerators_per_node": "0"}
    write(tree.system, json.dumps(described))
    write(tree.base / wanted.code_folder / benchmark / "README.md", "How to run it.\n")
    if division == "closed":
        write(tree.base / "documentation" / "calibration.md", "Nothing is quantised.\n")
    for scenario in scenarios:
        _write_run(tree.run(scenario), values(round_name, scenario))
        _write_run(tree.accuracy(scenario), values(round_name, scenario, "AccuracyOnly"))
        _write_accuracy(tree.accuracy(scenario), ACCURACY)
        write(tree.measurements(scenario) / "README.md", "How to run it.\n")
        write(tree.measurements(scenario) / "user.conf", f"*.{scenario}.target_latency = 10\n")
        write(tree.measurements_json(scenario), json.dumps(_MEASUREMENTS))
        for test in ("TEST01", "TEST04") if division == "closed" else ():
            _write_run(tree.test_run(scenario, test), values(round_name, scenario, test=test))
            write(tree.test(scenario, test) / "verify_performance.txt", "TEST PASS\n")
            if test == "TEST01":
                write(tree.test(scenario, test) / "verify_accuracy.txt", "num_perf_log_entries = 3704\nTEST PASS\n")
                _write_accuracy(tree.test(scenario, test) / "accuracy", "")
    return tree


_MEASUREMENTS = {
    "input_data_types": "fp32",
    "retraining": "N",
    "starting_weights_filename": "resnet50_v1.onnx",
    "weight_data_types": "fp32",
    "weight_transformations": "none",
}
