"""Samples, predictions and spans as Parquet."""

from __future__ import annotations

import io
import json
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlscope import results
from mlscope.errors import StoreError
from mlscope.results import Span
from mlscope.worker.protocol import FLAG_FAILED, FLAG_VALID, FLAG_WARMUP, SAMPLE_FIELDS, SAMPLE_ROW
from tests.results.making import ROWS, Row, predictions, write_raw


def test_samples_keep_every_field_and_nothing_that_was_not_written(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw")
    out = tmp_path / "samples.parquet"
    assert results.seal_samples(raw, {}, out) == 6
    table = results.read_samples(out)
    assert table.column_names == [*SAMPLE_FIELDS[:-1], "warmup", "failed", "stream"]
    assert table["sample_index"].to_pylist() == [0, 0, 1, 2, 3, 4]
    assert table["query"].to_pylist() == [0, 1, 1, 2, 3, 3]
    assert table["scheduled_ns"].to_pylist() == [None, None, None, 1_900, 2_900, 2_900]
    assert table["end_ns"].to_pylist() == [900, 1_500, 1_700, 2_600, 3_600, 3_610]
    assert table["warmup"].to_pylist() == [True] + [False] * 5
    assert table["failed"].to_pylist() == [False] * 5 + [True]


def test_extra_columns_belong_to_the_rows_of_the_raw_file(tmp_path: Path) -> None:
    rows = (ROWS[1], ROWS[-1], ROWS[2], ROWS[3])
    out = tmp_path / "samples.parquet"
    extra = {"decode_ns": np.array([10, 20, 30]), "name": np.array(["a", "b", "c"])}
    results.seal_samples(write_raw(tmp_path / "raw", rows), extra, out)
    table = results.read_samples(out)
    assert table["decode_ns"].to_pylist() == [10, 30, None]
    assert table["name"].to_pylist() == ["a", "c", None]


@pytest.mark.parametrize(
    "extra",
    [
        {"end_ns": np.arange(7)},
        {"flags": np.arange(7)},
        {"wide": np.zeros((7, 2))},
        {"things": np.array([object()] * 7)},
    ],
)
def test_extra_columns_that_cannot_be_are_refused(tmp_path: Path, extra: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="extra column"):
        results.seal_samples(write_raw(tmp_path / "raw"), extra, tmp_path / "out")


def test_the_raw_file_of_a_killed_worker_is_good_input(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw")
    with raw.open("ab") as file:
        file.write(SAMPLE_ROW.pack(*ROWS[1])[:20])
    assert results.seal_samples(raw, {}, tmp_path / "out") == 6


def test_no_samples_at_all_make_an_empty_table_with_all_columns(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", ())
    assert results.seal_samples(raw, {"wait_ns": np.array([], dtype=np.int64)}, tmp_path / "out") == 0
    table = results.read_samples(tmp_path / "out")
    assert table.num_rows == 0
    assert table.column_names == [*SAMPLE_FIELDS[:-1], "warmup", "failed", "stream", "wait_ns"]


NUMBER = st.integers(min_value=-(2**63), max_value=2**63 - 1)


@given(
    rows=st.lists(
        st.tuples(
            *[NUMBER] * 7, st.sampled_from([0, FLAG_VALID, FLAG_VALID | FLAG_WARMUP, FLAG_VALID | FLAG_FAILED | 3 << 8])
        )
    )
)
def test_any_samples_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    results.seal_samples(write_raw(folder / "raw", tuple(rows)), {}, folder / "out")
    marks = (FLAG_WARMUP, FLAG_FAILED)
    back = [tuple(row.values()) for row in results.read_samples(folder / "out").to_pylist()]
    assert back == [
        (*row[:3], None if row[3] == -1 else row[3], *row[4:7], *(bool(row[7] & flag) for flag in marks), row[7] >> 8)
        for row in rows
        if row[7] & FLAG_VALID
    ]


def test_sealing_millions_of_samples_takes_little_memory(tmp_path: Path) -> None:
    rows = 2_000_000
    values = np.ones((rows, len(SAMPLE_FIELDS)), dtype="<i8")
    values[:, 0] = np.arange(rows)
    values.tofile(tmp_path / "raw")
    size = values.nbytes
    del values
    results.seal_samples(write_raw(tmp_path / "warm"), {}, tmp_path / "warm.parquet")  # imports
    tracemalloc.start()
    try:
        assert results.seal_samples(tmp_path / "raw", {}, tmp_path / "out") == rows
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size / 3
    table = results.read_samples(tmp_path / "out")
    assert np.array_equal(table["sample_index"].to_numpy(), np.arange(rows))


def test_predictions_come_back_with_names_shapes_and_types(tmp_path: Path) -> None:
    columns = {**predictions(), "file": np.array(["a.png", "ä.png", "", "d", "e"])}
    results.write_predictions(tmp_path / "p", columns)
    back = results.read_predictions(tmp_path / "p")
    assert list(back) == list(columns)
    for name, values in columns.items():
        assert back[name].shape == values.shape
        assert back[name].tolist() == values.tolist()
        if values.dtype.kind != "U":
            assert back[name].dtype == values.dtype


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([np.int8, np.int64, np.uint8, np.float16, np.float32, np.float64, np.bool_]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 5),
    st.data(),
)
def test_any_arrays_are_predictions(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[tuple[int, type]], rows: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("p") / "predictions.parquet"
    columns = {
        f"c{number}": data.draw(hnp.arrays(kind, (rows, width) if width else (rows,)))
        for number, (width, kind) in enumerate(kinds)
    }
    results.write_predictions(path, columns)
    back = results.read_predictions(path)
    for name, values in columns.items():
        assert back[name].dtype == values.dtype
        np.testing.assert_array_equal(back[name], values)


@pytest.mark.parametrize(
    "columns", [{"a": np.zeros(3), "b": np.zeros(4)}, {"a": np.zeros((2, 2, 2))}, {"a": np.zeros((2, 0))}]
)
def test_arrays_that_are_no_table_are_refused(tmp_path: Path, columns: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="column"):
        results.write_predictions(tmp_path / "p", columns)


def test_spans_come_back_with_attributes_as_json_text(tmp_path: Path) -> None:
    spans = [
        Span("1", None, "evaluate", 1, 0, 100, {"batch_size": 4, "name": "é"}),
        Span("2", "1", "predict", 2, 10, 90),
    ]
    assert results.write_spans(tmp_path / "s", iter(spans)) == 2
    rows = results.read_spans(tmp_path / "s").to_pylist()
    assert [json.loads(row.pop("attributes")) for row in rows] == [{"batch_size": 4, "name": "é"}, {}]
    assert rows == [
        {"span_id": "1", "parent_id": None, "name": "evaluate", "level": 1, "start_ns": 0, "end_ns": 100},
        {"span_id": "2", "parent_id": "1", "name": "predict", "level": 2, "start_ns": 10, "end_ns": 90},
    ]


def test_no_spans_make_an_empty_table(tmp_path: Path) -> None:
    assert results.write_spans(tmp_path / "s", []) == 0
    assert results.read_spans(tmp_path / "s").num_rows == 0


class _Watched(io.BytesIO):
    """Notes which threads read it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.readers: set[int] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        self.readers.add(threading.get_ident())
        return super().read(size)


def test_tables_are_read_without_arrows_threads(tmp_path: Path) -> None:
    """One that let go of Python's buffer while Python ended aborted the process."""
    spans = [Span(f"{at:016x}", None, f"name {at}", 1, at, at + 1, {"at": at}) for at in range(5_000)]
    results.write_spans(tmp_path / "spans.parquet", spans)
    for dictionary in (False, True):
        file = _Watched((tmp_path / "spans.parquet").read_bytes())
        assert results.read_spans(file, dictionary=dictionary).num_rows == len(spans)
        assert file.readers == {threading.get_ident()}


def test_a_damaged_or_missing_table_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        results.read_samples(tmp_path / "nothing.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is no parquet PAR1")
    with pytest.raises(StoreError, match="cannot be read as Parquet") as caught:
        results.read_samples(tmp_path / "bad.parquet")
    assert "\n" not in str(caught.value)
