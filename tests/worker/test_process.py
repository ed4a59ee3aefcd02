"""The worker as a process: what it imports, how it ends, what it survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mlscope._channel import Channel
from mlscope.worker import protocol
from mlscope.worker.protocol import Batch, Done, Failed, Hello, Quit, Ready, Stream, Tensor, TestDone
from tests.worker.conftest import Start
from tests.worker.process import ENTRY, Slots, WorkerProcess, load_test

ROW = [Tensor("x", "float32", (2,))]


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A folder with numpy and LoadGen, and nothing else of this environment."""
    folder = tmp_path / "stack"
    folder.mkdir()
    here = Path(np.__file__).parents[1]
    for pattern in ("numpy", "numpy.libs", "numpy-*", "mlperf_loadgen*", "mlcommons_loadgen-*"):
        for item in here.glob(pattern):
            (folder / item.name).symlink_to(item)
    return folder


@pytest.fixture
def bare(stack: Path, start: Start) -> WorkerProcess:
    """A worker in an interpreter that has neither mlscope nor anything that mlscope needs."""
    return start(command=[sys.executable, "-S", "-X", "importtime"], env={"PYTHONPATH": str(stack)})


def imported(worker: WorkerProcess) -> set[str]:
    """Modules that were imported, from the interpreter's own list on stderr."""
    lines = [line for line in worker.log.read_text().splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_it_says_hello(worker: WorkerProcess) -> None:
    python = ".".join(map(str, sys.version_info[:3]))
    assert worker.hello == Hello(worker.channel.process.pid, python, np.__version__, protocol.PROTOCOL_VERSION)


def test_it_runs_where_mlscope_and_its_libraries_are_missing(bare: WorkerProcess) -> None:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('mlscope') is not None)"
    env = {**os.environ, "PYTHONPATH": str(bare.folder.parent / "stack")}
    subprocess.run([sys.executable, "-S", "-c", code], env=env, check=True)  # there is no mlscope to be found
    bare.load("null", ROW)
    command = load_test(bare.folder, "SingleStream", "PerformanceOnly", [np.zeros((3, 2), np.float32)])
    bare.ask(command, TestDone)
    bare.ask(Quit(), Ready)
    names = imported(bare)
    assert {"mlscope.worker.protocol", "mlscope.worker.load.loadgen", "numpy"} <= names
    own = {name for name in names if name.split(".")[0] == "mlscope"}
    assert all(name == "mlscope.worker" or name.startswith("mlscope.worker.") for name in own), own
    assert not {name.split(".")[0] for name in names} & {"pydantic", "rich", "cyclopts", "sqlalchemy", "httpx", "cv2"}


def test_without_its_framework_it_says_so(bare: WorkerProcess) -> None:
    failed = bare.refuse("onnxruntime", ROW)
    assert failed.kind == "framework"
    assert "No module named 'onnxruntime'" in failed.message
    bare.load("null", ROW)  # and goes on


def test_a_folder_named_like_a_library_beside_it_is_not_imported(start: Start, tmp_path: Path) -> None:
    """The worker's own folder is not on the path, and neither is the folder that it works in."""
    trap = tmp_path / "worker-0"
    trap.mkdir()
    (trap / "json.py").write_text("raise SystemExit('the wrong json')\n")
    trap.rename(tmp_path / "trap")
    worker = start()
    for item in (tmp_path / "trap").iterdir():
        item.rename(worker.folder / item.name)
    worker.load("null", ROW)


def test_quit_gives_the_peak_memory_and_ends_it(worker: WorkerProcess) -> None:
    worker.load("null", ROW)
    ready = worker.ask(Quit(), Ready)
    assert 5e6 < ready.peak_rss_bytes < 1e9
    assert worker.channel.close() == 0
    assert worker.log.read_text() == ""


def test_the_peak_memory_is_the_workers_own(start: Start) -> None:
    ballast = np.ones(1 << 26, np.uint8)  # a parent's memory is inherited by getrusage on Linux
    small = start()
    small.load("null", ROW)
    first = small.ask(Quit(), Ready).peak_rss_bytes
    assert first < 200e6
    large = start()
    large.load("null", ROW, batch=1 << 22, options={"classes": 20})  # 320 MB of answers
    second = large.ask(Quit(), Ready).peak_rss_bytes
    assert second > first + 150e6
    assert ballast[0]


def test_a_command_before_load_and_a_message_that_is_none_are_refused(worker: WorkerProcess) -> None:
    failed = worker.ask(load_test(worker.folder, "SingleStream", "PerformanceOnly", [np.zeros((1, 2))]), Failed)
    assert (failed.kind, failed.message) == ("internal", "no model is loaded")
    failed = worker.ask(Done(0, 0, 0, 0), Failed)
    assert "Done is no command" in failed.message
    worker.load("null", ROW)


