"""Many evaluations, published or not; indexes that are rebuilt; databases that others read."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlscope
from tests.conftest import Cli
from tests.e2e import running

FAST = ("predict", "dataset", "--model-name", "null", "--num-file-parts", "2")
LOAD = ("benchmark", "--model-name", "null", "--random-inputs", "--count-override", "1", "--min-duration", "0")


def make_hundred(home: Path, address: str) -> None:
    """100 evaluations by four commands that run at once; 45 go to a database, too."""
    publish = ("--publish", "--database-address", address)
    commands: list[tuple[str, ...]] = [
        (*FAST, "--repetitions", "15", *publish, "--publish-predictions", "--batch-size", "2"),
        (*FAST, "--repetitions", "15", "--trace-level", "NO_TRACE"),
        (*LOAD, "--repetitions", "30", *publish, "--tags", "shared"),
        (*LOAD, "--repetitions", "40", "--experiment", "hundred", "--scenario", "Offline", "--batch-size", "2"),
    ]
    with ExitStack() as stack:
        under_way = [stack.enter_context(running.started(home, *each)) for each in commands]
        results = [running.ended(each, timeout=300) for each in under_way]
    assert [(result.code, result.err) for result in results] == [(0, "")] * 4


def drop_index(home: Path) -> None:
    for path in home.glob("index.db*"):
        path.unlink()


def test_a_hundred_evaluations_lose_nothing_and_are_reported_alike_after_the_index_was_deleted(
    home: Path, inside: Cli, cli: Cli
) -> None:
    address = f"sqlite:///{home}/published.db"
    make_hundred(home, address)
    assert len(running.folders(home)) == 100
    local = inside("runs", "list", "-f", "json").json()
    shared = inside("runs", "list", "-f", "json", "--database-address", address).json()
    assert (len(local), len(shared)) == (100, 45)
    assert {each["id"] for each in shared} < {each["id"] for each in local}
    assert {each["id"] for each in local} == {path.name for path in running.folders(home)}

    report = ("info", "evaluation", "all", "-f", "json")
    before, published = cli(*report), inside(*report, "--database-address", address)
    assert len(before.json()["duration"]) == 100
    drop_index(home)
    assert cli("store", "rebuild").out == "100 runs in the index\n"
    assert cli(*report).out == before.out
    drop_index(home)
    assert cli(*report).out == before.out, "a missing index is filled by itself"
    assert inside(*report, "--database-address", address).out == published.out

    some = inside("info", "evaluation", "duration", "-f", "json", "--batch_size=2", "--limit", "7").json()
    assert len(some) == 7
    csv = inside("info", "evaluation", "duration", "-f", "csv", "--experiment", "hundred", "--no_header")
    assert len(csv.out.splitlines()) == 40
    none = inside("info", "evaluation", "accuracy", "--model-name", "other")
    assert none.code == 0
    assert "none of the 100" in none.err


def test_a_report_is_not_written_over_unless_asked(home: Path, inside: Cli, tmp_path: Path) -> None:
    mlscope.evaluate("null", num_file_parts=2)
    report = ("info", "evaluation", "latency", "-f", "json", "-o", tmp_path / "report.json")
    assert [inside(*report).code, inside(*report).code, inside(*report, "--overwrite").code] == [0, 2, 0]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine at which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def test_a_database_that_cannot_be_reached_keeps_the_run_and_says_how_to_publish_it(
    cli: Cli, home: Path, closed_port: int
) -> None:
    address = f"postgresql://me:secret@127.0.0.1:{closed_port}/results"
    result = cli(*FAST, "--publish", "--database-address", address, "--database-name", "mine")
    record = running.only(home).record
    assert record.status == "complete"
    line = running.one_line(result, 9)
    assert f"mlscope runs publish {record.id}" in line
    assert "secret" not in line
    assert "secret" not in result.out
    assert "total=2\n" in result.out
    later = f"sqlite:///{home.parent}/later.db"
    assert cli("runs", "publish", record.id, "--database-address", later).code == 0
    assert [each["id"] for each in cli("runs", "list", "-f", "json", "--database-address", later).json()] == [record.id]


def test_a_bare_host_is_answered_with_how_to_write_it(cli: Cli, home: Path) -> None:
    line = running.one_line(cli(*FAST, "--publish", "--database-address", "db.example.org"), 2)
    assert "postgresql://" in line
    assert running.folders(home) == []


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Address and name of a database that does not exist yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/", "shared"
    address = os.environ.get("MLSCOPE_TEST_POSTGRES")
    if not address:
        pytest.skip("no PostgreSQL server: run scripts/with-postgres pytest, or set MLSCOPE_TEST_POSTGRES")
    return address, f"test_{secrets.token_hex(6)}"


def test_another_home_reads_what_was_published_after_its_folders_are_gone(
    database: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, name = database
    here, there = tmp_path / "here", tmp_path / "there"
    flags: tuple[Any, ...] = ("--database-address", address, "--database-name", name)
    publish = ("--publish", "--publish-predictions", *flags)
    assert running.run(here, "predict", "dataset", *publish, "--tags", "published").code == 0
    load = ("benchmark", "--min-duration", "0.1", "--count-override", "70", "--scenario", "Server")
    assert running.run(here, *load, "--publish", *flags).code == 0
    predicted, tested = running.evaluations(here)
    predictions, latencies = predicted.predictions(), tested.latencies_ns()
    reports = [running.run(here, "info", "evaluation", what, "-f", "json").out for what in ("accuracy", "latency")]
    shutil.rmtree(here)

    for what, expected in zip(("accuracy", "latency"), reports, strict=True):
        assert running.run(there, "info", "evaluation", what, "-f", "json", *flags).out == expected
    log = running.run(there, "runs", "log", tested.record.id[:20], "summary", *flags)
    assert "MLPerf Results Summary" in log.out
    monkeypatch.setenv("MLSCOPE_HOME", str(there))
    store = mlscope.open_store(address, name=name)
    (found,) = store.find(tag="published")
    assert found.record == predicted.record
    for column, values in found.predictions().items():
        np.testing.assert_array_equal(values, predictions[column])
    (other,) = store.find(command="benchmark")
    np.testing.assert_array_equal(other.latencies_ns(), latencies)
    with pytest.raises(mlscope.MlscopeError, match="predictions"):
        other.predictions()
    assert not (there / "runs").exists()
