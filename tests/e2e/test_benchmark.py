"""``mlscope benchmark``: the official LoadGen on the embedded default."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlscope
from tests.conftest import Cli, Result
from tests.e2e import running

pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")

SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
OF = {"SingleStream": "query", "MultiStream": "query", "Server": "query", "Offline": "sample"}
SHORT = ("--min-duration", "0.3")


class Ran:
    """A benchmark on the command line and what it recorded."""

    def __init__(self, home: Path, *flags: str) -> None:
        self.home = home
        self.result: Result = running.run(home, "benchmark", *flags)
        assert self.result.code == 0, self.result
        self.evaluation = running.only(home)
        self.record = self.evaluation.record


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> mlscope.Evaluation:
    """``predict dataset``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLSCOPE_HOME", str(tmp_path_factory.mktemp("predicted")))
        return mlscope.evaluate()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_performance_is_shown_and_recorded_as_loadgen_saw_it(tmp_path: Path, scenario: str) -> None:
    ran = Ran(tmp_path / "home", "--scenario", scenario, *SHORT)
    check_output(ran)
    check_latencies(ran)
    check_samples(ran)
    assert ran.record.loadgen is not None
    effective = ran.record.loadgen.effective_settings
    assert (effective["scenario"], effective["mode"]) == (scenario, "PerformanceOnly")
    assert effective["min_duration_ms"] == 300
    assert ran.record.accuracy is None
    assert "accuracy=" not in ran.result.out


def check_output(ran: Ran) -> None:
    """Table, summary and verdict."""
    out, loadgen = ran.result.out, ran.record.loadgen
    assert loadgen is not None
    assert loadgen.errors == 0
    assert "LATENCIES (in milliseconds and fps)" in out
    found = re.search(r"^Average latency: +([\d.]+) ms +\([\d.]+ fps\)$", out, re.MULTILINE)
    assert found
    assert float(found[1]) == pytest.approx(ran.record.latency[0].mean_ns / 1e6, abs=0.0051), "average is the mean"
    assert "MLPerf Results Summary" in out
    assert f"LoadGen {loadgen.version} calls the result {loadgen.validity}; " in out
    assert len(loadgen.failed_conditions) == out.count("INVALID because ")
    assert (loadgen.validity == "INVALID") == bool(loadgen.failed_conditions)


def check_latencies(ran: Ran) -> None:
    """The record's latencies are LoadGen's, and so are the samples'."""
    scenario, first = str(ran.record.scenario), ran.record.latency[0]
    assert first.of == OF[scenario]
    assert first.clock == ("scheduled" if scenario == "Server" else "issued")
    assert first.failed == 0
    check_agreement(ran.evaluation)
    latencies = ran.evaluation.latencies_ns(of="query" if first.of == "query" else "sample")
    assert len(latencies) == first.count
    assert latencies.mean() == pytest.approx(first.mean_ns)


def check_agreement(run: mlscope.Evaluation) -> None:
    """Record and LoadGen agree: exactly where the times are LoadGen's own, nearly where our clock was read."""
    assert run.record.loadgen is not None
    summary, first = run.record.loadgen.summary, run.record.latency[0]
    if run.record.scenario == "Server":
        assert first.mean_ns == pytest.approx(float(summary["Mean latency (ns)"]), abs=2)
    median = float(summary["50.00 percentile latency (ns)"])
    (own,) = [each.value_ns for each in first.percentiles if each.percentile == 50]
    assert 0.7 * median - 2e4 <= own <= 1.4 * median + 2e5


def check_samples(ran: Ran) -> None:
    """Every sample is there once, in order of time."""
    table = ran.evaluation.to_pandas()
    samples = table[~table.warmup]
    assert len(table) > len(samples)
    assert (samples.issued_ns <= samples.start_ns).all()
    assert (samples.start_ns < samples.end_ns).all()
    assert set(samples.sample_index) <= set(range(500))
    size = {"MultiStream": 8, "Offline": len(samples)}.get(str(ran.record.scenario), 1)
    assert (samples.groupby("query").size() == size).all()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_accuracy_mode_agrees_with_predict_in_every_answer(
    tmp_path: Path, scenario: str, predicted: mlscope.Evaluation
) -> None:
    ran = Ran(tmp_path / "home", "--scenario", scenario, "--mode", "AccuracyOnly", "--format", "json")
    assert ran.record.accuracy == predicted.record.accuracy
    assert running.told(ran.record.warnings) == []
    np.testing.assert_array_equal(ran.evaluation.predictions()["top1"], predicted.predictions()["top1"])
    (found,) = ran.result.json()["evaluations"]
    assert found["record"]["latency"] == []
    assert found["record"]["loadgen"]["validity"] is None


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_submission_run_reports_the_accuracy_of_one_part_and_the_speed_of_the_other(
    home: Path, scenario: str, predicted: mlscope.Evaluation
) -> None:
    run = mlscope.evaluate(scenario=scenario, mode="SubmissionRun", load={"min_duration_s": 0.3})
    assert run.record.accuracy is not None
    assert predicted.record.accuracy is not None
    assert run.record.accuracy.top1_good == predicted.record.accuracy.top1_good
    assert run.record.loadgen is not None
    check_agreement(run)
    first = run.record.latency[0]
    if scenario == "Offline":
        assert first.count == int(run.record.loadgen.summary["samples_per_query"])
    assert len(run.latencies_ns(of="query" if first.of == "query" else "sample")) == first.count