def test_an_interrupt_is_the_cores_business(worker: WorkerProcess) -> None:
    os.kill(worker.hello.pid, signal.SIGINT)
    loaded = worker.load("null", ROW)
    slots = Slots.open(worker, loaded, batch=1, slots=1, samples=1)
    os.kill(worker.hello.pid, signal.SIGINT)
    assert slots.run(0, 0, [0]).error is None


def test_an_interrupt_does_not_end_a_loadgen_test(worker: WorkerProcess) -> None:
    worker.load("sleep", ROW, options={"law": "constant:5ms"})
    worker.send(load_test(worker.folder, "SingleStream", "PerformanceOnly", [np.zeros((3, 2), np.float32)]))
    detail = worker.folder / "loadgen" / "mlperf_log_detail.txt"
    wait_for(detail.is_file)
    os.kill(worker.hello.pid, signal.SIGINT)
    assert worker.expect(TestDone).rows > 10


@pytest.fixture
def orphan(worker: WorkerProcess) -> Iterator[WorkerProcess]:
    """A worker whose core is about to go."""
    yield worker
    assert worker.channel.process.wait(20) is not None


def let_go(channel: Channel) -> None:
    """What the core's death looks like: the system closes its ends of the pipes."""
    null = os.open(os.devnull, os.O_RDWR)
    for handle in (channel.fileno(), channel._commands):
        os.dup2(null, handle)
    os.close(null)


def test_it_leaves_when_the_core_is_gone(orphan: WorkerProcess) -> None:
    orphan.load("null", ROW)
    let_go(orphan.channel)
    assert orphan.channel.process.wait(20) == 0
    assert orphan.log.read_text() == ""


def test_it_leaves_a_stream_when_the_core_is_gone_and_keeps_the_rows(orphan: WorkerProcess) -> None:
    slots = Slots.open(orphan, orphan.load("null", ROW), batch=1, slots=1, samples=2)
    slots.run(0, 0, [0])
    let_go(orphan.channel)
    assert orphan.channel.process.wait(20) == 0
    assert len(slots.rows()) == 1


@pytest.mark.parametrize("scenario", ["SingleStream", "Server", "Offline"])
def test_it_leaves_a_loadgen_test_when_the_core_is_gone(orphan: WorkerProcess, scenario: str) -> None:
    orphan.load("sleep", ROW, options={"law": "constant:5ms"})
    long = {"min_duration_ms": 600_000, "offline_expected_qps": 100.0, "server_target_qps": 50.0}
    orphan.send(load_test(orphan.folder, scenario, "PerformanceOnly", [np.zeros((3, 2), np.float32)], settings=long))
    wait_for((orphan.folder / "loadgen" / "mlperf_log_detail.txt").is_file)
    let_go(orphan.channel)
    assert orphan.channel.process.wait(20) == 71


def test_it_leaves_when_the_core_is_killed(tmp_path: Path) -> None:
    """The same with a real core that gets SIGKILL, in the middle of a test of ten minutes."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from tests.worker.process import WorkerProcess, load_test\n"
        "from mlscope.worker.protocol import Tensor\n"
        "worker = WorkerProcess(Path(sys.argv[1]))\n"
        "worker.load('sleep', [Tensor('x', 'float32', (2,))])\n"
        "settings = {'min_duration_ms': 600_000}\n"
        "samples = [np.zeros((3, 2), np.float32)]\n"
        "worker.send(load_test(worker.folder, 'SingleStream', 'PerformanceOnly', samples, settings=settings))\n"
        "print(worker.hello.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    core = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=env)
    assert core.stdout is not None
    with core, core.stdout:
        worker = int(core.stdout.readline())
        wait_for((tmp_path / "loadgen" / "mlperf_log_detail.txt").is_file)
        core.kill()
    wait_for(lambda: not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text())


def test_it_survives_a_core_that_sends_rubbish_by_ending(worker: WorkerProcess) -> None:
    worker.channel.send(b"rubbish\n")
    assert worker.channel.receive_one() is None
    assert worker.channel.close() == 1
    assert "not a message of the worker protocol" in worker.log.read_text()


def test_what_a_framework_prints_goes_to_the_log(start: Start, stack: Path) -> None:
    (stack / "sitecustomize.py").write_text("print('hello from the framework')\n")
    worker = start(command=[sys.executable], env={"PYTHONPATH": str(stack)})
    worker.load("null", ROW)
    assert "hello from the framework" in worker.log.read_text()


def test_the_entry_is_a_file_beside_the_protocol() -> None:
    assert ENTRY.is_file()


def test_a_stream_needs_files_that_are_there(worker: WorkerProcess) -> None:
    worker.load("null", ROW)
    failed = worker.ask(Stream(str(worker.folder / "no-ring"), 8, 1, [0], str(worker.folder / "s"), []), Failed)
    assert failed.kind == "disk"
    assert "no-ring" in failed.message
    worker.send(Batch(0, 0, [0]))
    assert "is no command" in worker.expect(Failed).message
