"""Homes that are full, read-only or shared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlscope.results import verify_folder
from tests.conftest import Result
from tests.e2e import running

Mount = Callable[[str], Path]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a small file system in memory with these options; skipped where that is not allowed."""
    places: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"mount-{len(places)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")
        places.append(place)
        return place

    if os.geteuid() != 0:
        pytest.skip("only root can mount file systems")
    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def grow(place: Path) -> None:
    """Free some space."""
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)


def test_a_disk_too_full_to_begin_is_one_line(mounted: Mount) -> None:
    home = mounted("size=400k")
    result = running.run(home, "predict", "dataset")
    assert "no space left" in running.one_line(result, 10)
    grow(home)
    assert running.run(home, "predict", "dataset", "--num-file-parts", "2").code == 0


def test_a_disk_that_fills_up_keeps_what_was_measured(mounted: Mount) -> None:
    pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    home = mounted("size=3700k")
    result = running.run(home, "benchmark", "--model-name", "null", "--min-duration", "2")
    line = running.one_line(result, 10)
    assert "no space left" in line
    found = running.only(home)
    assert found.record.status == "failed"
    assert found.record.failure is not None
    assert (found.record.failure.kind, found.record.failure.exit_code) == ("ResourceError", 10)
    assert running.measured(found) >= 1 << 14
    assert verify_folder(running.folders(home)[0]) == []
    assert found.record.latency[0].count == running.measured(found)


def test_what_cannot_be_sealed_for_want_of_space_is_sealed_by_the_next_evaluation(mounted: Mount) -> None:
    pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    home = mounted("size=2500k")
    result = running.run(home, "benchmark", "--model-name", "null", "--min-duration", "2")
    if running.folders(home):
        pytest.skip("the samples were small enough to be sealed")
    line = running.one_line(result, 10)
    (partial,) = [path for path in (home / "runs").iterdir() if path.is_dir()]
    assert str(partial) in line
    grow(home)
    again = running.run(home, "predict", "dataset", "--num-file-parts", "2")
    assert again.code == 0
    assert "what it had measured is kept" in again.err
    kept = running.evaluations(home)[0]
    assert kept.record.status == "failed"
    assert running.measured(kept) >= 1 << 14


LIMITED = (
    "import resource, signal, sys\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))\n"
    "from mlscope.cli import main\n"
    "sys.exit(main(sys.argv[1:]))\n"
)


def test_a_file_size_limit_is_one_line_too(home: Path) -> None:
    """The worker inherits the limit, which is smaller than its file of samples."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "predict", "dataset"], capture_output=True, text=True, check=False, timeout=60
    )
    running.one_line(Result(done.returncode, done.stdout, done.stderr), 10)
    assert running.only(home).record.status == "failed"


def check_refused(home: Path) -> None:
    result = running.run(home, "predict", "dataset", "--num-file-parts", "2")
    line = running.one_line(result, 10)
    assert str(home) in line
    assert "MLSCOPE_HOME" in line
    assert result.out == ""


def test_a_read_only_home_is_one_line_and_reading_goes_on(mounted: Mount) -> None:
    home = mounted("size=16m")
    assert running.run(home, "predict", "dataset", "--num-file-parts", "2").code == 0
    subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
    check_refused(home)
    listed = running.run(home, "runs", "list", "-f", "json")
    assert (listed.code, len(listed.json())) == (0, 1)
    assert running.run(home, "info", "evaluation", "accuracy").code == 0
    assert running.run(home, "predict", "dataset", "--num-file-parts", "2", "--no-record").code == 0


def test_a_home_that_nobody_may_write_is_one_line() -> None:
    place = Path("/sys/mlscope")
    if not place.parent.is_dir() or sys.platform != "linux":
        pytest.skip("no /sys")
    check_refused(place)


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_in_place_of_the_home_is_one_line(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("here")
    check_refused(tmp_path / "file" / below)
