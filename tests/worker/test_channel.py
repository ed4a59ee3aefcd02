"""Child processes that are spoken to in lines."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlscope._channel import Channel

ECHO = """
import argparse, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--commands", type=int)
parser.add_argument("--answers", type=int)
options = parser.parse_args()
print("started", flush=True)
with os.fdopen(options.commands, "rb") as commands, os.fdopen(options.answers, "wb") as answers:
    for line in commands:
        if line == b"die\\n":
            print("out of memory")
            sys.exit(3)
        answers.write(line)
        answers.flush()
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    """A child that says everything again."""
    channel = start(tmp_path_factory.mktemp("echo"), ECHO)
    yield channel
    assert channel.close() == 0


def start(folder: Path, code: str) -> Channel:
    return Channel([sys.executable, "-c", code], log=folder / "log", env=os.environ, cwd=folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=200).map(lambda data: data.replace(b"\n", b"") + b"\n"), max_size=20))
def test_lines_come_back_in_their_order(echo: Channel, lines: list[bytes]) -> None:
    for line in lines:
        if line != b"die\n":
            assert echo.send(line)
    expected = [line for line in lines if line != b"die\n"]
    found: list[bytes] = []
    while len(found) < len(expected):
        found += echo.receive() or []
    assert found == expected


@pytest.mark.parametrize("size", [1 << 12, 1 << 16, (1 << 16) + 1, 1 << 20])
def test_a_long_line_comes_back_whole(echo: Channel, size: int) -> None:
    line = b"x" * (size - 1) + b"\n"
    sender = threading.Thread(target=echo.send, args=(line,))  # more than a pipe holds
    sender.start()
    assert echo.receive_one() == line
    sender.join()


def test_a_child_that_ended_is_noticed_and_its_log_tells_why(tmp_path: Path) -> None:
    channel = start(tmp_path, ECHO)
    channel.send(b"die\n")
    assert channel.receive_one() is None
    assert channel.process.wait() == 3
    assert channel.tail(1) == "out of memory"
    assert channel.tail() == "started\nout of memory"
    assert not channel.send(b"hello\n")
    assert channel.close() == 3


def test_a_line_that_was_begun_is_not_given_out(tmp_path: Path) -> None:
    channel = start(
        tmp_path, ECHO.replace("answers.write(line)", "answers.write(line[:-1]); answers.flush(); sys.exit()")
    )
    channel.send(b"half\n")
    assert channel.receive_one() is None
    channel.close()


def test_a_kill_takes_the_childs_children_along(tmp_path: Path) -> None:
    code = ECHO.replace(
        'print("started", flush=True)',
        "import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid, flush=True)",
    )
    channel = start(tmp_path, code)
    channel.send(b"hello\n")
    channel.receive_one()
    grandchild = Path(f"/proc/{int(channel.tail(1))}/stat")
    assert grandchild.exists()
    channel.kill()
    assert channel.process.returncode == -signal.SIGKILL
    end = time.monotonic() + 10
    while grandchild.exists() and ") Z" not in grandchild.read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
    channel.kill()  # again does no harm
    channel.close()


def test_a_child_that_does_not_leave_is_killed(tmp_path: Path) -> None:
    channel = start(tmp_path, "import time; print('here', flush=True); time.sleep(600)")
    assert channel.close(timeout_s=0.2) == -signal.SIGKILL


def test_ctrl_c_on_the_terminal_reaches_only_the_core(tmp_path: Path) -> None:
    channel = start(tmp_path, ECHO)
    channel.send(b"hello\n")
    channel.receive_one()
    assert os.getpgid(channel.process.pid) == channel.process.pid != os.getpgrp()
    channel.close()


def test_a_command_that_is_not_there_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        Channel([str(tmp_path / "none")], log=tmp_path / "log", env=os.environ, cwd=tmp_path)
    with pytest.raises(FileNotFoundError):
        Channel([sys.executable], log=tmp_path / "none" / "log", env=os.environ, cwd=tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_channel_that_is_closed_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    start(tmp_path, ECHO).close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_children_do_not_hold_each_others_pipes(tmp_path: Path) -> None:
    """Else a child would not notice that the core is gone while another one lives."""
    first, second = start(tmp_path, ECHO), start(tmp_path, ECHO)
    assert first.close(timeout_s=10) == 0
    assert second.send(b"hello\n")
    assert second.receive_one() == b"hello\n"
    second.close()


def test_logs_are_continued(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    start(tmp_path, ECHO).close()
    assert (tmp_path / "log").read_text() == "before\nstarted\n"


@pytest.mark.parametrize("lines", [1, 3])
def test_the_tail_of_a_long_log(tmp_path: Path, lines: int) -> None:
    channel = start(tmp_path, "for i in range(100000): print('line', i)")
    channel.process.wait()
    assert channel.tail(lines).splitlines() == [f"line {number}" for number in range(100000 - lines, 100000)]
    channel.close()
