"""Runs of submissions, made by hand: sealed run folders as `mlscope submission run` leaves them, of a few samples."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from mlscope import results
from mlscope.plan import (
    DatasetChoice,
    ExecutionChoice,
    FrameworkChoice,
    LoadChoice,
    LoadRequest,
    ModelChoice,
    Plan,
    Request,
    WeightsChoice,
)
from mlscope.results import AccuracyResult, LoadGenResult, Record, RunFolder, System, Timings
from mlscope.submissions import AUDITS, Benchmark, Round, find_round

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SAMPLES = 20
RIGHT = 16
"""Answers that are right: 80 %."""

USER_CONF = "*.{scenario}.target_latency = 9\n*.{scenario}.min_duration = 600000\n"

SYSTEM: dict[str, str | None] = {
    "submitter": "Acme",
    "status": "available",
    "system_type": "edge",
    "system_type_detail": "edge server",
    "system_name": "Lab 1",
    "number_of_nodes": "1",
    "host_processors_per_node": "1",
    "host_processor_model_name": "Test CPU",
    "host_processor_core_count": "2",
    "host_processor_frequency": "2.00 GHz",
    "host_processor_caches": "L2 1 MiB",
    "host_processor_interconnect": "",
    "host_memory_capacity": "8 GiB",
    "host_memory_configuration": "1x 8 GB DDR4",
    "host_storage_type": "SSD",
    "host_storage_capacity": "1 TB",
    "host_networking": "Gigabit Ethernet",
    "host_networking_topology": "N/A",
    "host_network_card_count": "1",
    "accelerators_per_node": "0",
    "accelerator_model_name": "N/A",
    "accelerator_host_interconnect": "N/A",
    "accelerator_frequency": "N/A",
    "accelerator_on-chip_memories": "N/A",
    "accelerator_memory_configuration": "N/A",
    "accelerator_memory_capacity": "N/A",
    "accelerator_interconnect": "N/A",
    "accelerator_interconnect_topology": "N/A",
    "cooling": "air",
    "hw_notes": "",
    "operating_system": "Linux; 6.1",
    "other_software_stack": "CPython 3.11.7",
    "sw_notes": "",
}

_METRICS: Mapping[str, tuple[str, str, float, str]] = {
    # scenario: key of the detail log that judges, metric, value, unit
    "SingleStream": ("early_stopping_latency_ss", "90.0th percentile latency", 10_000_000.0, "ns"),
    "MultiStream": ("early_stopping_latency_ms", "99.0th percentile latency", 80_000_000.0, "ns"),
    "Offline": ("result_samples_per_second", "Samples per second", 100.0, "samples/s"),
}


def small_round(name: str) -> Round:
    """A round whose benchmark asks for as few samples as these runs have."""
    found = find_round(name)
    benchmark: Benchmark = dataclasses.replace(
        found.benchmarks["resnet"], dataset_size=SAMPLES, performance_sample_count=SAMPLES
    )
    return dataclasses.replace(found, benchmarks=MappingProxyType({"resnet": benchmark}))


def make_plan(role: str, scenario: str, **load: Any) -> Plan:
    """The plan of a run."""
    manifest = {
        "name": "Net",
        "version": "1.0",
        "weights": [
            {
                "framework": "onnxruntime",
                "graph": {"source": "https://example.org/net.onnx", "sha256": "1" * 64},
                "tags": ["fp32"],
            }
        ],
        "inputs": [{"type": "image", "element_type": "float32"}],
    }
    choices: dict[str, Any] = {
        "scenario": scenario,
        "mode": "AccuracyOnly" if role == "accuracy" else "PerformanceOnly",
        "sample_count": SAMPLES,
        "performance_count": SAMPLES,
        "model_key": "Net",
        "user_conf": USER_CONF.format(scenario=scenario),
        "audit_conf": AUDITS.get(role),
    }
    return Plan(
        command="benchmark",
        model=ModelChoice(
            name="Net",
            version="1.0",
            manifest=manifest,
            manifest_sha256="2" * 64,
            weights=(WeightsChoice(role="graph", name="net.onnx", sha256="1" * 64),),
        ),
        framework=FrameworkChoice(
            name="onnxruntime", predictor="onnxruntime", version="1.22.1", constraint="*", manifest_constraint="*"
        ),
        dataset=DatasetChoice(name="pictures", version="1.0", sha256="3" * 64, count=SAMPLES, total=SAMPLES),
        execution=ExecutionChoice(batch_size=1, partition_list_size=1, threads=2),
        load=LoadChoice(**{**choices, **load}),
    )


def make_run(
    home: Path,
    role: str,
    scenario: str = "SingleStream",
    *,
    round_name: str = "v6.1",
    number: int = 0,
    kind: str = "own",
    validity: str = "VALID",
    score: float = 1.0,
    right: int = RIGHT,
    settings: Mapping[str, Any] | None = None,
    plan: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Record:
    """Seal a run and put it into the index of the current home.

    Args:
        home: The current home.
        role: `accuracy`, `performance`, `TEST01` or `TEST04`.
        scenario: LoadGen's scenario.
        round_name: Whose seeds were used.
        number: Seconds after the first run.
        kind: Of the record.
        validity: LoadGen's verdict.
        score: Factor of the metric.
        right: How many answers are right.
        settings: TestSettings that were otherwise.
        plan: Fields of the plan's load that were otherwise.
        changes: Fields of the record that are otherwise.
    """
    seeds = find_round(round_name).seeds
    key, metric, value, unit = _METRICS[scenario]
    timed = role != "accuracy"
    effective = {
        "qsl_rng_seed": seeds.qsl,
        "sample_index_rng_seed": seeds.sample_index,
        "schedule_rng_seed": seeds.schedule,
        "min_duration_ms": 600_000,
        "performance_sample_count_override": SAMPLES,
        **(settings or {}),
    }
    fields: dict[str, Any] = {
        "id": results.new_id(),
        "kind": kind,
        "status": "complete",
        "created_at": START + timedelta(seconds=number),
        "command": "benchmark",
        "plan_id": "0123456789abcdef",
        "experiment": "mine",
        "model_name": "Net",
        "model_version": "1.0",
        "dataset_name": "pictures",
        "framework_name": "onnxruntime",
        "framework_version": "1.22.1",
        "batch_size": 1,
        "using_gpu": False,
        "trace_level": "APPLICATION_TRACE",
        "scenario": scenario,
        "mode": "PerformanceOnly" if timed else "AccuracyOnly",
        "system": System(
            hostname="lab1",
            machine_architecture="amd64",
            cpu_name="Test CPU",
            cpu_count=2,
            memory_bytes=8 << 30,
            operating_system="Linux",
            kernel="6.1",
            python="CPython 3.11.7",
        ),
        "lock_sha256": "0" * 64,
        "mlscope_version": "0.1.0",
        "accuracy": None if timed else _accuracy(right),
        "loadgen": LoadGenResult(
            version="6.0.17",
            scenario=scenario,
            mode="PerformanceOnly" if timed else "AccuracyOnly",
            validity=validity if timed else None,
            failed_conditions=("it was too short",) if validity == "INVALID" else (),
            metric=metric if timed else None,
            metric_value=score * value if timed else None,
            metric_unit=unit if timed else None,
            effective_settings=effective,
            summary={"samples_per_query": "24576"},
        ),
        "timings": Timings(total_ns=1_000_000),
    }
    record = Record(**{**fields, **changes})
    run = RunFolder.create(home / "runs", record.id)
    _write(run.path, role, scenario, make_plan(role, scenario, **(plan or {})), right)
    _logs(run.path / "loadgen", role, scenario, {key: score * value, "result_validity": validity}, right)
    sealed, folder = run.seal(record)
    results.open_store().put(sealed, folder, blobs=[])
    return sealed


def whole_scenario(home: Path, scenario: str = "SingleStream", tests: bool = True, **traits: Any) -> None:
    """All runs of a scenario."""
    for role in ("accuracy", "performance", *(("TEST01", "TEST04") if tests else ())):
        make_run(home, role, scenario, **traits)


def _accuracy(right: int) -> AccuracyResult:
    return AccuracyResult(
        evaluated=SAMPLES,
        failed=0,
        top1_good=right,
        top5_good=None,
        top1=right / SAMPLES,
        top1_low=0.5,
        top1_high=0.9,
        top5=None,
        top5_low=None,
        top5_high=None,
    )


def _write(folder: Path, role: str, scenario: str, plan: Plan, right: int) -> None:
    load = LoadRequest(
        scenario=scenario,
        mode="AccuracyOnly" if role == "accuracy" else "PerformanceOnly",
        user_conf=Path("/somewhere/user.conf"),
        audit_conf=Path("/somewhere/audit.conf") if role in AUDITS else None,
    )
    request = Request(
        command="benchmark", model_name="/models/net.yml", dataset_name="pictures", batch_size=1, threads=2, load=load
    )
    (folder / "plan.json").write_text(plan.model_dump_json(indent=2))
    (folder / "request.json").write_text(request.model_dump_json(indent=2))
    (folder / "lock.json").write_text(json.dumps({"kind": "host", "packages": [{"name": "numpy", "version": "2.0"}]}))
    if role == "accuracy":
        labels = np.array([row % 10 for row in range(SAMPLES)])
        results.write_predictions(
            folder / "predictions.parquet",
            {"sample_index": np.arange(SAMPLES), "label": labels, "top1": answers(right).astype(np.int64)},
        )


def answers(right: int = RIGHT) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The model's answers: the first `right` ones are right."""
    labels = np.array([row % 10 for row in range(SAMPLES)], np.float32)
    labels[right:] += 1
    return labels


