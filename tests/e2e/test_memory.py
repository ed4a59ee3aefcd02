"""Memory does not grow with the number of pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import running

FEW, MANY = 200, 6000
MEASURE = (
    "import sys\n"
    "from mlscope.cli import main\n"
    "code = main(sys.argv[1:])\n"
    "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
    "print('PEAK', peak[0].split()[1])\n"
    "sys.exit(code)\n"
)


def peaks(folder: Path, rows: int) -> tuple[int, int]:
    """Peak memory of the command itself and of its worker over so many pictures, bytes."""
    data = running.some_digits(folder / f"{rows}", 100, copies=rows // 100)
    home = folder / f"home-{rows}"
    flags = ["--dataset-path", str(data), "--batch-size", "4", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, "predict", "dataset", *flags],
        env={**os.environ, "MLSCOPE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    record = running.only(home).record
    assert record.accuracy is not None
    assert record.accuracy.evaluated == rows
    assert record.timings.peak_memory_bytes is not None
    return int(done.stdout.rpartition("PEAK ")[2]) * 1024, record.timings.peak_memory_bytes


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_thirty_times_the_pictures_take_no_more_memory(tmp_path: Path) -> None:
    core_few, worker_few = peaks(tmp_path, FEW)
    core_many, worker_many = peaks(tmp_path, MANY)
    # What is kept of a picture for the record: its row, span and prediction, some hundred bytes; never the picture.
    assert core_many - core_few <= 24 << 20
    assert worker_many - worker_few <= 8 << 20
