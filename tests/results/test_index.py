"""The local index: always there, made again from the folders at will."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlscope import results
from mlscope.errors import ResourceError, StoreError
from mlscope.results import Filter, Record
from tests.results.making import make_record, seal_run, store_run


def drop_index(home: Path) -> None:
    for path in home.glob("index.db*"):
        path.unlink()


def test_a_hundred_records_are_found_alike_before_and_after_the_index_is_rebuilt(home: Path, tmp_path: Path) -> None:
    for number in range(100):
        record = store_run(home, number, model_name=f"m{number % 7}", tags=("odd",) if number % 2 else ())
        if number % 10 == 0:
            results.publish(results.run_folder(record.id), f"sqlite:///{tmp_path}/shared.db")
    filters = [Filter(), Filter(model_name="m3"), Filter(tag="odd"), Filter(model_name="m1", tag="odd")]
    before = [results.open_store().find(where) for where in filters]
    assert [len(found) for found in before] == [100, 14, 50, 8]
    drop_index(home)
    assert results.rebuild() == 100
    assert [results.open_store().find(where) for where in filters] == before
    assert results.rebuild() == 100
    assert [results.open_store().find(where) for where in filters] == before


def test_a_missing_or_empty_index_is_filled_by_itself(home: Path) -> None:
    record = store_run(home)
    drop_index(home)
    assert results.open_store().find() == [record]
    results.open_store().delete(record.id)
    assert results.open_store().find() == [record]


def test_an_empty_home_has_an_empty_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSCOPE_HOME", str(tmp_path / "new" / "home"))
    assert results.open_store().find() == []
    assert results.rebuild() == 0


def test_blobs_are_opened_from_the_run_folder(home: Path) -> None:
    record = store_run(home)
    store = results.open_store()
    assert store.blobs(record.id) == [entry.path for entry in record.files]
    with store.open_blob(record.id, "logs/worker.log") as file:
        assert file.read() == b"hello\n"
    with pytest.raises(StoreError, match="has no nothing here"):
        store.open_blob(record.id, "nothing")
    shutil.rmtree(results.run_folder(record.id))
    with pytest.raises(StoreError, match="the run folder is gone"):
        store.open_blob(record.id, "logs/worker.log")


def test_a_home_can_be_moved(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = store_run(home)
    home.rename(tmp_path / "moved")
    monkeypatch.setenv("MLSCOPE_HOME", str(tmp_path / "moved"))
    with results.open_store().open_blob(record.id, "logs/worker.log") as file:
        assert file.read() == b"hello\n"


def test_rebuilding_never_touches_rows_of_another_origin(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = store_run(home, 1)
    monkeypatch.setenv("MLSCOPE_HOME", str(tmp_path / "other"))
    theirs, folder = seal_run(tmp_path / "other")
    results.publish(folder, f"sqlite:///{home}/index.db", predictions=True)
    monkeypatch.setenv("MLSCOPE_HOME", str(home))
    results.publish(results.run_folder(mine.id), f"sqlite:///{home}/index.db")
    for _ in range(2):
        assert {record.id for record in results.open_store().find()} == {mine.id, theirs.id}
        with results.open_store().open_blob(theirs.id, "logs/worker.log") as file:
            assert file.read() == b"hello\n"
        assert results.rebuild() == 1
    results.remove_run(mine.id)
    assert results.rebuild() == 0
    # The copy that this home published into the same database is of another origin, too.
    assert {record.id for record in results.open_store().find()} == {mine.id, theirs.id}


def test_rebuilding_forgets_runs_whose_folder_is_gone_or_broken(home: Path) -> None:
    kept, gone, broken = (store_run(home, number) for number in range(3))
    shutil.rmtree(home / "runs" / gone.id)
    (home / "runs" / broken.id / "evaluation.json").unlink()
    warnings: list[str] = []
    assert results.rebuild(warnings.append) == 1
    assert results.open_store().find() == [kept]
    assert len(warnings) == 1
    assert broken.id in warnings[0]


def test_broken_folders_cost_one_warning_each(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = store_run(home)
    newer = json.loads(make_record().model_dump_json()) | {"schema_version": 99}
    for name, text in [("a", "{"), ("b", json.dumps(newer)), ("c", good.model_dump_json())]:
        (home / "runs" / name).mkdir()
        (home / "runs" / name / "evaluation.json").write_text(text)
    (home / "runs" / "d").mkdir()
    (home / "runs" / "stray.txt").touch()
    drop_index(home)
    warnings: list[str] = []
    assert results.open_store(warn=warnings.append).find() == [good]
    assert [Path(text.split(": ")[1]).relative_to(home / "runs").parts[0] for text in warnings] == ["a", "b", "c", "d"]
    assert "upgrade mlscope" in warnings[1]
    assert f"same run as {good.id}" in warnings[2]
    with caplog.at_level(logging.WARNING):
        results.rebuild()
    assert len(caplog.records) == 4


def test_partial_folders_are_no_runs(home: Path) -> None:
    record = store_run(home)
    results.RunFolder.create(home / "runs", results.new_id())
    assert results.rebuild() == 1
    assert results.open_store().find() == [record]


def test_removing_a_run_deletes_its_read_only_folder_and_its_row(home: Path) -> None:
    kept, removed = store_run(home, 0), store_run(home, 1)
    assert results.remove_run(removed.id.upper()) == removed.id
    assert [path.name for path in (home / "runs").iterdir()] == [kept.id]
    assert results.open_store().find() == [kept]
    with pytest.raises(StoreError, match="there is no evaluation"):
        results.remove_run(removed.id)


def test_runs_that_are_half_there_can_be_removed(home: Path) -> None:
    kept, broken, gone = (store_run(home, number) for number in range(3))
    (home / "runs" / broken.id / "evaluation.json").unlink()
    shutil.rmtree(home / "runs" / gone.id)
    for record in (broken, gone):
        assert results.remove_run(record.id) == record.id
    assert results.open_store().find() == [kept]
    assert results.rebuild() == 1


def test_a_run_folder_is_found_by_a_unique_prefix(home: Path) -> None:
    first, second = "0192aaaa" + "0" * 24, "0192aabb" + "0" * 24
    for record_id in (first, second):
        seal_run(home, make_record(record_id))
    assert results.run_folder("0192aaaa") == home / "runs" / first
    with pytest.raises(StoreError, match=f"{first}, {second}"):
        results.run_folder("0192")
    with pytest.raises(StoreError, match="there is no run"):
        results.run_folder("ffff")
    with pytest.raises(StoreError, match="is no id"):
        results.remove_run("..")


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.results.making import store_run
sys.stdin.readline()
for number in range(25):
    store_run(Path(sys.argv[2]), number, hostname=sys.argv[3])
"""


