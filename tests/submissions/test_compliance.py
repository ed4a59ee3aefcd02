"""The verification of TEST01 and TEST04."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlscope.errors import DataError
from mlscope.submissions import Score, verify_test01, verify_test01_speed, verify_test04
from tests.submissions.small_trees import values
from tests.submissions.test_accuracy import log_of


def score(scenario: str, value: float, **more: bool | float) -> Score:
    return Score(scenario, value, **{"valid": True, **more})  # type: ignore[arg-type]


def test_answers_that_are_those_of_the_accuracy_run_pass(tmp_path: Path) -> None:
    accuracy = log_of(tmp_path / "accuracy.json", [(n, n + 1) for n in range(100)])
    found = verify_test01(accuracy, log_of(tmp_path / "test.json", [(5, 6), (7, 8), (5, 6)]))
    assert found.passed
    assert found.lines[-4:] == (
        "num_perf_log_entries = 3",
        "num_perf_log_qsl_idx_match = 3",
        "num_perf_log_data_mismatch = 0",
        "num_missing_qsl_idxs = 0",
    )
    assert found.text.endswith("\nTEST PASS\n")


def test_one_answer_that_differs_fails(tmp_path: Path) -> None:
    accuracy = log_of(tmp_path / "accuracy.json", [(n, n + 1) for n in range(100)])
    found = verify_test01(accuracy, log_of(tmp_path / "test.json", [(5, 6), (7, 9)]))
    assert not found.passed
    assert "num_perf_log_data_mismatch = 1" in found.lines
    assert found.text.endswith("\nTEST FAIL\n")


def test_no_answer_to_compare_fails(tmp_path: Path) -> None:
    accuracy = log_of(tmp_path / "accuracy.json", [(0, 1)])
    for pairs in ([], [(1, 1)]):
        assert not verify_test01(accuracy, log_of(tmp_path / "test.json", pairs)).passed


def test_a_truncated_log_cannot_be_compared(tmp_path: Path) -> None:
    accuracy = tmp_path / "accuracy.json"
    accuracy.write_text('[\n{"qsl_idx": 0, "data": "00803844"},\n\n\n...\n\n]\n')
    with pytest.raises(DataError, match="truncated"):
        verify_test01(accuracy, log_of(tmp_path / "test.json", [(0, 1)]))


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Offline"])
def test_the_score_of_a_run_is_that_of_the_official_scripts(scenario: str) -> None:
    found = Score.of(values("v6.1", scenario))
    assert found is not None
    assert found.valid
    assert (found.scenario, found.value) == (
        scenario,
        {"SingleStream": 10_000_000.0, "MultiStream": 80_000_000.0, "Offline": 110.25}[scenario],
    )


def test_a_run_without_a_result_has_no_score() -> None:
    assert Score.of({}) is None
    assert Score.of({"effective_scenario": "Offline", "result_samples_per_second": float("nan")}) is None
    assert Score.of({"effective_scenario": "SingleStream", "early_stopping_latency_ss": 0}) is None


@pytest.mark.parametrize(
    ("scenario", "reference", "test", "passed"),
    [
        ("SingleStream", 10e6, 10.9e6, True),
        ("SingleStream", 10e6, 11.1e6, False),
        ("SingleStream", 10e6, 8.9e6, False),
        ("SingleStream", 150_000, 175_000, True),
        ("MultiStream", 1.5e6, 1.79e6, True),
        ("MultiStream", 80e6, 90e6, False),
        ("Offline", 100.0, 91.0, True),
        ("Offline", 100.0, 111.0, False),
    ],
)
def test_test01_has_to_be_as_fast_as_the_performance_run(
    scenario: str, reference: float, test: float, passed: bool
) -> None:
    assert verify_test01_speed(score(scenario, reference), score(scenario, test)).passed is passed


@pytest.mark.parametrize(
    ("scenario", "reference", "test", "passed"),
    [
        ("SingleStream", 10e6, 20e6, True),
        ("SingleStream", 10e6, 9.2e6, True),
        ("SingleStream", 10e6, 9.0e6, False),
        ("SingleStream", 150_000, 130_000, True),
        ("Offline", 100.0, 50.0, True),
        ("Offline", 100.0, 109.0, True),
        ("Offline", 100.0, 111.0, False),
        ("Server", 100.0, 111.0, False),
    ],
)
def test_test04_may_not_be_faster(scenario: str, reference: float, test: float, passed: bool) -> None:
    assert verify_test04(score(scenario, reference), score(scenario, test)).passed is passed


def test_runs_that_cannot_be_compared_fail_with_the_reason() -> None:
    good = score("Offline", 100.0)
    for reference, test, reason in (
        (None, good, "The performance run has no score."),
        (good, None, "The test run has no score."),
        (good, score("Offline", 100.0, valid=False), "The test run is INVALID."),
        (score("Offline", 100.0, valid=False), good, "The performance run is INVALID."),
        (good, score("SingleStream", 100.0), "The performance run is Offline, the test SingleStream."),
    ):
        for verify in (verify_test01_speed, verify_test04):
            found = verify(reference, test)
            assert (found.passed, found.lines) == (False, (reason,))
    one, other = (score("Server", 100.0, target_latency_ns=limit) for limit in (15e6, 20e6))
    assert verify_test04(one, other).lines == ("The two runs had different target latencies.",)
