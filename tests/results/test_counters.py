"""The table of counters gives back what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlscope.errors import StoreError
from mlscope.results import Counter, read_counters, write_counters


def test_counters_come_back_with_their_units_and_owners(tmp_path: Path) -> None:
    times = np.array([5, 7], np.int64)
    counters = [
        Counter("instructions", "1", True, 0, times, np.array([1e12, 2e12])),
        Counter("temperature_celsius zone", "celsius", False, None, times[:1], np.array([41.5])),
    ]
    write_counters(tmp_path / "counters.parquet", counters)
    assert read_counters(tmp_path / "counters.parquet").to_pylist() == [
        {"name": "instructions", "unit": "1", "cumulative": True, "worker": 0, "time_ns": 5, "value": 1e12},
        {"name": "instructions", "unit": "1", "cumulative": True, "worker": 0, "time_ns": 7, "value": 2e12},
        {
            "name": "temperature_celsius zone",
            "unit": "celsius",
            "cumulative": False,
            "worker": None,
            "time_ns": 5,
            "value": 41.5,
        },
    ]


def test_a_table_that_is_damaged_is_told(tmp_path: Path) -> None:
    (tmp_path / "counters.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="cannot be read as Parquet"):
        read_counters(tmp_path / "counters.parquet")