def _logs(folder: Path, role: str, scenario: str, values: Mapping[str, object], right: int) -> None:
    """LoadGen's logs, as short as they can be."""
    folder.mkdir()
    told: dict[str, object] = {"loadgen_version": "6.0.17", "effective_scenario": scenario, **values}
    if role == "accuracy":
        told = {"loadgen_version": "6.0.17", "effective_scenario": scenario, "effective_accuracy_sample_count": SAMPLES}
    lines = [
        f":::MLLOG {json.dumps({'key': key, 'value': value, 'time_ms': 1.0, 'namespace': 'mlperf::logging'})}\n"
        for key, value in told.items()
    ]
    (folder / "mlperf_log_detail.txt").write_text("".join(lines))
    (folder / "mlperf_log_summary.txt").write_text("\nNo errors encountered during test.\n")
    logged = {"accuracy": range(SAMPLES), "TEST01": range(0, SAMPLES, 3)}.get(role, range(0))
    data = answers(right)
    entries = [
        f'{{ "seq_id" : {number}, "qsl_idx" : {row}, "data" : "{data[row].tobytes().hex().upper()}" }}'
        for number, row in enumerate(logged)
    ]
    (folder / "mlperf_log_accuracy.json").write_text("[\n" + ",\n".join(entries) + "\n]\n")