def test_two_processes_that_store_at_once_lose_nothing(home: Path) -> None:
    checkout = Path(__file__).resolve().parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(checkout), str(home), name],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    # Both start from a home without an index, when both are ready.
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    store = results.open_store()
    assert [store.count(Filter(hostname=name)) for name in ("one", "two")] == [25, 25]
    found = sorted(record.id for record in store.find())
    assert found == [path.name for path in results.sealed_folders(home / "runs")]
    assert sorted(path.name for path in home.iterdir() if not path.name.startswith("index.db")) == ["runs"]


def test_readers_do_not_wait_for_a_writer(home: Path) -> None:
    import sqlite3

    record = store_run(home)
    writer = sqlite3.connect(home / "index.db", isolation_level=None)
    try:
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        writer.execute("BEGIN IMMEDIATE")
        assert results.open_store().find() == [record]
    finally:
        writer.close()


def test_a_damaged_index_can_be_deleted(home: Path) -> None:
    record = store_run(home)
    drop_index(home)
    (home / "index.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match="can be deleted"):
        results.open_store()
    (home / "index.db").unlink()
    assert results.open_store().find() == [record]


@pytest.fixture
def read_only(home: Path) -> Iterator[Path]:
    """A home with one run and an index, in which nothing can be written."""
    seal_run(home)
    results.open_store()
    folders = [home, home / "runs"]
    for folder in folders:
        folder.chmod(0o555)
    if os.access(home, os.W_OK):
        pytest.skip("the superuser may write everywhere")
    yield home
    for folder in folders:
        folder.chmod(0o755)


def test_a_home_that_cannot_be_written_is_one_clear_line(read_only: Path) -> None:
    with pytest.raises(ResourceError, match="permission denied"):
        seal_run(read_only)
    with pytest.raises(ResourceError, match="check who may write it"):
        results.rebuild()
    with pytest.raises(ResourceError, match="check who may write it"):
        results.publish(results.sealed_folders(read_only / "runs")[0], f"sqlite:///{read_only}/x.db")


def test_a_home_that_cannot_be_written_can_still_be_read(read_only: Path) -> None:
    assert results.open_store().count() == 1


def test_a_full_disk_is_one_clear_line(home: Path) -> None:
    """A limit on the file size stands in for the disk's end."""
    record: Record = store_run(home)
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path\n"
        "from mlscope import results\n"
        "from mlscope.errors import ResourceError\n"
        "store = results.open_store(f'sqlite:///{sys.argv[2]}/full.db', create=True)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))\n"
        "folder = Path(sys.argv[1])\n"
        "record = results.read_record(folder)\n"
        "try:\n"
        "    store.put(record, folder, blobs=[entry.path for entry in record.files])\n"
        "except ResourceError as error:\n"
        "    print(error)\n"
    )
    results.remove_run(record.id)
    _, folder = seal_run(home, big=1 << 18)
    command = [sys.executable, "-c", script, str(folder), str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "full.db" in done.stdout
    assert done.stdout.count("\n") == 1
    assert results.open_store(f"sqlite:///{home}/full.db").count() == 0