@pytest.mark.alone
def test_the_search_for_the_peak_ends_in_a_rate_that_was_confirmed(home: Path) -> None:
    """One answer takes 2 ms, so that the queue grows without end at 500 queries a second."""
    run = mlscope.evaluate(
        "sleep",
        options={"law": "constant:2ms"},
        scenario="Server",
        mode="FindPeakPerformance",
        load={"min_duration_s": 2, "target_qps": 300, "target_latency_ms": 30},
    )
    search, result = run.record.search, run.record.loadgen
    assert search is not None
    assert result is not None
    assert (search.outcome, search.confirmed, result.validity, result.mode) == (
        "found",
        True,
        "VALID",
        "FindPeakPerformance",
    )
    assert search.best is not None
    assert 300 < search.best < 500
    assert result.effective_settings["server_target_qps"] == search.best
    assert run.record.latency[0].count >= 662
    assert len(run.latencies_ns(of="query")) == run.record.latency[0].count


@pytest.mark.parametrize(
    ("flags", "condition"),
    [
        (("--count-override", "5", "--min-duration", "5"), r"minimum duration of 5 s"),
        (("--count-override", "5", "--min-duration", "0"), r"early stopping"),
        (
            ("--scenario", "Server", "--target-qps", "50000", "--target-latency", "0.001", *SHORT),
            r"99th percentile of the latencies is [\d.]+ ms, the bound is 0.001 ms",
        ),
    ],
)
def test_an_invalid_result_names_each_failed_condition_in_a_sentence(
    cli: Cli, home: Path, flags: tuple[str, ...], condition: str
) -> None:
    result = cli("benchmark", *flags)
    assert result.code == 0, result
    assert "calls the result INVALID" in result.out
    assert re.search(rf"^INVALID because .*{condition}", result.out, re.MULTILINE), result.out
    record = running.only(home).record
    assert record.loadgen is not None
    assert record.loadgen.validity == "INVALID"
    assert any(re.search(condition, each) for each in record.loadgen.failed_conditions)


def test_runs_log_shows_summary_detail_and_worker(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = Ran(home, "--count-override", "70", "--min-duration", "0", "--env", "PYTHONVERBOSE=1")
    run = ran.record.id[:16]
    assert running.run(home, "runs", "log", run).out.startswith("=======")
    summary = running.run(home, "runs", "log", run, "summary").out
    assert "MLPerf Results Summary" in summary
    detail = running.run(home, "runs", "log", run, "detail").out
    assert all(line.startswith(":::MLLOG ") for line in detail.splitlines())
    assert "mlperf_loadgen" in running.run(home, "runs", "log", run, "worker").out
    shown = json.loads(running.run(home, "runs", "show", run, "-f", "json").out)
    assert shown == ran.record.model_dump(mode="json")


def effective(home: Path) -> dict[str, Any]:
    """Settings that LoadGen used."""
    loadgen = running.only(home).record.loadgen
    assert loadgen is not None
    return loadgen.effective_settings


def test_settings_flags_and_user_conf_reach_loadgen(cli: Cli, home: Path, tmp_path: Path) -> None:
    conf = tmp_path / "user.conf"
    conf.write_text(
        "# a comment\n*.MultiStream.min_duration = 100\nDigits_CNN.MultiStream.max_duration = 250\n"
        "*.Server.target_qps = 7\n*.*.min_query_count = 20\n"
    )
    result = cli(
        *("benchmark", "--scenario", "MultiStream", "--user-conf", conf, "--samples-per-query", "4"),
        *("--setting", "print_timestamps=true", "--dataset-size", "100", "--buffer-size", "50"),
    )
    assert result.code == 0, result
    found = effective(home)
    assert found["min_duration_ms"] == 100
    assert found["max_duration_ms"] == 250
    assert found["min_query_count"] == 20
    assert found["multi_stream_samples_per_query"] == 4
    assert found["print_timestamps"] is True
    table = running.only(home).to_pandas()
    samples = table[~table.warmup]
    assert samples.sample_index.nunique() <= 50
    assert samples.sample_index.max() < 100
    with running.only(home).open("conf/user.conf") as file:
        assert file.read().decode() == conf.read_text()


def test_a_seed_gives_the_same_order_of_samples_again(home: Path) -> None:
    orders = []
    for seed in (5, 5, 6):
        run = mlscope.evaluate(scenario="SingleStream", seed=seed, load={"count_override": 50, "min_duration_s": 0})
        table = run.to_pandas()
        orders.append(list(table[~table.warmup].sample_index))
    assert len(orders[0]) == 50
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--scenario", "Offline", "--samples-per-query", "4"), "MultiStream"),
        (("--target-qps", "5"), "Server and Offline"),
        (("--setting", "min_duration=5"), "did you mean min_duration_ms?"),
        (("--setting", "server_num_issue_query_threads=2"), "only 0"),
        (("--mode", "FindPeakPerformance"), "--scenario Server"),
        (("--count-override", "0"), "--count-override"),
        (("--user-conf", "no-such.conf"), "no-such.conf"),
    ],
)
def test_settings_that_make_no_sense_are_one_line(inside: Cli, home: Path, flags: tuple[str, ...], words: str) -> None:
    assert words in running.one_line(inside("benchmark", *flags), 2)
    assert running.folders(home) == []


def test_a_line_of_a_conf_file_that_cannot_be_read_is_told_with_its_place(inside: Cli, tmp_path: Path) -> None:
    conf = tmp_path / "user.conf"
    conf.write_text("*.Server.target_qps = 7\n*.Server.target_latency = fast\n")
    line = running.one_line(inside("benchmark", "--user-conf", conf), 2)
    assert line.startswith(f"{conf}:2: ")


def test_a_picture_that_cannot_be_read_ends_a_load_test(cli: Cli, home: Path, tmp_path: Path) -> None:
    folder = running.some_digits(tmp_path / "data", 20)
    (folder / "digit_007.png").write_bytes(b"")
    line = running.one_line(cli("benchmark", "--dataset-path", folder, *SHORT), 5)
    assert "digit_007.png" in line
    assert "empty" in line
