"""Measurements of an evaluation as arrays."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from mlscope import results
from mlscope.errors import StoreError, UsageError
from mlscope.results import Evaluation, RunFolder, Span
from mlscope.worker.protocol import FLAG_VALID
from tests.results.making import ROWS, make_record, predictions, seal_run, write_raw


def test_latencies_count_from_the_schedule_where_there_is_one(tmp_path: Path) -> None:
    evaluation = Evaluation.from_folder(seal_run(tmp_path)[1])
    samples = evaluation.latencies_ns("sample")
    assert samples.dtype == np.int64
    assert samples.tolist() == [500, 700, 700, 700]


def test_a_querys_latency_is_that_of_its_slowest_sample_and_a_failed_one_has_none(tmp_path: Path) -> None:
    evaluation = Evaluation.from_folder(seal_run(tmp_path)[1])
    assert evaluation.latencies_ns("query").tolist() == [700, 700]
    assert evaluation.latencies_ns().tolist() == [700, 700]


def test_warm_up_is_kept_but_never_mixed_in(tmp_path: Path) -> None:
    evaluation = Evaluation.from_folder(seal_run(tmp_path)[1])
    assert evaluation.samples().num_rows == 6
    assert evaluation.latencies_ns("sample", warmup=True).tolist() == [800]
    assert evaluation.latencies_ns("query", warmup=True).tolist() == [800]


def test_queries_that_come_back_out_of_order_keep_their_own_samples(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, (record := make_record()).id)
    rows = tuple((0, query, 0, -1, 1_000, 1_000, 1_000 + took, FLAG_VALID) for query, took in [(7, 5), (3, 9), (7, 8)])
    results.seal_samples(write_raw(run.path / "raw", rows), {}, run.path / "samples.parquet")
    evaluation = Evaluation.from_folder(run.seal(record)[1])
    assert evaluation.latencies_ns("query").tolist() == [9, 8]


def test_an_evaluation_without_measured_samples_has_no_latencies(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, (record := make_record()).id)
    results.seal_samples(write_raw(run.path / "raw", ROWS[:1]), {}, run.path / "samples.parquet")
    evaluation = Evaluation.from_folder(run.seal(record)[1])
    assert evaluation.latencies_ns("query").tolist() == []
    assert evaluation.latencies_ns("sample").tolist() == []


def test_predictions_spans_and_files_are_read(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, (record := make_record()).id)
    results.write_predictions(run.path / "predictions.parquet", predictions())
    results.write_spans(run.path / "spans.parquet", [Span("1", None, "predict", 2, 0, 5)])
    (run.path / "plan.json").write_text("{}")
    evaluation = Evaluation.from_folder(run.seal(record)[1])
    assert evaluation.record.id == record.id
    assert evaluation.predictions()["top5"].tolist() == predictions()["top5"].tolist()
    assert evaluation.spans()["name"].to_pylist() == ["predict"]
    with evaluation.open("plan.json") as file:
        assert file.read() == b"{}"


def test_what_was_not_recorded_is_said(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, (record := make_record()).id)
    evaluation = Evaluation.from_folder(run.seal(record)[1])
    with pytest.raises(StoreError, match=r"has no predictions\.parquet"):
        evaluation.predictions()


def test_samples_as_a_data_frame(tmp_path: Path) -> None:
    frame = Evaluation.from_folder(seal_run(tmp_path)[1]).to_pandas()
    assert list(frame["end_ns"]) == [900, 1_500, 1_700, 2_600, 3_600, 3_610]
    assert list(frame["wait_ns"]) == [0, 1, 2, 3, 4, 5]


def test_without_pandas_a_data_frame_says_how_to_get_it(tmp_path: Path) -> None:
    evaluation = Evaluation.from_folder(seal_run(tmp_path)[1])
    with mock.patch("importlib.util.find_spec", return_value=None), pytest.raises(UsageError, match="pip install"):
        evaluation.to_pandas()
