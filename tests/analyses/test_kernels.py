"""GPU kernels from a file that was written by hand: one by one, by name, by layer, of the model, and their launches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlscope.results import Evaluation, Kernel
from tests.analyses.records import record
from tests.analyses.traced import calls, kernels, layer, layers, rows, sealed

LEVEL: dict[str, Any] = {"trace_level": "SYSTEM_LIBRARY_TRACE", "using_gpu": True}


def kernel(call: int, layer_index: int | None, name: str, begin_us: float, time_us: float, **told: Any) -> Kernel:
    launched = round(1e3 * begin_us) - 9_000
    launch = {"launch_name": "cudaLaunchKernel", "launch_begin_ns": launched, "launch_end_ns": launched + 4_000}
    fields: dict[str, Any] = launch | {
        "layer_name": "" if layer_index is None else f"layer{layer_index}",
        "layer_type": "Conv",
        "correlation_id": round(begin_us),
        "grid": "64x1x1",
    }
    times = round(1e3 * begin_us), round(1e3 * (begin_us + time_us))
    return Kernel(call, name, *times, layer_index=layer_index, **(fields | told))


def measured(**told: Any) -> dict[str, Any]:
    return {"flops_fp32": 1000.0, "dram_read_bytes": 60.0, "dram_write_bytes": 40.0, "achieved_occupancy": 0.5} | told


@pytest.fixture
def traced(home: Path) -> Evaluation:
    """Two calls; layer 0 has two kernels of the same name, layer 1 one."""
    found = []
    for call in (0, 1):
        begin = 1000 * call
        found += [
            kernel(call, 0, "sgemm", begin + 10, 4, **measured()),
            kernel(call, 0, "sgemm", begin + 20, 6, **measured(achieved_occupancy=1.0)),
            kernel(call, 1, "relu", begin + 30, 2 + 2 * call, **measured(flops_fp32=None, flops_fp16=10.0)),
        ]
    return sealed(home, kernels(*found), **LEVEL)


def test_one_by_one(traced: Evaluation) -> None:
    found = rows("kernels", traced)
    assert [(row["layer_index"], row["kernel_name"], row["kernel_number"]) for row in found] == [
        (0, "sgemm", 0), (0, "sgemm", 1), (1, "relu", 0),
    ]  # fmt: skip
    assert [row["kernel_duration_us"] for row in found] == [4, 6, 3]
    first = found[0]
    assert (first["calls"], first["runs"], first["kernel_flops"]) == (2, 1, 1000)
    assert first["kernel_intensity_flops_per_byte"] == 10
    assert first["kernel_gflops_per_s"] == 0.25
    assert first["kernel_memory_bound"] is None
    assert first["layer_duration_us"] is None


def test_by_name(traced: Evaluation) -> None:
    sgemm, relu = rows("kernels", traced, by="name")
    assert (sgemm["kernel_name"], sgemm["kernel_count"], sgemm["kernel_duration_us"]) == ("sgemm", 2, 10)
    assert (sgemm["kernel_flops"], sgemm["kernel_dram_read_bytes"]) == (2000, 120)
    assert sgemm["kernel_achieved_occupancy"] == pytest.approx((0.5 * 4 + 1.0 * 6) / 10)
    assert (relu["kernel_count"], relu["kernel_flops"]) == (1, 10)


def test_by_layer_with_times_of_the_runs_that_were_traced_less_deeply(traced: Evaluation, home: Path) -> None:
    plain = rows("kernels", traced, by="layer")
    assert [(row["layer_index"], row["layer_duration_us"], row["layer_cpu_duration_us"]) for row in plain] == [
        (0, None, None), (1, None, None),
    ]  # fmt: skip
    framework = sealed(home, layers(layer(0, 25), layer(1, 2)), trace_level="FRAMEWORK_TRACE", using_gpu=True)
    first, second = rows("kernels", traced, framework, by="layer")
    assert (first["kernel_count"], first["layer_duration_us"]) == (2, 25)
    assert (first["layer_gpu_duration_us"], first["layer_cpu_duration_us"]) == (10, 15)
    assert (second["layer_gpu_duration_us"], second["layer_cpu_duration_us"]) == (3, 0)
    assert first["layer_flops"] == 2000


def test_of_the_whole_model(traced: Evaluation, home: Path) -> None:
    model = sealed(home, calls([50, 50]), trace_level="MODEL_TRACE", using_gpu=True)
    (row,) = rows("kernels", traced, model, by="model")
    assert (row["kernel_count"], row["model_duration_us"], row["model_gpu_duration_us"]) == (3, 50, 13)
    assert (row["model_flops"], row["model_dram_write_bytes"]) == (2010, 120)
    by_name = rows("kernels", traced, model, by="name")
    assert [row["model_duration_share"] for row in by_name] == [0.2, 0.06]


def test_memory_bound_needs_the_gpus_ceilings(home: Path) -> None:
    gpu = {"name": "G", "peak_gflops": 1000.0, "memory_gigabytes_per_s": 50.0, "driver_version": "550.1"}
    system = record().system.model_copy(update={"gpu_names": ("G",), "details": {"gpus": [gpu]}})
    found = kernels(kernel(0, 0, "a", 10, 4, **measured()), kernel(0, 0, "b", 20, 4, **measured(flops_fp32=9000.0)))
    run = sealed(home, found, system=system, **LEVEL)
    assert [row["kernel_memory_bound"] for row in rows("kernels", run)] == [True, False]
    assert {(row["gpu_name"], row["gpu_driver"]) for row in rows("kernels", run)} == {("G", "550.1")}
    roof = rows("roofline", run, by="kernel")
    assert [(row["bound"], row["ceiling_gflops_per_s"]) for row in roof] == [("memory", 500), ("compute", 1000)]


def test_times_come_from_the_shallowest_level_and_metrics_from_all(home: Path) -> None:
    plain = sealed(home, kernels(kernel(0, 0, "a", 10, 4)), **LEVEL)
    deep: dict[str, Any] = LEVEL | {"trace_level": "HARDWARE_TRACE"}
    flops = sealed(home, kernels(kernel(0, 0, "a", 10, 400, flops_fp32=8.0, metrics='{"ipc": 2.5}')), **deep)
    bytes_ = sealed(home, kernels(kernel(0, 0, "a", 10, 300, dram_read_bytes=2.0, dram_write_bytes=2.0)), **deep)
    (row,) = rows("kernels", plain, flops, bytes_)
    assert (row["kernel_duration_us"], row["kernel_flops"], row["kernel_intensity_flops_per_byte"]) == (4, 8, 2)
    assert json.loads(str(row["metrics"])) == {"ipc": 2.5}


def test_only_some_names_or_the_longest(traced: Evaluation) -> None:
    assert [row["kernel_name"] for row in rows("kernels", traced, names=("relu",))] == ["relu"]
    assert [row["kernel_duration_us"] for row in rows("kernels", traced, top=2)] == [6, 4]
    assert [row["layer_index"] for row in rows("kernels", traced, by="layer", top=1)] == [0]


def test_kernels_without_a_layer_or_metrics(home: Path) -> None:
    run = sealed(home, kernels(kernel(0, None, "memset", 10, 1)), **LEVEL)
    (row,) = rows("kernels", run, by="layer")
    assert (row["layer_index"], row["kernel_count"], row["layer_flops"]) == (None, 1, None)
    (row,) = rows("roofline", run, by="kernel")
    assert (row["flops"], row["bound"]) == (None, None)


def test_launches(traced: Evaluation) -> None:
    sgemm, relu = rows("cuda_launch", traced)
    assert (sgemm["launch_name"], sgemm["kernel_name"], sgemm["launches"], sgemm["calls"]) == (
        "cudaLaunchKernel", "sgemm", 4, 2,
    )  # fmt: skip
    assert (sgemm["launch_duration_us"], sgemm["kernel_delay_us"]) == (4, 9)
    assert json.loads(str(sgemm["tags"])) == {"device": 0, "stream": 0, "grid": "64x1x1"}
    assert (relu["durations_us"], relu["correlation_ids"]) == ("4 4", "30 1030")


@pytest.mark.parametrize("by", ["kernel", "name", "layer", "model"])
def test_on_a_cpu_there_are_none(home: Path, by: str) -> None:
    assert rows("kernels", sealed(home, calls([1])), by=by) == []
