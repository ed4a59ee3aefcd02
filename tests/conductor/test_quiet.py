"""Waiting until the threads of a process have stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlscope.conductor._quiet import BlockWatch, wait_for_rest

pytestmark = [
    pytest.mark.alone,  # a process that spins must have a core
    pytest.mark.skipif(not Path("/proc/self/schedstat").is_file(), reason="the kernel keeps no schedstat"),
]

_SPINS = """
import sys, time
print(flush=True)
end = time.perf_counter() + float(sys.argv[1])
while time.perf_counter() < end:
    pass
sys.stdin.read()
"""


@contextmanager
def _spinning(seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has begun to spin for so long and rests then."""
    command = [sys.executable, "-c", _SPINS, str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def _ran_s(process: subprocess.Popen[bytes]) -> float:
    return int(Path(f"/proc/{process.pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def test_a_process_that_spins_is_waited_for() -> None:
    with _spinning(0.2) as process:
        wait_for_rest([process.pid])
        at_rest = _ran_s(process)
        time.sleep(0.1)
        assert _ran_s(process) - at_rest < 0.05


def test_a_process_that_never_rests_is_not_waited_for_long() -> None:
    with _spinning(60) as process:
        begin = time.perf_counter()
        wait_for_rest([process.pid])
        assert 0.4 < time.perf_counter() - begin < 10


def test_nobody_to_wait_for_takes_no_time_and_a_process_that_is_gone_no_error() -> None:
    wait_for_rest([])
    with _spinning(0) as process:
        process.kill()
    wait_for_rest([process.pid])


def test_the_wait_is_no_part_of_the_block() -> None:
    with _spinning(0.3) as process:
        watch = BlockWatch([])
        watch.begin()
        watch.settle([process.pid])
        assert not watch.disturbed()
