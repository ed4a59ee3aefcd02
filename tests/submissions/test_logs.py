"""LoadGen's logs of both dialects."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.submissions import official_metric, parse_accuracy, read_logs, readable
from mlscope.submissions._detail import parse_detail
from mlscope.submissions._summary import parse_summary
from tests.submissions.making import detail_text, mllog, plain_detail, summary_text, write


def logs(folder: Path, detail: str | bytes, summary: str | bytes = "") -> Path:
    write(folder / "mlperf_log_detail.txt", detail)
    write(folder / "mlperf_log_summary.txt", summary)
    return folder


def test_both_logs_of_today_become_one_value(tmp_path: Path) -> None:
    log = read_logs(logs(tmp_path, detail_text(), summary_text()))
    assert (log.scenario, log.mode, log.validity) == ("SingleStream", "PerformanceOnly", "VALID")
    assert log.settings["min_duration_ms"] == 600000
    assert log.results["early_stopping_latency_ss"] == 7627156
    assert log.version == "5.1.0 @ 091d51f041"
    assert log.started_at == datetime(2025, 8, 1, 7, 51, 19, tzinfo=UTC)
    assert log.detail is not None
    assert log.detail.duration_ns == 600_500_000_000
    assert log.detail.marked
    assert (log.errors, log.warnings, log.problems) == (0, 0, ())


def test_the_plain_dialect_gives_the_same_keys(tmp_path: Path) -> None:
    log = read_logs(logs(tmp_path, plain_detail("Single Stream"), "Scenario : Single Stream\nMode : Performance\n"))
    assert log.detail is not None
    assert log.detail.dialect == "plain"
    assert (log.scenario, log.mode) == ("SingleStream", "PerformanceOnly")
    assert log.settings["min_duration_ms"] == 60000
    assert log.started_at == datetime(2019, 10, 10, 21, 33, 27, tzinfo=UTC)
    assert log.detail.values["qsl_reported_total_count"] == 1024
    assert log.detail.errors == ("CAS failed.",)
    assert (log.errors, log.warnings) == (1, 1)


def test_failed_conditions_are_sentences(tmp_path: Path) -> None:
    detail = detail_text(values={"result_validity": "INVALID", "result_min_duration_met": False})
    log = read_logs(logs(tmp_path, detail, summary_text(validity="INVALID", seconds="NO")))
    assert log.validity == "INVALID"
    assert log.failed_conditions == ("the test was shorter than its minimum duration",)


def test_what_loadgen_marks_as_an_error_is_kept() -> None:
    lines = [mllog("error_runtime", "ran out", error=True), mllog("note", "slow", warning=True)]
    detail = parse_detail(line.encode() for line in lines)
    assert detail.errors == ("error_runtime: ran out",)
    assert detail.warnings == ("note: slow",)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b':::MLLOG {"key": "result_validity", "value": NaN}\n', "line 1: NaN is no number in JSON"),
        (b':::MLLOG {"key": "result_validity", "va', "line 1: cut off, or no JSON"),
        (b':::MLLOG {"value": 1}\n', "line 1: an entry without key and value"),
        (b":::MLLOG [" + b"[" * 100_000 + b"\n", "line 1: it is nested too deeply"),
        (b'"pid": 1, "tid"\n', "line 1: cut off"),
        (b"\xff\xfe garbage\n", "line 1: neither of LoadGen's dialects"),
    ],
    ids=["NaN", "cut", "no key", "deep", "plain cut", "bytes"],
)
def test_a_line_that_cannot_be_read_is_told_and_passed_over(line: bytes, problem: str) -> None:
    detail = parse_detail([line, mllog("sut_name", "x").encode()])
    assert detail.problems[0].startswith(problem)
    assert detail.unread == 1
    assert detail.values == {"sut_name": "x"}


def test_infinities_and_half_characters_are_not_kept() -> None:
    line = b':::MLLOG {"key": "a", "value": 1e999}\n:::MLLOG {"key": "b", "value": "x\\ud800\\u0000"}\n'
    assert parse_detail(line.splitlines(keepends=True)).values == {"b": "x?"}


def test_a_missing_log_is_a_problem_and_no_error(tmp_path: Path) -> None:
    log = read_logs(tmp_path)
    assert [problem.split(":")[0] for problem in log.problems] == ["mlperf_log_summary.txt", "mlperf_log_detail.txt"]


def test_a_summary_that_was_cut_off_is_told(tmp_path: Path) -> None:
    log = read_logs(logs(tmp_path, detail_text(), summary_text()[:300]))
    assert log.problems == ("mlperf_log_summary.txt: it ends before LoadGen's last sentence",)


@pytest.mark.parametrize(
    ("last", "errors"), [("No errors encountered during test.", 0), ("1 ERROR encountered. See detailed log.", 1)]
)
def test_the_last_sentence_counts_the_errors(last: str, errors: int) -> None:
    summary = parse_summary(f"Result is : VALID\n\n3 warnings encountered. See detailed log.\n\n{last}\n")
    assert (summary.complete, summary.errors, summary.warnings) == (True, errors, 3)


def test_large_logs_are_streamed(tmp_path: Path) -> None:
    path = tmp_path / "mlperf_log_detail.txt"
    line = mllog("generic_message", "x" * 900).encode()
    with path.open("wb") as file:
        file.write(b":::MLLOG " + b"x" * (24 << 20))  # a line of 24 MB
        file.write(b"\n")
        file.write(line * 20_000)
        file.write(mllog("result_validity", "VALID").encode())
    tracemalloc.start()
    log = read_logs(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert log.validity == "VALID"
    assert peak < 16 << 20


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_can_be_read(lines: list[bytes]) -> None:
    parse_detail(lines)
    parse_detail([b":::MLLOG " + line for line in lines])
    parse_detail([b'"pid": 1, "tid": 1, "ts": 1ns : ' + line for line in lines])
    parse_summary(b"\n".join(lines).decode("utf-8", errors="replace"))
    parse_accuracy(b"\n".join(lines).decode("utf-8", errors="replace"))


@pytest.mark.parametrize(
    "case",
    [
        ("SingleStream", "SingleStream", "resnet50", 7627156, "ns"),
        ("MultiStream", "MultiStream", "resnet50", 7836918, "ns"),
        ("Server", "Server", "resnet50", 130.25, "samples/s"),
        ("Offline", "Offline", "resnet50", 140.5, "samples/s"),
        ("MultiStream", "SingleStream", "resnet50", 8 * 7836918, "ns"),
        ("Offline", "SingleStream", "resnet50", 131.96, "samples/s"),
        ("Offline", "Offline", "llama2-70b-99", 27803.9, "tokens/s"),
        ("Interactive", "Server", "llama2-70b-99", 8840.42, "tokens/s"),
    ],
)
def test_the_result_is_the_figure_that_the_round_counts(tmp_path: Path, case: tuple[str, str, str, float, str]) -> None:
    scenario, measured, benchmark, value, unit = case
    tokens: dict[str, object] = {"result_tokens_per_second": 27803.9, "result_completed_tokens_per_second": 8840.42}
    log = read_logs(logs(tmp_path, detail_text(measured, values=tokens), summary_text(measured)))
    metric = official_metric(log, scenario, benchmark)
    assert metric is not None
    assert (metric.value, metric.unit) == (value, unit)
    assert metric.inferred_from == (measured if scenario not in (measured, "Interactive") else None)
    assert readable(metric.value, metric.unit) == ((value / 1e6, "ms") if unit == "ns" else (value, unit))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("accuracy=76.442%, good=38221, total=50000\nhash=" + "0" * 64, {"accuracy": 76.442}),
        ("mAP=20.207%", {"mAP": 20.207}),
        ("BLEU: 23.9", {"BLEU": 23.9}),
        ('{"exact_match": 83.6, "f1": 90.874}', {"F1": 90.874}),
        ("Accuracy: mean = 0.86170, kidney = 0.9347, tumor = 0.7887", {"DICE": 0.8617}),
        ("AUC=80.31", {"AUC": 80.31}),
        ("Word Error Rate: 7.45%, accuracy=92.55%", {"accuracy": 92.55}),
        (
            "{'rouge1': 44.45, 'rouge2': 22.04, 'rougeL': 28.6, 'tokens_per_sample': 294.4}",
            {"ROUGE1": 44.45, "ROUGE2": 22.04, "ROUGEL": 28.6, "tokens_per_sample": 294.4},
        ),
        ("{'FID_SCORE': '23.1', 'CLIP_SCORE': '31.7'}", {"CLIP_SCORE": 31.7, "FID_SCORE": 23.1}),
        ("nothing known", {}),
    ],
)
def test_accuracy_scripts_print_many_forms(text: str, values: dict[str, float]) -> None:
    found = parse_accuracy(text)
    assert found.values == values
    assert (found.good, found.log_sha256) == ((38221, "0" * 64) if "good" in text else (None, None))
