"""Runs that end early: what was measured is kept, and the record says what happened."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from mlscope.results import verify_folder
from tests.e2e import running

SLOW = ("--model-name", "sleep", "--option", "law=constant:20ms")
PREDICT = ("predict", "dataset", *SLOW)
BENCHMARK = ("benchmark", *SLOW, "--min-duration", "60")
AT_LEAST = 20


@pytest.fixture(params=[PREDICT, BENCHMARK], ids=["predict", "benchmark"])
def measuring(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A command that would take ten seconds and more."""
    if request.param is BENCHMARK:
        pytest.importorskip("mlperf_loadgen", reason="no LoadGen for this platform")
    flags: tuple[str, ...] = request.param
    return flags


def wait_for_samples(home: Path) -> None:
    """Until the run under way has measured something."""
    running.until(lambda: running.measured_so_far(home) >= AT_LEAST, "samples")


def check_kept(home: Path, status: str, kind: str, *, predicted: bool, batch: int = 1) -> None:
    """One sealed run, whole, with its samples; nothing else lies about."""
    evaluation = running.only(home)
    record = evaluation.record
    assert (record.status, record.failure and record.failure.kind) == (status, kind)
    count = running.measured(evaluation)
    assert AT_LEAST <= count < 500
    assert verify_folder(running.folders(home)[0]) == []
    assert [path.name for path in (home / "runs").iterdir()] == [record.id]
    assert record.latency
    assert record.latency[0].count == -(-count // batch)
    if predicted:
        assert record.accuracy is not None
        assert record.accuracy.evaluated == count
        assert len(evaluation.predictions()["top1"]) == count


def scratch_left(home: Path) -> list[str]:
    """Scratch folders in memory of this home's runs."""
    memory = Path("/dev/shm")
    return [path.name for folder in running.folders(home) for path in memory.glob(f"mlscope-{folder.name}")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_kept_and_marked(home: Path, measuring: tuple[str, ...], number: signal.Signals) -> None:
    with running.started(home, *measuring) as process:
        wait_for_samples(home)
        process.send_signal(number)
        result = running.ended(process)
    assert "interrupted" in running.one_line(result, 130)
    predicted = measuring is PREDICT
    check_kept(home, "interrupted", "Interrupted", predicted=predicted)
    if predicted:
        assert f"total={running.measured(running.only(home))}\n" in result.out
    assert f"Folder  {running.folders(home)[0]}" in result.out
    assert scratch_left(home) == []


def test_pressing_ctrl_c_twice_loses_nothing(home: Path, measuring: tuple[str, ...]) -> None:
    with running.started(home, *measuring) as process:
        wait_for_samples(home)
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        running.one_line(running.ended(process), 130)
    check_kept(home, "interrupted", "Interrupted", predicted=measuring is PREDICT)


def test_ctrl_c_on_the_terminal_reaches_only_the_command(home: Path) -> None:
    """The terminal sends SIGINT to the whole foreground group; the worker must live on to be asked for its rows."""
    with running.started(home, *PREDICT) as process:
        wait_for_samples(home)
        worker = running.worker_of(process.pid)
        assert worker is not None
        assert os.getpgid(worker) != os.getpgid(process.pid)
        os.kill(worker, signal.SIGINT)
        before = running.measured_so_far(home)
        running.until(lambda: running.measured_so_far(home) > before + 5, "more samples")
        process.send_signal(signal.SIGINT)
        running.one_line(running.ended(process), 130)


def test_interrupted_repetitions_keep_the_whole_ones_and_the_part(home: Path) -> None:
    with running.started(home, *PREDICT, "--num-file-parts", "40", "--repetitions", "50") as process:
        running.until(lambda: len(running.folders(home)) >= 1 and running.measured_so_far(home) >= 5, "a second run")
        process.send_signal(signal.SIGINT)
        running.one_line(running.ended(process), 130)
    found = [each.record.status for each in running.evaluations(home)]
    assert found == ["complete"] * (len(found) - 1) + ["interrupted"]
    assert len(found) >= 2


def test_a_killed_worker_is_a_failed_run_with_its_samples(home: Path, measuring: tuple[str, ...]) -> None:
    with running.started(home, *measuring) as process:
        wait_for_samples(home)
        worker = running.worker_of(process.pid)
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        result = running.ended(process)
    assert "SIGKILL" in running.one_line(result, 8)
    check_kept(home, "failed", "WorkerError", predicted=measuring is PREDICT)
    assert scratch_left(home) == []


def test_one_killed_worker_of_two_ends_the_run_and_keeps_what_both_measured(home: Path) -> None:
    with running.started(home, *PREDICT, "--workers", "2") as process:
        wait_for_samples(home)
        worker = running.worker_of(process.pid)
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        running.one_line(running.ended(process), 8)
    check_kept(home, "failed", "WorkerError", predicted=True)


def test_a_killed_command_is_recovered_by_the_next_one_with_its_samples(home: Path, measuring: tuple[str, ...]) -> None:
    with running.started(home, *measuring) as process:
        wait_for_samples(home)
        worker = running.worker_of(process.pid)
        assert worker is not None
        process.kill()
        process.wait()
    running.until(lambda: not Path(f"/proc/{worker}/cmdline").exists(), "the end of the worker")
    assert running.folders(home) == []
    result = running.run(home, "predict", "dataset", "--num-file-parts", "3")
    assert result.code == 0
    assert "was killed" in result.err
    assert len(running.told(result.err.splitlines())) == 1
    killed, whole = running.evaluations(home)
    assert whole.record.status == "complete"
    assert killed.record.status == "failed"
    assert killed.record.model_name == "sleep"
    assert running.measured(killed) >= AT_LEAST
    assert verify_folder(running.folders(home)[0]) == []
    assert sorted(path.name for path in (home / "runs").iterdir()) == [killed.record.id, whole.record.id]
    assert scratch_left(home) == []
    listed = running.run(home, "runs", "list", "-f", "json").out
    assert killed.record.id in listed


def test_a_command_that_is_still_measuring_is_left_alone_by_others(home: Path) -> None:
    with running.started(home, *PREDICT) as process:
        wait_for_samples(home)
        other = running.run(home, "predict", "dataset", "--num-file-parts", "3")
        assert (other.code, other.err) == (0, "")
        assert len(running.folders(home)) == 1
        process.send_signal(signal.SIGINT)
        running.one_line(running.ended(process), 130)
    assert sorted(each.record.status for each in running.evaluations(home)) == ["complete", "interrupted"]


def test_without_a_record_an_interrupted_run_leaves_nothing(home: Path, tmp_path: Path) -> None:
    with running.started(home, *PREDICT, "--no-record") as process:
        running.until(lambda: running.worker_of(process.pid), "the worker")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        result = running.ended(process)
    assert result.code == 130
    assert [path for path in home.rglob("*") if path.is_file()] == []


HOOKS = {
    "preprocess": (
        "import time\n"
        "import cv2\n"
        "import numpy as np\n"
        "def preprocess(ctx, data):\n"
        "    time.sleep(0.01)\n"
        "    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)\n"
        "    return (picture.astype(np.float32) / 255)[None]\n"
    ),
    "postprocess": (
        "import numpy as np\n"
        "def postprocess(ctx, outputs):\n"
        "    powers = np.exp(outputs[0] - outputs[0].max())\n"
        "    return [powers / powers.sum()]\n"
    ),
}


def test_an_interrupted_run_with_hooks_is_kept_with_its_accuracy(home: Path, tmp_path: Path) -> None:
    path = running.manifest(tmp_path / "model", change=lambda data: data.update(hooks=HOOKS))
    flags = ("--model-name", path, "--allow-hooks", "--loader-processes", "1", "--batch-size", "2")
    with running.started(home, "predict", "dataset", *flags) as process:
        wait_for_samples(home)
        process.send_signal(signal.SIGINT)
        running.one_line(running.ended(process), 130)
    check_kept(home, "interrupted", "Interrupted", predicted=True, batch=2)


def test_a_killed_loader_ends_the_run_and_keeps_what_was_measured(home: Path) -> None:
    with running.started(home, *PREDICT, "--loader-processes", "1") as process:
        wait_for_samples(home)
        loader = running.worker_of(process.pid, b"mlscope/loader/__main__.py")
        assert loader is not None
        os.kill(loader, signal.SIGKILL)
        assert "loader" in running.one_line(running.ended(process), 8)
    check_kept(home, "failed", "WorkerError", predicted=True)
