"""Tests of the official LoadGen, run through the worker."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.worker.protocol import (
    FLAG_VALID,
    FLAG_WARMUP,
    STREAM_SHIFT,
    Failed,
    Loaded,
    LoadTest,
    Quit,
    Ready,
    Tensor,
    TestDone,
)
from tests.worker import models
from tests.worker.conftest import Start
from tests.worker.process import Array, WorkerProcess, column, load_test, rows

SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
X = [Tensor("x", "float32", (2,))]
COUNT = 20
SAMPLES = np.zeros((COUNT, 2), np.float32)
CLASSES = np.random.default_rng(3).integers(0, 4, (COUNT, 1))
"""Samples for ``models.picky``, which answers with the class that it is fed."""


def measured(folder: Path) -> Array:
    """The rows of a test without those of the warm-up."""
    table = rows(folder / "samples.bin")
    flags = column(table, "flags")
    assert set(flags.tolist()) <= {FLAG_VALID, FLAG_VALID | FLAG_WARMUP}
    return np.asarray(table[flags == FLAG_VALID])


def detail(folder: Path) -> dict[str, Any]:
    """LoadGen's detail log: the last value of each key."""
    lines = (folder / "loadgen" / "mlperf_log_detail.txt").read_text().splitlines()
    entries = [json.loads(line.partition(" ")[2]) for line in lines]
    return {entry["key"]: entry["value"] for entry in entries}


def logged(folder: Path) -> list[tuple[int, float]]:
    """(sample, answer) of LoadGen's accuracy log."""
    entries = json.loads((folder / "loadgen" / "mlperf_log_accuracy.json").read_text() or "[]")
    return [(entry["qsl_idx"], struct.unpack("<f", bytes.fromhex(entry["data"]))[0]) for entry in entries]


def output_files(folder: Path, loaded: Loaded, count: int) -> list[str]:
    paths = []
    for number, tensor in enumerate(loaded.outputs):
        path = folder / f"outputs-{number}.npy"
        np.lib.format.open_memmap(path, "w+", np.dtype(tensor.element_type), (count, *tensor.shape[1:]))
        paths.append(str(path))
    return paths


def picky(worker: WorkerProcess, batch: int = 1) -> Loaded:
    path = models.picky(worker.folder / "picky.onnx")
    return worker.load("onnxruntime", [Tensor("x", "int64", (1,))], batch=batch, graph=path)


@pytest.mark.parametrize(("scenario", "batch"), list(itertools.product(SCENARIOS, (1, 3, 4))))
def test_accuracy_mode_asks_for_every_sample_and_logs_the_models_answers(
    worker: WorkerProcess, scenario: str, batch: int
) -> None:
    loaded = picky(worker, batch)
    outputs = output_files(worker.folder, loaded, COUNT)
    command = load_test(
        worker.folder, scenario, "AccuracyOnly", [CLASSES], outputs=outputs, label_offset=1, performance_count=8
    )
    done = worker.ask(command, TestDone)
    table, log = measured(worker.folder), logged(worker.folder)
    assert len(table) == len(log)
    assert sorted(column(table, "sample_index").tolist()) == sorted(index for index, _ in log)
    assert {index for index, _ in log} == set(range(COUNT))
    if scenario != "MultiStream":  # LoadGen fills the last query up with samples that it has asked for already
        assert len(log) == COUNT
    assert all(answer == CLASSES[index, 0] - 1 for index, answer in log)
    np.testing.assert_array_equal(np.load(outputs[0]).argmax(axis=1), CLASSES[:, 0])
    assert done.rows == len(rows(worker.folder / "samples.bin"))


