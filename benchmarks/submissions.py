"""What trees of MLPerf results cost: to import, to import again, to check. The tree is made up, of the usual size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks._pairs import Ratio
from mlscope.cli._pages import COMMANDS

__all__ = ["make_tree", "submission_trees"]

_SYSTEMS, _BENCHMARKS = (
    20,
    ("resnet50", "retinanet", "bert-99", "3d-unet-99", "rnnt", "dlrm", "gptj", "sdxl", "yolo", "gnmt"),
)
_SCENARIOS = ("SingleStream", "MultiStream", "Offline")
_SEEDS = {
    "qsl_rng_seed": 1780908523862526354,
    "sample_index_rng_seed": 14771362308971278857,
    "schedule_rng_seed": 18209322760996052031,
}
_METADATA = {
    "is_error": False,
    "is_warning": False,
    "file": "/inference/loadgen/test_settings_internal.cc",
}
_BESIDE = ("cpu_info.json", "os_info.json", "pip_freeze.json", "model-info.json", "version_info.json", "console.out")
"""What the usual tools leave beside a run's logs."""


def _detail(scenario: str, mode: str) -> str:
    values: dict[str, object] = {"loadgen_version": "5.1.0 @ 091d51f041", "test_datetime": "2025-08-01T07:51:19Z"}
    values |= {
        "loadgen_file_sha1": {f"/file{index}": "012aad77e5206c89d50718c46c119d1f3cb056b2" for index in range(60)}
    }
    settings = {"scenario": scenario, "test_mode": mode, "min_duration_ms": 600000, "min_query_count": 100}
    settings |= {"samples_per_query": 24576 if scenario == "Offline" else 8 if scenario == "MultiStream" else 1}
    settings |= {"performance_sample_count": 1024, "accuracy_sample_count": 50000, **_SEEDS}
    settings |= {f"setting_{index}": index for index in range(40)}
    values |= {f"requested_{name}": each for name, each in settings.items()}
    values |= {f"effective_{name}": each for name, each in settings.items()}
    values |= {"qsl_reported_total_count": 50000, "loaded_qsl_set": list(range(1024))}
    values |= {"power_begin": "08-01-2025 07:51:28.552", "power_end": "08-01-2025 08:01:28.566"}
    if mode == "PerformanceOnly":
        values |= {"result_validity": "VALID", "result_query_count": 79118, "early_stopping_met": True}
        values |= {"early_stopping_latency_ss": 7627156, "early_stopping_latency_ms": 7836918}
        values |= {"result_samples_per_second": 140.5, "result_qps_without_loadgen_overhead": 131.96}
        values |= {f"result_{kind}_latency_ns": 7408298 for kind in ("min", "max", "mean")}
        values |= {f"result_{rank:.2f}_percentile_latency_ns": 7565442 for rank in (50, 90, 95, 97, 99, 99.9)}
    shared = {"time_ms": 0.016941, "namespace": "mlperf::logging", "event_type": "POINT_IN_TIME"}
    lines = [
        json.dumps(
            {"key": key, "value": value, **shared, "metadata": {**_METADATA, "line_no": number, "pid": 1, "tid": 1}}
        )
        for number, (key, value) in enumerate((values | {"num_errors": 0}).items())
    ]
    return "".join(f":::MLLOG {line}\n" for line in lines)


def _summary(scenario: str) -> str:
    rule = "=" * 48
    return (
        f"{rule}\nMLPerf Results Summary\n{rule}\nSUT name : PySUT\nScenario : {scenario}\nMode     : PerformanceOnly\n"
        "90.0th percentile latency (ns) : 7627156\nResult is : VALID\n  Min duration satisfied : Yes\n"
        "  Min queries satisfied : Yes\n  Early stopping satisfied: Yes\n\n"
        "No warnings encountered during test.\n\nNo errors encountered during test.\n"
    )


def make_tree(root: Path) -> tuple[int, int]:
    """Write a tree in the layout of v5.1; how many results and files it has."""
    home = root / "closed" / "acme"
    system = {"division": "closed", "submitter": "acme", "status": "available", "system_type": "edge"}
    system |= {"framework": "onnxruntime v1.22.1", "number_of_nodes": "1", "host_processors_per_node": "2"}
    files: dict[Path, str] = {}
    for number in range(_SYSTEMS):
        files[home / "systems" / f"box{number}.json"] = json.dumps(system | {"system_name": f"Box {number}"}, indent=2)
        for benchmark in _BENCHMARKS:
            for scenario in _SCENARIOS:
                place = Path(f"box{number}") / benchmark / scenario
                files |= _result_files(home, place, scenario, f"{number} {benchmark} {scenario}")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return _SYSTEMS * len(_BENCHMARKS) * len(_SCENARIOS), len(files)


