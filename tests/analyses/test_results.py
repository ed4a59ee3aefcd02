"""From predictions and raw samples to results."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.analyses import accuracy_line, accuracy_result, latencies_table, latency_results, top_lines
from mlscope.stats import wilson_interval
from mlscope.worker.protocol import FLAG_FAILED, FLAG_VALID, FLAG_WARMUP, SAMPLE_FIELDS
from tests.analyses.records import accuracy, latency

MS = 1_000_000


def rows(*samples: dict[str, int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    defaults = {"scheduled_ns": -1, "flags": FLAG_VALID}
    table = [
        [({"sample_index": i, "query": i, "batch": i} | defaults | sample).get(name, 0) for name in SAMPLE_FIELDS]
        for i, sample in enumerate(samples)
    ]
    return np.array(table, dtype=np.int64).reshape(-1, len(SAMPLE_FIELDS))


@given(data=st.data(), n=st.integers(1, 200), k=st.integers(1, 8))
def test_accuracy_counts_what_a_plain_loop_counts(data: st.DataObject, n: int, k: int) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    predicted = np.stack([generator.permutation(10)[:k] for _ in range(n)])
    labels = generator.integers(0, 10, n)
    failed = generator.random(n) < 0.2
    result = accuracy_result(predicted, labels, failed)
    assert result is not None
    top1 = sum(predicted[i][0] == labels[i] and not failed[i] for i in range(n))
    top5 = sum(labels[i] in predicted[i][:5] and not failed[i] for i in range(n))
    assert (result.evaluated, result.failed, result.top1_good) == (n, failed.sum(), top1)
    assert result.top1 == top1 / n
    assert (result.top1_low, result.top1_high) == wilson_interval(top1, n)
    if k < 5:
        assert result.top5_good is result.top5 is result.top5_low is result.top5_high is None
    else:
        assert (result.top5_good, result.top5) == (top5, top5 / n)
        assert (result.top5_low, result.top5_high) == wilson_interval(top5, n)


def test_accuracy_takes_plain_labels() -> None:
    result = accuracy_result(np.array([1, 2, 3]), np.array([1, 2, 4]))
    assert result is not None
    assert (result.top1_good, result.failed, result.top5) == (2, 0, None)


def test_a_failed_sample_is_wrong_whatever_stands_in_its_row() -> None:
    result = accuracy_result(np.zeros((4, 5), int), np.zeros(4, int), np.array([True, False, False, True]))
    assert result is not None
    assert (result.evaluated, result.failed, result.top1, result.top5) == (4, 2, 0.5, 0.5)


def test_nothing_evaluated_is_no_result() -> None:
    assert accuracy_result(np.zeros((0, 5), int), np.zeros(0, int)) is None


@pytest.mark.parametrize(
    ("predicted", "labels", "failed"), [((3, 5), (4,), None), ((3, 5, 1), (3,), None), ((3, 5), (3,), (2,))]
)
def test_shapes_that_do_not_fit_are_refused(predicted: Any, labels: Any, failed: Any) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        accuracy_result(np.zeros(predicted, int), np.zeros(labels, int), failed and np.zeros(failed, bool))


def test_accuracy_line_is_the_originals() -> None:
    assert accuracy_line(accuracy(376, 500)) == "accuracy=75.200%, good=376, total=500"


def test_last_lines_give_both_tops_with_intervals_and_then_the_originals_line() -> None:
    assert top_lines(accuracy(448, 500)) == [
        "Top-1   89.60 %  (95 % interval 86.6–92.0 %)",  # noqa: RUF001
        "Top-5  100.00 %  (95 % interval 99.2–100.0 %)",  # noqa: RUF001
        "accuracy=89.600%, good=448, total=500",
    ]


def test_last_lines_tell_of_failures_and_leave_out_a_top5_that_there_is_not() -> None:
    lines = top_lines(accuracy(90, 100, classes=3, failed=4))
    assert [line[:5] for line in lines] == ["Top-1", "4 of ", "accur"]
    assert lines[1] == "4 of 100 samples failed and count as wrong"


def test_latency_counts_from_the_issue_where_nothing_was_scheduled() -> None:
    (result,) = latency_results(
        rows(*({"issued_ns": i * MS, "start_ns": i * MS + 9, "end_ns": i * MS + 500_000} for i in range(100))),
        ["sample"],
    )
    assert (result.of, result.clock, result.count, result.failed) == ("sample", "issued", 100, 0)
    assert (result.mean_ns, result.stddev_ns, result.min_ns, result.max_ns) == (500_000, 0, 500_000, 500_000)
    assert result.throughput_samples_per_s == pytest.approx(100 / 99.5e-3)


def test_latency_counts_from_the_schedule_where_there_is_one() -> None:
    samples = [{"scheduled_ns": i * MS, "issued_ns": i * MS + 700, "end_ns": i * MS + 1000} for i in range(10)]
    (result,) = latency_results(rows(*samples), ["sample"])
    assert (result.clock, result.mean_ns) == ("scheduled", 1000)


def test_a_query_lasts_from_its_first_issue_to_its_last_answer() -> None:
    samples = [
        {"query": query, "issued_ns": query * MS, "end_ns": query * MS + (part + 1) * 1000}
        for query in (5, 2, 9)
        for part in range(4)
    ]
    query, sample = latency_results(rows(*samples), ["query", "sample"])
    assert (query.of, query.count, query.min_ns, query.max_ns) == ("query", 3, 4000, 4000)
    assert (sample.of, sample.count, sample.min_ns, sample.mean_ns) == ("sample", 12, 1000, 2500)
    assert query.throughput_samples_per_s == sample.throughput_samples_per_s


def test_warm_up_and_rows_that_were_never_written_are_left_out() -> None:
    samples = [
        {"issued_ns": 0, "end_ns": 900, "flags": FLAG_VALID | FLAG_WARMUP},
        {"issued_ns": 1000, "end_ns": 1100},
        {"issued_ns": 2000, "end_ns": 2100},
        {"flags": 0},
    ]
    (result,) = latency_results(rows(*samples), ["sample"])
    assert (result.count, result.max_ns) == (2, 100)
    assert result.throughput_samples_per_s == pytest.approx(2 / 1100e-9)


def test_failures_are_counted_and_in_no_percentile() -> None:
    samples = [{"query": i // 2, "issued_ns": i * 1000, "end_ns": i * 1000 + 100} for i in range(6)]
    samples[3] |= {"end_ns": 10**12, "flags": FLAG_VALID | FLAG_FAILED}
    query, sample = latency_results(rows(*samples), ["query", "sample"])
    assert (sample.count, sample.failed, sample.max_ns) == (5, 1, 100)
    assert (query.count, query.failed, query.max_ns) == (2, 1, 1100)
    assert sample.throughput_samples_per_s == pytest.approx(5 / 5100e-9)


def test_no_answer_at_all_is_no_result() -> None:
    assert latency_results(rows(), ["sample"]) == ()
    assert latency_results(rows({"end_ns": 5, "flags": FLAG_VALID | FLAG_FAILED}), ["sample", "query"]) == ()


@pytest.mark.parametrize(("of", "word"), [("sample", "samples"), ("query", "queries"), ("batch", "batches")])
def test_latencies_table_has_the_originals_layout_and_the_true_mean(of: str, word: str) -> None:
    lines = latencies_table(latency(of)).splitlines()
    assert lines[0] == lines[2] == lines[-1] == "-" * 68
    assert lines[1] == "|                LATENCIES (in milliseconds and fps)               |"
    title, count = lines[3].split(":")
    assert title == f"Number of {word} run"
    assert int(count) == 1000
    assert len(lines[3]) == 38
    assert lines[4] == "Min latency:                      0.01 ms   (100000.000 fps)"
    assert lines[6] == "Average latency:                  5.00 ms   (199.800 fps)"
    assert lines[8] == "99 percentile latency:            9.90 ms   (101.010 fps)"


def test_latencies_table_survives_a_latency_of_zero() -> None:
    result = latency().model_copy(update={"min_ns": 0.0})
    assert "0.00 ms   (inf fps)" in latencies_table(result)


@given(values=st.lists(st.integers(1, 10**9), min_size=1, max_size=100))
def test_mean_of_one_latency_a_query_equals_the_mean_of_the_samples(values: list[int]) -> None:
    samples = [{"issued_ns": i * 10, "end_ns": i * 10 + value} for i, value in enumerate(values)]
    query, sample = latency_results(rows(*samples), ["query", "sample"])
    assert math.isclose(query.mean_ns, sample.mean_ns)
    assert math.isclose(query.mean_ns, sum(values) / len(values), rel_tol=1e-12)
