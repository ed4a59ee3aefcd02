"""Recorded arrivals: every way to write a time, and every way to get it wrong."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.conductor._trace_file import read_trace
from mlscope.errors import DataError


def written(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "timestamp\n1.5\n1.5025\n2\n",
        "timestamp_ms\n1500\n1502.5\n2000\n",
        "id,Timestamp_US\n1,1500000\n2,1502500\n3,2000000\n",
        "time (ns)\n1500000000\n1502500000\n2000000000\n",
        "# a comment\n\narrival,size\n1.5,9\n1.5025,9\n2.0,9\n\n",
        "1.5\n1.5025\n2e0\n",
        "timestamp\n2023-11-16 18:17:01.5\n2023-11-16 18:17:01.5025000\n2023-11-16T18:17:02Z\n",
    ],
)
def test_times_in_any_unit(tmp_path: Path, text: str) -> None:
    found = read_trace(written(tmp_path, text))
    assert found.offsets_ns.tolist() == [0, 2_500_000, 500_000_000]
    assert found.inputs is None


def test_the_unit_can_be_given(tmp_path: Path) -> None:
    path = written(tmp_path, "time\n0\n25\n")
    assert read_trace(path, unit="us").offsets_ns.tolist() == [0, 25_000]
    assert read_trace(path, unit="ms", scale=0.5).offsets_ns.tolist() == [0, 12_500_000]


def test_nanoseconds_since_1970_are_exact(tmp_path: Path) -> None:
    path = written(tmp_path, "timestamp\n1700000000.000000001\n1700000000.000000002\n")
    assert read_trace(path).offsets_ns.tolist() == [0, 1]


@pytest.mark.parametrize("text", ["t,input\n0,4\n1,0\n", "0,4\n1,0\n", "sample_index,t\n4,0\n0,1\n"])
def test_inputs_are_read(tmp_path: Path, text: str) -> None:
    found = read_trace(written(tmp_path, text), samples=5)
    assert found.inputs is not None
    assert found.inputs.tolist() == [4, 0]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "trace.parquet"
    pq.write_table(pa.table({"timestamp_ms": [0.5, 1.0], "input": [1, 2]}), path)
    found = read_trace(path)
    assert found.offsets_ns.tolist() == [0, 500_000]
    assert found.inputs is not None
    moments = [datetime.datetime(2024, 1, 1, 0, 0, second) for second in (1, 3)]
    pq.write_table(pa.table({"timestamp": pa.array(moments, pa.timestamp("us"))}), path)
    assert read_trace(path).offsets_ns.tolist() == [0, 2_000_000_000]


def test_the_longest_gap_is_told(tmp_path: Path) -> None:
    found = read_trace(written(tmp_path, "t\n0\n1\n31\n32\n"))
    assert (found.longest_gap_ns, found.gap_where) == (30_000_000_000, "line 3")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("t\n0\n2\n1\n", 4, "not in order"),
        ("t\n0\n-1\n", 3, "negative"),
        ("t\n0\nnan\n", 3, "no time"),
        ("t\n0\ninf\n", 3, "no time"),
        ("t\n0\nsoon\n", 3, "no time"),
        ("t,input\n0,1\n1\n", 3, "no input"),
        ("t,input\n0,-1\n", 2, "no input"),
        ("t,input\n0,1\n1,9\n", 3, "there is no input 9"),
        ("input,t\n1,0\n1\n", 3, "the time is missing"),
        ("when,what\n0,1\n", 1, "no column holds times; there are: when, what"),
        ("t\n", None, "empty"),
        ("", None, "empty"),
        ("t\n0\n1700000000\n", None, "--trace-unit"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as error:
        read_trace(path, samples=5)
    assert error.value.where == (f"{path}:{line}" if line else str(path))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_trace(tmp_path / "none.csv")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_trace(broken)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=40))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, times: list[int]) -> None:
    ordered = sorted(times)
    path = written(tmp_path_factory.mktemp("trace"), "time_ns\n" + "\n".join(map(str, ordered)) + "\n")
    found = read_trace(path)
    assert found.offsets_ns.tolist() == (np.array(ordered) - ordered[0]).tolist()