def _result_files(home: Path, place: Path, scenario: str, name: str) -> dict[Path, str]:
    run, accuracy = home / "results" / place / "performance" / "run_1", home / "results" / place / "accuracy"
    performed, answered = _detail(scenario, "PerformanceOnly"), _detail(scenario, "AccuracyOnly")
    truncated = f"{name} {'0' * 4096}\n\n...\n\n{'1' * 4096}"
    files = {
        run / "mlperf_log_summary.txt": _summary(scenario),
        run / "mlperf_log_detail.txt": performed,
        run / "mlperf_log_accuracy.json": "[\n]\n",
        accuracy
        / "mlperf_log_summary.txt": "\nNo warnings encountered during test.\n\nNo errors encountered during test.\n",
        accuracy / "mlperf_log_detail.txt": answered,
        accuracy / "mlperf_log_accuracy.json": truncated,
        accuracy / "accuracy.txt": f"accuracy=76.456%, good=38228, total=50000\nhash={'a' * 64}\n",
        home / "measurements" / place / "user.conf": f"*.{scenario}.target_latency = 8\n",
        home / "measurements" / place / "README.md": f"How {name} was run\n",
        home / "measurements" / place / "box.json": json.dumps({"retraining": "no", "input_data_types": "fp32"}),
    }
    files |= {folder / extra: f"{name} {extra}\n" * 20 for folder in (run, accuracy) for extra in _BESIDE}
    for test in ("TEST01", "TEST04"):
        folder = home / "compliance" / place / test
        files[folder / "verify_performance.txt"] = "TEST PASS\n"
        files[folder / "performance" / "run_1" / "mlperf_log_summary.txt"] = _summary(scenario)
        files[folder / "performance" / "run_1" / "mlperf_log_detail.txt"] = performed
    folder = home / "compliance" / place / "TEST01"
    files[folder / "verify_accuracy.txt"] = "TEST PASS\n"
    files[folder / "accuracy" / "accuracy.txt"] = "accuracy=76.456%, good=38228, total=50000\n"
    files[folder / "accuracy" / "mlperf_log_accuracy.json"] = truncated
    files[home / "code" / place.parts[1] / "README.md"] = "How to run it\n"
    return files


def _run(home: Path, *words: str) -> tuple[float, float, str]:
    """Seconds and megabytes of one mlscope command, and what it printed."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlscope", *words],
        env={**os.environ, "MLSCOPE_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    text = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 23):
        raise SystemExit(f"mlscope {' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024, text


def _row(name: str, value: float, limit: float, unit: str) -> Ratio:
    return Ratio(name, value / limit, None, None, 1, 0, value, limit, unit, "<= 1")


def submission_trees(pairs: int, folder: Path) -> list[Ratio]:
    """Import, second import and check of a tree; one reading of each, against what they may cost."""
    tree, home = folder / "inference_results_v5.1", folder / "home"
    results, files = make_tree(tree)
    what = f"{results} results in {files:,} files"
    seconds, megabytes, text = _run(home, "submission", "import", str(tree), "--format", "json")
    if len(json.loads(text)["added"]) != results:
        raise SystemExit(f"not every result was imported: {text[:200]}")
    rows = [
        _row(f"seconds of `submission import`, {what} / what it may take", seconds, 20, "s"),
        _row("its peak memory / what it may take", megabytes, 500, "MB"),
    ]
    seconds, _, text = _run(home, "submission", "import", str(tree), "--format", "json")
    if json.loads(text) != {"added": [], "known": results, "warnings": 0}:
        raise SystemExit(f"the second import changed something: {text[:200]}")
    rows.append(_row("seconds of a second import / what it may take", seconds, 5, "s"))
    if ("submission", "check") in COMMANDS:
        seconds, _, _ = _run(home, "submission", "check", str(tree), "--format", "json")
        rows.append(_row("seconds of `submission check` / what it may take", seconds, 30, "s"))
    return rows
