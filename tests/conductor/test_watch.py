"""The passport of a run, and the wait for a quiet machine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mlscope
from mlscope.conductor import SilentObserver, _watch
from mlscope.errors import NotQuietError
from mlscope.results import Passport, System, open_store, read_series
from mlscope.stacks import describe_machine
from tests.conftest import Cli

BUSY = "other programs used 1.00 of 2 cores, most of all a neighbour (pid 7, 1.00 cores)"
SECOND = 10**9


def glances(monkeypatch: pytest.MonkeyPatch, *disturbances: tuple[str, ...]) -> list[float]:
    """What the next glances see, the last one for ever; and when they looked."""
    looks: list[float] = []

    def glance(machine: Any) -> Passport:
        seen = disturbances[min(len(looks), len(disturbances) - 1)]
        looks.append(time.monotonic())
        time.sleep(0.01)
        return Passport(score=50 if seen else 100, disturbances=seen, watched_ns=SECOND)

    monkeypatch.setattr(_watch, "glance", glance)
    return looks


@pytest.fixture(scope="module")
def system() -> System:
    return System(**describe_machine())


def test_a_quiet_machine_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, system: System) -> None:
    looks = glances(monkeypatch, ())
    _watch.wait_until_quiet(system, 60, SilentObserver())
    assert len(looks) == 1


def test_a_machine_that_becomes_quiet_is_waited_for(monkeypatch: pytest.MonkeyPatch, system: System) -> None:
    looks = glances(monkeypatch, (BUSY,), (BUSY,), ())
    _watch.wait_until_quiet(system, 60, SilentObserver())
    assert len(looks) == 3


def test_nothing_is_measured_on_a_machine_that_stays_busy(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    glances(monkeypatch, (BUSY,))
    with pytest.raises(
        NotQuietError, match=r"not quiet: other programs used 1\.00 .* \(pid 7, .*waited 0\.1 s"
    ) as caught:
        mlscope.evaluate("null", num_file_parts=3, require_quiet=True, quiet_timeout_s=0.1)
    assert caught.value.exit_code == 11
    assert not list((home / "runs").glob("*"))


def test_a_machine_without_counters_cannot_be_called_quiet(monkeypatch: pytest.MonkeyPatch, system: System) -> None:
    monkeypatch.setattr(_watch, "glance", lambda _: Passport(score=None))
    with pytest.raises(NotQuietError, match="cannot be told"):
        _watch.wait_until_quiet(system, 60, SilentObserver())


def test_a_run_that_was_disturbed_fails_and_is_kept(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    glances(monkeypatch, ())
    disturbed = Passport(score=60, disturbances=(BUSY,), watched_ns=2 * SECOND)
    monkeypatch.setattr(_watch.Watch, "passport", lambda *_: disturbed)
    with pytest.raises(NotQuietError, match="the run was disturbed: other programs"):
        mlscope.evaluate("null", num_file_parts=3, require_quiet=True)
    (record,) = open_store().find()
    assert (record.status, record.passport) == ("failed", disturbed)
    assert record.failure is not None
    assert (record.failure.kind, record.failure.exit_code) == ("NotQuietError", 11)
    assert record.latency[0].count == 3
    assert record.warnings == (f"while this was measured, {BUSY}",)


def test_without_the_flag_it_is_a_warning(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    disturbed = Passport(score=60, disturbances=(BUSY,), watched_ns=2 * SECOND)
    monkeypatch.setattr(_watch.Watch, "passport", lambda *_: disturbed)
    record = mlscope.evaluate("null", num_file_parts=3).record
    assert (record.status, record.warnings) == ("complete", (f"while this was measured, {BUSY}",))


@pytest.fixture
def neighbour() -> Iterator[int]:
    """A process that is always busy, and is no child of the command."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) as process:
        yield process.pid
        process.kill()


@pytest.mark.alone
def test_a_busy_neighbour_is_seen_while_a_model_runs(cli: Cli, home: Path, neighbour: int) -> None:
    done = cli("benchmark", "--model-name", "sleep", "--min-duration", "2s", "--no-floor")
    assert done.code == 0, done
    assert "warning: while this was measured, other programs used" in done.err
    (record,) = open_store().find()
    passport = record.passport
    assert passport is not None
    assert passport.foreign_cores is not None
    assert passport.foreign_cores > 0.5
    assert passport.foreign_process is not None
    assert passport.score is not None
    assert passport.score < 85
    assert passport.timer_cost_ns is not None
    assert passport.timer_cost_ns > 0
    assert passport.sampler_cores is not None
    assert passport.sampler_cores < 0.05
    rows = read_series(home / "runs" / record.id / "machine.jsonl")
    assert len(rows) >= 6
    assert "machine.jsonl" in {entry.path for entry in record.files}