@pytest.mark.parametrize("scenario", ["Server", "Offline"])
@pytest.mark.parametrize(("threads", "batch", "pin"), [(1, 1, False), (2, 3, False), (1, 3, True)])
def test_streams_of_onnxruntime_give_every_sample_its_answer(
    worker: WorkerProcess, scenario: str, threads: int, batch: int, pin: bool
) -> None:
    if pin and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two pinned streams need two cores")
    path = models.picky(worker.folder / "picky.onnx")
    inputs = [Tensor("x", "int64", (1,))]
    loaded = worker.load("onnxruntime", inputs, batch=batch, graph=path, threads=threads, streams=2, pin=pin)
    assert (loaded.effective["streams"], loaded.effective["threads"]) == (2, threads)
    outputs = output_files(worker.folder, loaded, COUNT)
    settings = {"server_target_qps": 1000.0}
    command = load_test(
        worker.folder, scenario, "AccuracyOnly", [CLASSES], outputs=outputs, settings=settings, max_delay_ns=500_000
    )
    done = worker.ask(command, TestDone)
    assert sorted(logged(worker.folder)) == [(index, CLASSES[index, 0]) for index in range(COUNT)]
    np.testing.assert_array_equal(np.load(outputs[0]).argmax(axis=1), CLASSES[:, 0])
    assert done.serving["streams"] == 2
    sizes = {len(cores) for cores in done.serving["cores"]}
    assert sizes == ({1} if pin else {len(os.sched_getaffinity(0))})
    flags = column(rows(worker.folder / "samples.bin"), "flags")
    assert set((flags >> STREAM_SHIFT).tolist()) <= {0, 1}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("predictor", "batch"), [("null", 1), ("null", 4), ("sleep", 1), ("sleep", 4)])
