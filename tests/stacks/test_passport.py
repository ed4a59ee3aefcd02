"""How quiet a machine was: counters that are known give figures, clauses and scores that are known."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.results import Passport, read_series
from mlscope.stacks import SAMPLER, Meter, cpu_stat_file, judge, machine_state, measure_clocks
from tests.stacks.conftest import Machine

SECOND = 10**9
TICK = 1 / os.sysconf("SC_CLK_TCK")
MACHINE: dict[str, Any] = {"cpu_count": 2, "details": {"cpu": {}}}


def row(second: float, *, length: float = 1.0, **changes: Any) -> dict[str, Any]:
    quiet = {"own_cores": 1.0, "foreign_cores": 0.01, "steal_cores": 0.0, "frequency_khz": None}
    times = {"start_ns": int(second * SECOND), "end_ns": int((second + length) * SECOND)}
    return {**times, **quiet, "throttled_periods": 0, "throttled_ns": 0, "sampler_ns": 2_000_000, **changes}


def passport(rows: list[dict[str, Any]], span: tuple[int, int] | None = None, **changes: Any) -> Passport:
    facts = {"before": {}, "after": {}, "machine": MACHINE, **changes}
    return Passport.model_validate(judge(rows, span, **facts))


def test_a_quiet_machine_has_all_points() -> None:
    found = passport([row(number) for number in range(5)])
    assert (found.score, found.disturbances, found.watched_ns, found.readings) == (100, (), 5 * SECOND, 5)
    assert (found.own_cores, found.foreign_cores, found.sampler_cores) == (1.0, 0.01, 0.002)


def test_a_busy_neighbour_is_named() -> None:
    top = {"name": "a (b) c", "pid": 4242, "cores": 0.99}
    found = passport([row(0, foreign_cores=0.95), row(1, foreign_cores=0.97, top=top)])
    assert found.disturbances == ("other programs used 0.96 of 2 cores, most of all a (b) c (pid 4242, 0.99 cores)",)
    assert found.score == 62
    assert found.foreign_process is not None
    assert found.foreign_process.pid == 4242


def test_a_neighbour_that_was_busy_for_a_while_only_is_told_too() -> None:
    rows = [row(number * 0.25, length=0.25, foreign_cores=0.9 if 40 <= number < 45 else 0.0) for number in range(80)]
    (clause,) = passport(rows).disturbances
    assert clause == "other programs used 0.5 cores or more for 1.2 of 20.0 s"


@pytest.mark.parametrize(
    ("changes", "clause", "score"),
    [
        ({"steal_cores": 0.2}, "the hypervisor gave 10.0 % of the CPU time to others (steal)", 80),
        (
            {"throttled_periods": 3, "throttled_ns": 250_000_000},
            "the control group's CPU limit held processes back 6 times (0.50 s)",
            80,
        ),
    ],
)
def test_steal_and_limits_are_told(changes: dict[str, Any], clause: str, score: int) -> None:
    found = passport([row(0, **changes), row(1, **changes)])
    assert (found.disturbances, found.score) == ((clause,), score)


def test_heat_is_told_and_settings_cost_points_only() -> None:
    found = passport([row(0)], before={"thermal_events": 4}, after={"thermal_events": 7})
    assert found.disturbances == ("the processor slowed down because of heat 3 times",)
    machine = {"cpu_count": 2, "details": {"cpu": {"governors": ["performance", "powersave"], "turbo": True}}}
    found = passport([row(0)], machine=machine)
    assert (found.score, found.disturbances) == (90, ())


def test_only_the_time_of_the_measurement_counts() -> None:
    rows = [row(number, foreign_cores=2.0 if number < 3 else 0.0) for number in range(6)]
    assert passport(rows, (3 * SECOND, 6 * SECOND)).disturbances == ()
    assert passport(rows, (0, 3 * SECOND)).disturbances


def test_a_short_measurement_is_scored_but_never_called_disturbed() -> None:
    rows = [row(0, length=0.25, foreign_cores=1.0), row(0.25, length=0.25, foreign_cores=1.0)]
    found = passport(rows, (0, SECOND // 10))
    assert (found.score, found.disturbances) == (60, ())
    nothing = passport(rows[:1], (0, SECOND // 10))
    assert (nothing.score, nothing.foreign_cores, nothing.readings) == (None, None, 1)
    assert passport([]).score is None


def test_where_processes_cannot_be_told_apart_others_are_not_blamed() -> None:
    found = passport([row(0, foreign_cores=2.0)], others=False)
    assert (found.foreign_cores, found.disturbances, found.score) == (None, (), 100)


@given(
    st.lists(
        st.builds(
            row,
            st.integers(0, 100),
            length=st.floats(0.01, 3),
            foreign_cores=st.floats(0, 8),
            steal_cores=st.floats(0, 8),
            throttled_periods=st.none() | st.integers(0, 9),
            throttled_ns=st.none() | st.integers(0, 10**9),
        ),
        max_size=8,
    )
)
def test_any_series_gives_a_passport(rows: list[dict[str, Any]]) -> None:
    found = passport(rows)
    assert found.score is None or 0 <= found.score <= 100
    assert found.score == 100 or found.score is None or found.foreign_cores or found.steal_cores or found.disturbances


def process(
    proc: Path, pid: int, name: str, times: tuple[int, int, int, int], *, start: int, children: str = ""
) -> None:
    """One process of a made-up /proc; times: user, system, and those of its children that have ended."""
    (proc / f"{pid}/task/{pid}").mkdir(parents=True, exist_ok=True)
    (proc / f"{pid}/task/{pid}/children").write_text(children)
    words = ["S", "1", *"0000000", "0", "0", *map(str, times), "20", "0", "1", "0", str(start)]
    (proc / f"{pid}/stat").write_text(f"{pid} ({name}) {' '.join(words)}\n")


def busy(proc: Path, user: int, steal: int = 0) -> None:
    cpu = min(os.sched_getaffinity(0))
    (proc / "stat").write_text(f"cpu  9 9 9 9 9 9 9 9\ncpu{cpu} {user} 0 0 0 0 0 0 {steal} 0 0\nintr 5\n")


@pytest.mark.parametrize("listed", [True, False], ids=["children listed", "parents only"])
def test_own_time_is_that_of_the_whole_family(tmp_path: Path, listed: bool) -> None:
    own = os.getpid()
    process(tmp_path, own, "core", (100, 0, 0, 0), start=1, children="71" if listed else "")
    process(tmp_path, 71, "worker", (50, 50, 0, 0), start=2)
    process(tmp_path, 80, "a) neighbour (b", (10, 0, 0, 0), start=3)
    process(tmp_path, 81, "again", (500, 0, 0, 0), start=4)
    if not listed:
        (tmp_path / f"{own}/task/{own}/children").unlink()
        text = (tmp_path / "71/stat").read_text()
        (tmp_path / "71/stat").write_text(text.replace("S 1 ", f"S {own} "))
    busy(tmp_path, 1000)
    meter = Meter(own, proc=str(tmp_path))
    time.sleep(0.05)
    process(tmp_path, own, "core", (102, 1, 100, 4), start=1)  # the worker has ended, and used 4 ticks before
    (tmp_path / "71/stat").unlink()
    process(tmp_path, 80, "a) neighbour (b", (14, 1, 0, 0), start=3)
    process(tmp_path, 81, "again", (2, 0, 0, 0), start=9)  # another process with the number of one that has ended
    busy(tmp_path, 1013, steal=2)
    found = meter.interval(name=True)
    seconds = (found["end_ns"] - found["start_ns"]) / SECOND
    assert found["own_cores"] * seconds == pytest.approx(7 * TICK, rel=0.01)
    assert found["foreign_cores"] * seconds == pytest.approx(6 * TICK, rel=0.01)
    assert found["steal_cores"] * seconds == pytest.approx(2 * TICK, rel=0.01)
    assert (found["top"]["name"], found["top"]["pid"]) == ("a) neighbour (b", 80)


@contextmanager
def spinning() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) as process_:
        try:
            yield process_
        finally:
            process_.kill()


@pytest.mark.alone
def test_the_kernels_own_counters_tell_ours_from_theirs() -> None:
    with spinning() as one:
        time.sleep(0.2)
        theirs, ours = Meter(one.pid), Meter(os.getpid())
        time.sleep(1.2)
        from_inside, from_outside = theirs.interval(), ours.interval(name=True)
    assert from_inside["own_cores"] > 0.02
    assert from_outside["own_cores"] == pytest.approx(from_inside["own_cores"], abs=0.3)


def test_the_sampler_writes_until_its_stdin_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "machine.jsonl"
    limits = cpu_stat_file()
    command = [sys.executable, "-I", "-S", SAMPLER, str(os.getpid()), str(path), *([str(limits)] if limits else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as sampler:
        time.sleep(1.5)
        assert sampler.stdin is not None
        sampler.stdin.close()
        assert sampler.wait(20) == 0
    rows = read_series(path)
    assert 2 <= len(rows) <= 9
    assert "top" in rows[-1]
    assert all(before["end_ns"] == after["start_ns"] for before, after in itertools.pairwise(rows))
    assert Passport.model_validate(judge(rows, None, {}, {}, MACHINE)).score is not None
    with path.open("a") as file:
        file.write('{"start_ns": 5, "en')
    assert read_series(path) == rows


def test_a_sampler_that_has_nothing_to_read_ends_silently(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", SAMPLER, "1", str(tmp_path / "nowhere" / "machine.jsonl")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


CPU = "sys/devices/system/cpu"


def test_the_state_of_a_machine_is_read(machine: Machine) -> None:
    root = machine(
        {
            "proc/loadavg": "0.50 1.25 2.00 1/123 4567",
            "proc/self/cgroup": "0::/user/task",
            "sys/fs/cgroup/user/cpu.stat": "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 1500",
            "sys/fs/cgroup/user/task/cpu.stat": "usage_usec 5",
            f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "1200000",
            f"{CPU}/cpu1/cpufreq/scaling_cur_freq": "3100000",
            **{f"{CPU}/cpu{number}/thermal_throttle/core_throttle_count": "2" for number in (0, 1)},
            **{f"{CPU}/cpu{number}/thermal_throttle/package_throttle_count": "7" for number in (0, 1)},
            **{f"{CPU}/cpu{number}/topology/physical_package_id": "0" for number in (0, 1)},
        }
    )
    assert machine_state(root) == {
        "load_average_1m": 0.5,
        "frequency_min_khz": 1_200_000,
        "frequency_max_khz": 3_100_000,
        "throttled_periods": 3,
        "throttled_ns": 1_500_000,
        "thermal_events": 11,
    }


def test_what_a_machine_does_not_tell_is_absent(machine: Machine) -> None:
    assert machine_state(machine({"proc/nothing": ""})) == {}


def test_version_1_of_control_groups_and_cpuinfo_are_read(machine: Machine) -> None:
    root = machine(
        {
            "proc/self/cgroup": "1:cpu,cpuacct:/job",
            "proc/cpuinfo": "cpu MHz\t\t: 2596.148\n\ncpu MHz\t\t: 2600.0",
            "sys/fs/cgroup/cpu/job/cpu.stat": "nr_periods 9\nnr_throttled 1\nthrottled_time 77",
        }
    )
    assert machine_state(root) == {
        "frequency_min_khz": 2_596_148,
        "frequency_max_khz": 2_600_000,
        "throttled_periods": 1,
        "throttled_ns": 77,
    }


def test_the_clock_is_measured() -> None:
    found = measure_clocks()
    assert 0 < found["timer_step_ns"] <= max(found["timer_cost_ns"], found["timer_step_ns"]) < SECOND
    assert 0 < found["sleep_overshoot_ns"] <= found["sleep_overshoot_max_ns"]
    json.dumps(found, allow_nan=False)
