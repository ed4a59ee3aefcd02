"""Traces below the framework's layers: libraries, threads, hardware."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlscope.results import COUNTERS_FILE, Evaluation, read_counters
from mlscope.worker.protocol import TraceLevel
from tests.conftest import Cli
from tests.e2e import running
from tests.e2e.timeline import check_layers, check_viewers

DIGITS = ["conv1", "conv2", "dense", "flatten", "relu1", "relu2"]


def counters(evaluation: Evaluation) -> pd.DataFrame:
    with evaluation.open(COUNTERS_FILE) as file:
        table: pd.DataFrame = read_counters(file).to_pandas()
    return table


def test_a_full_trace_has_every_level_and_names_what_is_missing(cli: Cli, home: Path, tmp_path: Path) -> None:
    result = cli("predict", "dataset", "--num-file-parts", "6", "--threads", "2", "--trace-level", "FULL_TRACE")
    assert result.code == 0, result.err
    evaluation = running.only(home)
    assert evaluation.record.trace_level == "FULL_TRACE"
    rows = check_layers(evaluation, DIGITS)
    assert sorted(rows.call.unique()) == list(range(6))
    found = check_viewers(evaluation, tmp_path)
    threads = [each for each in found.values() if each.name == "thread_pool"]
    assert len(threads) == len(rows)
    assert all(each.values["run_us"] >= 0 for each in threads)
    lines = [line for line in result.err.splitlines() if "FULL_TRACE" in line]
    assert sum("prints no primitives of oneDNN" in line for line in lines) == 1
    known = counters(evaluation)
    missing = " ".join(line for line in lines if "this machine gives no" in line)
    for name, meant in {
        "instructions": "instructions",
        "energy_joules": "energy",
        "frequency_hertz": "frequency",
    }.items():
        assert known.name.str.startswith(name).any() != (meant in missing), (name, missing)


def test_counters_are_read_over_the_run_and_are_never_made_up(cli: Cli, home: Path) -> None:
    result = cli("predict", "dataset", "--num-file-parts", "40", "--trace-level", "HARDWARE_TRACE")
    assert result.code == 0, result.err
    evaluation = running.only(home)
    assert evaluation.record.trace_level == "HARDWARE_TRACE"
    known = counters(evaluation)
    spans = evaluation.spans().to_pandas()
    root = spans[spans.parent_id.isna()].iloc[0]
    assert ((known.time_ns >= root.start_ns) & (known.time_ns <= root.end_ns)).all()
    for (name, worker), one in known.groupby(["name", "worker"], dropna=False):
        if one.cumulative.all():
            assert one.value.is_monotonic_increasing, name
        assert not (one.value < 0).any(), name
        if worker == 0:
            assert len(one) == 1 + 1 + 1 + 40, name  # the beginning, the call on zeros, the warm-up, the calls
    machine = set(known[known.worker.isna()].name)
    assert {"own_cores", "steal_cores", "memory_available_bytes", "memory_own_bytes"} <= machine


def test_a_level_says_once_what_the_framework_does_not_tell(cli: Cli, home: Path) -> None:
    levels = {"LIBRARY_TRACE": TraceLevel.FRAMEWORK_TRACE, "SYSTEM_LIBRARY_TRACE": TraceLevel.SYSTEM_LIBRARY_TRACE}
    result = cli("predict", "dataset", "--num-file-parts", "3", "--trace-level", ",".join(levels))
    assert result.code == 0, result.err
    told = [line for line in result.err.splitlines() if "prints no primitives of oneDNN" in line]
    assert [line.partition("oneDNN: ")[2] for line in told] == [f"{level} shows none" for level in levels]
    for evaluation in running.evaluations(home):
        deepest = max(evaluation.spans()["level"].to_pylist())
        assert deepest == levels[evaluation.record.trace_level]
        assert not any(entry.path == COUNTERS_FILE for entry in evaluation.record.files)


def test_a_framework_without_a_profiler_keeps_what_lies_below_its_layers(cli: Cli, home: Path) -> None:
    pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    args = ("--model-name", "null", "--scenario", "SingleStream", "--min-duration", "0.2")
    result = cli("benchmark", *args, "--trace-level", "FULL_TRACE")
    assert result.code == 0, result.err
    evaluation = running.only(home)
    assert evaluation.record.trace_level == "FULL_TRACE"
    assert sum("gives no profile of its layers" in line for line in result.err.splitlines()) == 1
    assert not any("cannot be used" in line for line in result.err.splitlines())
    assert set(counters(evaluation).name)