def test_performance_mode_has_a_row_for_every_sample(
    worker: WorkerProcess, scenario: str, predictor: str, batch: int
) -> None:
    worker.load(predictor, X, batch=batch, options={"law": "constant:1ms"} if predictor == "sleep" else {})
    settings = {"min_duration_ms": 100 if predictor == "null" else 200}
    command = load_test(worker.folder, scenario, "PerformanceOnly", [SAMPLES], settings=settings)
    done = worker.ask(command, TestDone)
    table, summary = measured(worker.folder), detail(worker.folder)
    assert summary["result_query_count"] == len(np.unique(column(table, "query"))), "LoadGen counted as many"
    samples = {"MultiStream": 8, "Offline": len(table)}.get(scenario, 1)
    assert len(table) == summary["result_query_count"] * samples
    in_order = np.repeat(np.arange(len(table) // samples), samples)
    assert column(table, "query").tolist() == in_order.tolist(), "queries are numbered as they came"
    sizes = np.bincount(column(table, "batch"))
    assert sizes.max() <= batch
    if scenario in ("MultiStream", "Offline"):
        assert len(sizes) == -(-samples // batch) * (len(table) // samples)
    assert set(column(table, "sample_index").tolist()) <= set(range(COUNT))
    assert (column(table, "scheduled_ns") == -1).all()
    times = table[:, 4:7]
    assert (np.diff(times, axis=1) >= 0).all(), "issued, started, ended"
    assert done.start_ns <= times.min()
    assert times.max() <= done.end_ns
    if scenario != "Offline":  # its one query is sized by a guess of the rate
        assert summary["result_min_duration_met"]
        assert summary["num_errors"] == 0
    assert logged(worker.folder) == []


@pytest.mark.parametrize(("scenario", "batch"), [("SingleStream", 1), ("SingleStream", 4), ("MultiStream", 4)])
def test_rows_tell_the_latencies_that_loadgen_tells(worker: WorkerProcess, scenario: str, batch: int) -> None:
    worker.load("sleep", X, batch=batch, options={"law": "exponential:2ms", "seed": 4})
    worker.ask(load_test(worker.folder, scenario, "PerformanceOnly", [SAMPLES]), TestDone)
    table = measured(worker.folder)
    last = np.flatnonzero(np.diff(column(table, "query"), append=-1))
    first = np.concatenate([[0], last[:-1] + 1])
    latency = np.sort(column(table, "end_ns")[last] - column(table, "issued_ns")[first])
    median = "50.00_percentile_per_query" if scenario == "MultiStream" else "50.00_percentile"
    told = detail(worker.folder)[f"result_{median}_latency_ns"]
    assert abs(latency[len(latency) // 2] - told) < 0.1 * told + 200_000


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_submission_run_is_both(worker: WorkerProcess, scenario: str) -> None:
    picky(worker, 2)
    done = worker.ask(load_test(worker.folder, scenario, "SubmissionRun", [CLASSES]), TestDone)
    log = logged(worker.folder)
    assert {index for index, _ in log} == set(range(COUNT))
    assert all(answer == CLASSES[index, 0] for index, answer in log)
    table = measured(worker.folder)
    assert len(table) > len(log)
    assert detail(worker.folder)["result_validity"] in ("VALID", "INVALID")
    assert done.effective["mode"] == "SubmissionRun"


def test_the_search_for_the_peak_ends(worker: WorkerProcess) -> None:
    """LoadGen doubles the rate until it fails, then halves the gap: some 20 runs of the minimum duration for null."""
    worker.load("null", X)
    settings = {
        "min_duration_ms": 50,
        "server_target_qps": 20_000.0,
        "server_find_peak_qps_decimals_of_precision": 0,
        "server_target_latency_ns": 20_000_000,
    }
    done = worker.ask(load_test(worker.folder, "Server", "FindPeakPerformance", [SAMPLES], settings=settings), TestDone)
    assert done.end_ns - done.start_ns < 60e9
    assert len(measured(worker.folder)) > 1000
    summary = (worker.folder / "loadgen" / "mlperf_log_summary.txt").read_text()
    assert "Mode     : PerformanceOnly" in summary or "target_qps" in summary


def test_a_small_buffer_is_all_that_is_asked_for(worker: WorkerProcess) -> None:
    worker.load("null", X)
    command = load_test(worker.folder, "Server", "PerformanceOnly", [SAMPLES], performance_count=3)
    worker.ask(command, TestDone)
    assert len(set(column(measured(worker.folder), "sample_index").tolist())) == 3


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_count_override_runs_exactly_so_many(worker: WorkerProcess, scenario: str) -> None:
    worker.load("null", X)
    settings = {"min_query_count": 37, "max_query_count": 37, "min_duration_ms": 0}
    worker.ask(load_test(worker.folder, scenario, "PerformanceOnly", [SAMPLES], settings=settings), TestDone)
    samples = {"MultiStream": 8}.get(scenario, 1)
    assert len(measured(worker.folder)) == 37 * samples


def test_several_inputs_and_outputs(worker: WorkerProcess) -> None:
    random = np.random.default_rng(0)
    left, right = random.standard_normal((COUNT, 3)).astype(np.float32), random.integers(0, 99, (COUNT, 3))
    path = models.two_inputs(worker.folder / "two.onnx")
    inputs = [Tensor("left", "float32", (3,)), Tensor("right", "int64", (3,))]
    loaded = worker.load("onnxruntime", inputs, batch=3, graph=path)
    outputs = output_files(worker.folder, loaded, COUNT)
    command = load_test(worker.folder, "Offline", "AccuracyOnly", [left, right], outputs=outputs, output=1)
    worker.ask(command, TestDone)
    np.testing.assert_array_equal(np.load(outputs[0]), left + right.astype(np.float32))
    np.testing.assert_array_equal(np.load(outputs[1]), right + 1)
    assert all(answer == right[index].argmax() for index, answer in logged(worker.folder))


@pytest.mark.parametrize(("scenario", "batch"), [("SingleStream", 1), ("Server", 2), ("Offline", 3)])
def test_a_fixed_batch_is_filled_up(worker: WorkerProcess, scenario: str, batch: int) -> None:
    samples = np.random.default_rng(0).standard_normal((COUNT, 6)).astype(np.float32)
    path = models.dense(worker.folder / "fixed.onnx", batch=4)
    loaded = worker.load("onnxruntime", [Tensor("x", "float32", (6,))], batch=batch, graph=path)
    outputs = output_files(worker.folder, loaded, COUNT)
    worker.ask(load_test(worker.folder, scenario, "AccuracyOnly", [samples], outputs=outputs), TestDone)
    expected = samples @ models.dense_weights(6, 4)
    np.testing.assert_allclose(np.load(outputs[0]), expected, rtol=1e-5, atol=1e-6)
    assert dict(logged(worker.folder)) == {index: float(row.argmax()) for index, row in enumerate(expected)}


def test_without_labels_there_are_answers_without_meaning(worker: WorkerProcess) -> None:
    worker.load("null", X)
    worker.ask(load_test(worker.folder, "SingleStream", "AccuracyOnly", [SAMPLES], answer="none"), TestDone)
    assert {answer for _, answer in logged(worker.folder)} == {0.0}


@pytest.mark.parametrize("trace", [True, False])
def test_the_trace_is_written_when_it_is_wanted(worker: WorkerProcess, trace: bool) -> None:
    worker.load("null", X)
    worker.ask(load_test(worker.folder, "Server", "PerformanceOnly", [SAMPLES], trace=trace), TestDone)
    text = (worker.folder / "loadgen" / "mlperf_log_trace.json").read_text()
    assert ('"Sample"' in text) == trace


# Settings and conf files


def test_every_setting_arrives(worker: WorkerProcess) -> None:
    worker.load("null", X)
    settings = {
        "min_duration_ms": 210,
        "min_query_count": 11,
        "max_query_count": 50,
        "qsl_rng_seed": 2**64 - 1,
        "single_stream_target_latency_percentile": 0.75,
        "performance_issue_same": True,
        "performance_issue_same_index": 2,
    }
    done = worker.ask(
        load_test(worker.folder, "SingleStream", "PerformanceOnly", [SAMPLES], settings=settings), TestDone
    )
    assert settings.items() <= done.effective.items()
    assert done.effective["scenario"] == "SingleStream"
    assert len(set(column(measured(worker.folder), "sample_index").tolist())) == 1
    assert detail(worker.folder)["effective_target_latency_percentile"] == 0.75


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_duration": 1}, "'min_duration' is no field of LoadGen's TestSettings"),
        ({"min_duration_ms": -1}, "TestSettings.min_duration_ms cannot be -1"),
        ({"min_query_count": float("inf")}, "TestSettings.min_query_count cannot be inf"),
        ({"FromConfig": 1}, "TestSettings.FromConfig cannot be 1"),
    ],
)
def test_a_setting_that_makes_no_sense(worker: WorkerProcess, settings: dict[str, Any], message: str) -> None:
    worker.load("null", X)
    failed = worker.ask(
        load_test(worker.folder, "SingleStream", "PerformanceOnly", [SAMPLES], settings=settings), Failed
    )
    assert failed.kind == "option"
    assert message in failed.message
    assert (column(rows(worker.folder / "samples.bin"), "flags") == FLAG_VALID | FLAG_WARMUP).all()


def with_confs(worker: WorkerProcess, confs: dict[str, str], **fields: Any) -> LoadTest:
    """A test without settings but for those of the conf files."""
    paths = {}
    for name, text in confs.items():
        path = worker.folder / f"{name}.txt"
        path.write_text(text)
        paths[name] = str(path)
    mode = fields.pop("mode", "PerformanceOnly")
    command = load_test(worker.folder, "SingleStream", mode, [SAMPLES], **paths, **fields)
    return dataclasses.replace(command, settings=fields.get("settings", {}))


USER = "# mine\n*.SingleStream.min_duration = 220\n*.SingleStream.target_latency = 1\n*.*.qsl_rng_seed = 9\n"
SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")
ROUNDS = {
    "5.0.20": (6023615788873153749, 15036839855038426416, 9933818062894767841),
    **dict.fromkeys(
        ("5.0.24", "5.0.25", "5.1.2", "6.0.3", "6.0.4"),
        (1780908523862526354, 14771362308971278857, 18209322760996052031),
    ),
    **dict.fromkeys(
        ("6.0.5", "6.0.6", "6.0.10", "6.0.13", "6.0.15"),
        (2465351861681999779, 14276810075590677512, 3936089224930324775),
    ),
    **dict.fromkeys(("6.0.16", "6.0.17"), (2085463073848966840, 2747215439041700203, 16159082839903944936)),
}
"""LoadGen wheel → the seeds of its round."""


def test_a_user_conf_stands_on_the_embedded_mlperf_conf(worker: WorkerProcess) -> None:
    worker.load("sleep", X, options={"law": "constant:1ms"})
    done = worker.ask(with_confs(worker, {"user_conf": USER}), TestDone)
    assert done.effective["min_duration_ms"] == 220
    seeds = tuple(done.effective[name] for name in SEEDS)
    assert tuple(detail(worker.folder)[f"effective_{name}"] for name in SEEDS) == seeds
    assert seeds == ROUNDS.get(done.loadgen_version, seeds)
    assert 9 not in seeds
    assert 0 not in seeds
    assert done.effective["single_stream_expected_latency_ns"] == 1e6, "the file's, not a guess"
    assert detail(worker.folder)["num_errors"] == 0


def test_without_conf_files_loadgens_own_defaults_are_active(worker: WorkerProcess) -> None:
    worker.load("null", X)
    done = worker.ask(with_confs(worker, {}, settings={"min_duration_ms": 100}), TestDone)
    assert [done.effective[name] for name in SEEDS] == [0, 0, 0]
    assert done.effective["server_target_latency_ns"] == 100_000_000


MLPERF = (
    "*.*.qsl_rng_seed = 7\n*.*.sample_index_rng_seed = 8\nmodel.*.sample_index_rng_seed = 0x10\n"
    "*.SingleStream.schedule_rng_seed = 18446744073709551615\n"
    "*.SingleStream.min_duration = 170\n*.Server.target_latency = 33\n*.SingleStream.target_latency_percentile = 80\n"
)


def test_a_mlperf_conf_takes_the_place_of_the_embedded_one(worker: WorkerProcess) -> None:
    worker.load("null", X)
    done = worker.ask(with_confs(worker, {"mlperf_conf": MLPERF}), TestDone)
    assert [done.effective[name] for name in SEEDS] == [7, 16, 2**64 - 1]
    assert done.effective["min_duration_ms"] == 170
    assert done.effective["server_target_latency_ns"] == 33_000_000
    assert done.effective["single_stream_target_latency_percentile"] == pytest.approx(0.8)


def test_a_user_conf_stands_on_the_given_mlperf_conf(worker: WorkerProcess) -> None:
    worker.load("null", X)
    done = worker.ask(with_confs(worker, {"mlperf_conf": MLPERF, "user_conf": USER}), TestDone)
    assert [done.effective[name] for name in SEEDS] == [7, 16, 2**64 - 1]
    assert done.effective["min_duration_ms"] == 220
    assert done.effective["single_stream_expected_latency_ns"] == 1e6
    assert done.effective["single_stream_target_latency_percentile"] == pytest.approx(0.8)


def test_settings_go_over_conf_files(worker: WorkerProcess) -> None:
    worker.load("null", X)
    command = with_confs(worker, {"user_conf": USER}, settings={"min_duration_ms": 130, "qsl_rng_seed": 5})
    done = worker.ask(command, TestDone)
    assert (done.effective["min_duration_ms"], done.effective["qsl_rng_seed"]) == (130, 5)


@pytest.mark.parametrize("name", ["user_conf", "mlperf_conf"])
@pytest.mark.parametrize("text", ["*.*.min_duration = long\n", "*.*.min_duration : 5\n", None])
def test_a_conf_file_that_loadgen_refuses(worker: WorkerProcess, name: str, text: str | None) -> None:
    worker.load("null", X)
    command = with_confs(worker, {name: text or ""})
    if text is None:
        (worker.folder / f"{name}.txt").unlink()
    failed = worker.ask(command, Failed)
    assert failed.kind == "option"
    assert f"LoadGen cannot read {worker.folder / name}.txt" in failed.message


@pytest.mark.parametrize("seed", ["1.5", "99999999999999999999999"])
def test_a_seed_that_is_none(worker: WorkerProcess, seed: str) -> None:
    worker.load("null", X)
    failed = worker.ask(with_confs(worker, {"mlperf_conf": f"*.*.qsl_rng_seed = {seed}\n"}), Failed)
    assert failed.kind == "option"
    assert f"*.*.qsl_rng_seed is a seed, a whole number of 64 bits, not '{seed}'" in failed.message


AUDIT = "*.*.mode = 2\n*.*.accuracy_log_rng_seed = 720381539243781796\n*.*.accuracy_log_sampling_target = 5\n"


def test_an_audit_conf_in_the_working_folder_is_not_found_by_accident(worker: WorkerProcess) -> None:
    for folder in (worker.folder, worker.folder / "elsewhere"):
        folder.mkdir(exist_ok=True)
        (folder / "audit.config").write_text("*.*.mode = 1\n")
    worker.load("null", X)
    done = worker.ask(load_test(worker.folder, "SingleStream", "PerformanceOnly", [SAMPLES]), TestDone)
    assert done.effective["mode"] == "PerformanceOnly"
    assert detail(worker.folder)["effective_test_mode"] == "PerformanceOnly"
    assert "Audit" not in (worker.folder / "loadgen" / "mlperf_log_detail.txt").read_text()


def test_an_audit_conf_that_is_given_is_used_and_told(worker: WorkerProcess) -> None:
    worker.load("null", X)
    done = worker.ask(with_confs(worker, {"audit_conf": AUDIT}, settings={"min_duration_ms": 100}), TestDone)
    assert done.effective["accuracy_log_sampling_target"] == 5
    assert done.effective["accuracy_log_rng_seed"] == 720381539243781796
    assert 1 <= len(logged(worker.folder)) <= 10
    assert "Audit" in (worker.folder / "loadgen" / "mlperf_log_detail.txt").read_text()


# What goes wrong


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_model_that_raises_ends_the_process_and_keeps_what_was_measured(
    worker: WorkerProcess, scenario: str, batch: int
) -> None:
    picky(worker, batch)
    samples = CLASSES.copy()
    samples[7] = 99
    failed = worker.ask(load_test(worker.folder, scenario, "PerformanceOnly", [samples]), Failed)
    assert failed.kind == "model"
    assert failed.message.startswith("the model failed during the test: ")
    assert "\n" not in failed.message.strip()
    assert worker.channel.process.wait(20) == 70
    flags = column(rows(worker.folder / "samples.bin"), "flags")
    assert (flags & FLAG_VALID).any()
    assert "Traceback" in worker.log.read_text()


def test_a_full_disk_during_a_test_is_told_apart(worker: WorkerProcess) -> None:
    loaded = picky(worker)
    outputs = output_files(worker.folder, loaded, COUNT)
    Path(outputs[0]).unlink()
    Path(outputs[0]).symlink_to("/dev/full")
    failed = worker.ask(load_test(worker.folder, "SingleStream", "AccuracyOnly", [CLASSES], outputs=outputs), Failed)
    assert failed.kind in ("disk", "internal")


def test_a_model_that_fails_in_the_warm_up_is_told_and_the_process_stays(worker: WorkerProcess) -> None:
    picky(worker)
    samples = CLASSES.copy()
    samples[0] = 99
    failed = worker.ask(load_test(worker.folder, "SingleStream", "PerformanceOnly", [samples]), Failed)
    assert failed.kind == "model"
    assert failed.message.startswith("the model failed in the warm-up: ")
    assert len(rows(worker.folder / "samples.bin")) == 0
    worker.ask(load_test(worker.folder, "SingleStream", "PerformanceOnly", [CLASSES]), TestDone)


def test_a_second_test_in_one_process_is_refused(worker: WorkerProcess) -> None:
    worker.load("null", X)
    command = with_confs(worker, {"user_conf": USER})
    worker.ask(command, TestDone)
    failed = worker.ask(command, Failed)
    assert (failed.kind, "needs a new process" in failed.message) == ("internal", True)


def test_logs_that_cannot_be_written_are_an_error(worker: WorkerProcess) -> None:
    worker.load("null", X)
    command = load_test(worker.folder, "SingleStream", "PerformanceOnly", [SAMPLES])
    failed = worker.ask(dataclasses.replace(command, outdir=str(worker.folder / "none")), Failed)
    assert failed.kind == "disk"
    assert "LoadGen could not write its logs into" in failed.message


def test_without_loadgen_the_rest_works(start: Start, tmp_path: Path) -> None:
    (tmp_path / "mlperf_loadgen.py").write_text("raise ImportError('no wheel for this machine')\n")
    worker = start(env={"PYTHONPATH": str(tmp_path)})
    worker.load("null", X)
    failed = worker.ask(load_test(worker.folder, "SingleStream", "PerformanceOnly", [SAMPLES]), Failed)
    assert failed.kind == "framework"
    assert failed.message == "the official LoadGen is not installed in this stack: no wheel for this machine"


def test_the_memory_of_a_test_does_not_grow_with_its_samples_beyond_the_buffer(worker: WorkerProcess) -> None:
    worker.load("null", [Tensor("x", "uint8", (1 << 20,))])
    big = np.zeros((200, 1 << 20), np.uint8)
    done = worker.ask(
        load_test(
            worker.folder, "Offline", "PerformanceOnly", [big], performance_count=4, settings={"min_duration_ms": 50}
        ),
        TestDone,
    )
    assert done.rows
    assert worker.ask(Quit(), Ready).peak_rss_bytes < 150e6
