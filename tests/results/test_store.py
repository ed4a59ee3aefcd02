"""One Protocol, two databases: the same promises for SQLite and PostgreSQL."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlscope import results
from mlscope.errors import StoreError, UsageError
from mlscope.results import Evaluation, Filter, Record
from mlscope.results.store._schema import CHUNK_BYTES
from tests.results.making import START, make_record, predictions, seal_run

Database = tuple[str, str]
ALWAYS = ["loadgen/mlperf_log_summary.txt", "logs/worker.log", "samples.parquet"]
PREDICTIONS = ["outputs-0.npy", "predictions.parquet"]


def publish(database: Database, folder: Path, *, predictions: bool = False) -> str:
    return results.publish(folder, database[0], name=database[1], predictions=predictions)


def opened(database: Database) -> results.Store:
    return results.open_store(database[0], name=database[1])


def test_another_home_reads_records_latencies_and_predictions_after_the_folders_are_gone(
    home: Path, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record, folder = seal_run(home)
    publish(database, folder, predictions=True)
    results.remove_run(record.id)
    assert not folder.exists()

    monkeypatch.setenv("MLSCOPE_HOME", str(tmp_path / "other"))
    store = opened(database)
    assert store.find() == [record]
    evaluation = Evaluation.from_store(store, record.id[:12])
    assert evaluation.record == record
    assert evaluation.latencies_ns("sample").tolist() == [500, 700, 700, 700]
    assert evaluation.predictions()["top5"].tolist() == predictions()["top5"].tolist()
    with evaluation.open("logs/worker.log") as file:
        assert file.read() == b"hello\n"
    assert not (tmp_path / "other").exists()


def test_predictions_go_along_only_when_asked_for_and_can_follow_later(home: Path, database: Database) -> None:
    record, folder = seal_run(home)
    publish(database, folder)
    store = opened(database)
    assert store.blobs(record.id) == ALWAYS
    with pytest.raises(StoreError, match=r"has no predictions\.parquet here"):
        store.open_blob(record.id, "predictions.parquet")
    publish(database, folder, predictions=True)
    assert store.blobs(record.id) == sorted(ALWAYS + PREDICTIONS)


def test_publishing_twice_is_publishing_once(home: Path, database: Database) -> None:
    record, folder = seal_run(home, make_record(tags=("a", "b")))
    for _ in range(3):
        publish(database, folder, predictions=True)
    store = opened(database)
    assert store.count() == 1
    assert store.find() == [record]
    assert store.count(Filter(tag="a")) == 1


def test_a_run_published_from_two_homes_is_found_once(
    home: Path, database: Database, other_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, folder = seal_run(home)
    publish(database, folder)  # from other_home, as a mailed folder
    monkeypatch.setenv("MLSCOPE_HOME", str(home))
    publish(database, folder, predictions=True)
    store = opened(database)
    assert store.count() == 1
    assert store.find() == [record]
    assert store.blobs(record.id) == sorted(ALWAYS + PREDICTIONS)
    with store.open_blob(record.id, "predictions.parquet") as file:
        assert file.read() == (folder / "predictions.parquet").read_bytes()


def test_files_of_many_chunks_come_back_whole(home: Path, database: Database) -> None:
    record, folder = seal_run(home, big=3 * CHUNK_BYTES + 17)
    publish(database, folder)
    with opened(database).open_blob(record.id, "logs/big.log") as file:
        assert file.read() == (folder / "logs" / "big.log").read_bytes()
        assert file.seek(CHUNK_BYTES + 3) == CHUNK_BYTES + 3


def test_a_folder_that_was_changed_is_not_published_and_leaves_nothing_half(home: Path, database: Database) -> None:
    record, folder = seal_run(home)
    log = folder / "logs" / "worker.log"
    log.chmod(0o644)
    log.write_text("HELLO\n")
    with pytest.raises(StoreError, match="was changed after the run was sealed"):
        publish(database, folder)
    log.unlink()
    with pytest.raises(StoreError, match="was deleted after the run was sealed"):
        publish(database, folder)
    assert opened(database).count() == 0
    with pytest.raises(StoreError, match="there is no evaluation"):
        opened(database).get(record.id)


def test_what_this_home_published_can_be_deleted_by_it_alone(
    home: Path, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record, folder = seal_run(home)
    publish(database, folder)
    monkeypatch.setenv("MLSCOPE_HOME", str(tmp_path / "other"))
    with pytest.raises(StoreError, match="published from another home"):
        opened(database).delete(record.id)
    monkeypatch.setenv("MLSCOPE_HOME", str(home))
    opened(database).delete(record.id)
    assert opened(database).count() == 0
    publish(database, folder)
    assert opened(database).blobs(record.id) == ALWAYS


def test_reading_a_database_that_is_not_there_creates_nothing_and_lists_the_others(
    home: Path, database: Database
) -> None:
    address, name = database
    with pytest.raises(StoreError):
        opened(database)
    with pytest.raises(StoreError, match="publish to it first" if address.startswith("sqlite") else "no schema"):
        opened(database)
    publish(database, seal_run(home)[1])
    with pytest.raises(StoreError, match=rf"--database-name can be .*{name}"):
        results.open_store(address, name="nothing")
    with pytest.raises(StoreError):
        results.open_store(address, name="nothing")


def test_a_dot_in_a_name_becomes_an_underscore(home: Path, database: Database) -> None:
    record, folder = seal_run(home)
    publish((database[0], f"{database[1]}_v1.0"), folder)
    assert results.open_store(database[0], name=f"{database[1]}_v1_0").get(record.id) == record


def test_ids_resolve_by_unique_prefix(home: Path, database: Database) -> None:
    first, second = "0192aaaa" + "0" * 24, "0192aabb" + "0" * 24
    for record_id in (first, second):
        publish(database, seal_run(home, make_record(record_id))[1])
    store = opened(database)
    assert store.get("0192AAAA").id == first
    assert store.get("0192aabb-0000").id == second
    with pytest.raises(StoreError, match=rf"begin with 0192aa: {first}, {second}; give more digits"):
        store.get("0192aa")
    with pytest.raises(StoreError, match="there is no evaluation ffff"):
        store.get("ffff")
    for text in ("019", "", "xyz1", "%%%%", "0" * 33):
        with pytest.raises(StoreError, match="is no id"):
            store.get(text)


def test_pages_follow_one_another_in_order_of_time(home: Path, database: Database) -> None:
    records = [make_record(created_at=START + timedelta(seconds=number)) for number in (3, 1, 2, 0)]
    for record in records:
        publish(database, seal_run(home, record)[1])
    store = opened(database)
    seconds = [(record.created_at - START).seconds for record in store.find()]
    assert seconds == [3, 2, 1, 0]
    assert [record.id for record in store.find(newest_first=False)] == [r.id for r in reversed(store.find())]
    assert store.find(limit=2, offset=1) == store.find()[1:3]
    assert store.find(offset=3) == store.find()[3:]
    assert store.find(limit=0) == []
    assert store.find(limit=-1) == store.find()


CHOICES: dict[str, list[Any]] = {
    "model_name": ["a", "b'; --"],
    "model_version": ["1.0", "2"],
    "framework_name": ["onnxruntime", "litert"],
    "framework_version": ["1.0", "1.4.0"],
    "arch": ["amd64", "arm64"],
    "hostname": ["lab1", "lab2"],
    "batch_size": [1, 32],
    "dataset_name": ["digits", None],
    "kind": ["own", "ck"],
    "status": ["complete", "failed"],
    "experiment": ["é", None],
    "command": ["benchmark", "predict dataset"],
    "scenario": ["Offline", None],
}
TAGS = ["x", "y%", "z"]


def matches(record: Record, where: Filter) -> bool:
    """What a filter means, said another way."""
    actual = {**dict(record), "arch": record.system.machine_architecture, "hostname": record.system.hostname}
    return (
        all(getattr(where, name) in (None, actual[name]) for name in CHOICES)
        and (where.tag is None or where.tag in record.tags)
        and (not where.ids or record.id in where.ids)
    )


@pytest.fixture
def filled(home: Path, database: Database) -> tuple[results.Store, list[Record]]:
    """Forty records that differ in everything a filter knows."""
    records = []
    for number in range(40):
        bits = hash_bits(number)
        changes = {name: values[bits >> place & 1] for place, (name, values) in enumerate(CHOICES.items())}
        tags = tuple(tag for place, tag in enumerate(TAGS) if bits >> (place + len(CHOICES)) & 1)
        records.append(make_record(tags=tags, created_at=START + timedelta(seconds=number), **changes))
    store = results.open_store(database[0], name=database[1], create=True)
    for record in records:
        store.put(record, home, blobs=[])
    return store, records


def hash_bits(number: int) -> int:
    return (number + 1) * 2654435761 >> 8


def test_every_filter_finds_exactly_what_it_says(filled: tuple[results.Store, list[Record]]) -> None:
    store, records = filled
    filters = st.builds(
        Filter,
        tag=st.none() | st.sampled_from(TAGS),
        ids=st.just(()) | st.lists(st.sampled_from([record.id for record in records]), max_size=5).map(tuple),
        **{
            name: st.none() | st.sampled_from([value for value in values if value is not None])
            for name, values in CHOICES.items()
        },
    )

    # Few fields at a time, or hardly anything is ever found.
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(filters, st.sets(st.sampled_from([*CHOICES, "tag", "ids"]), max_size=3))
    def check(where: Filter, used: set[str]) -> None:
        where = Filter(**{name: getattr(where, name) for name in used})
        expected = [record for record in reversed(records) if matches(record, where)]
        assert store.find(where) == expected
        assert store.count(where) == len(expected)

    check()


def test_text_that_looks_like_sql_is_only_text(filled: tuple[results.Store, list[Record]]) -> None:
    store, records = filled
    assert store.count(Filter(model_name="' OR 1=1 --")) == 0
    assert store.count(Filter(tag="%")) == 0
    assert store.count() == len(records)


def test_a_file_that_the_record_does_not_name_cannot_be_put(home: Path, database: Database) -> None:
    record, folder = seal_run(home)
    store = results.open_store(database[0], name=database[1], create=True)
    with pytest.raises(StoreError, match="the record has no file"):
        store.put(record, folder, blobs=["/etc/passwd"])


def test_a_damaged_blob_is_not_handed_out(home: Path, tmp_path: Path) -> None:
    import sqlite3

    record, folder = seal_run(home)
    results.publish(folder, f"sqlite:///{tmp_path}/x.db")
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("UPDATE blob_chunk SET data = x'00'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="is damaged"):
        results.open_store(f"sqlite:///{tmp_path}/x.db").open_blob(record.id, "samples.parquet")


def test_a_file_that_is_no_database_is_said_to_be_none(home: Path, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database" * 100)
    with pytest.raises(StoreError, match="no SQLite database"):
        results.open_store(f"sqlite:///{tmp_path}/text.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="no evaluations of mlscope"):
        results.open_store(f"sqlite:///{tmp_path}/empty.db")


def test_publishing_without_an_address_names_the_flag(home: Path) -> None:
    with pytest.raises(UsageError, match="--database-address"):
        results.publish(seal_run(home)[1], None)


def test_an_unreachable_server_keeps_the_run_and_says_how_to_publish_it_later(home: Path) -> None:
    record, folder = seal_run(home)
    with pytest.raises(StoreError) as caught:
        results.publish(folder, "postgresql://me:hunter2@127.0.0.1:1/lab", name="mine")
    text = str(caught.value)
    assert "cannot be reached" in text
    assert (
        f"`mlscope runs publish {record.id} --database-address postgresql://me@127.0.0.1:1/lab --database-name mine`"
        in text
    )
    assert "hunter2" not in text
    assert "\n" not in text
    assert results.verify_folder(folder) == []
    with pytest.raises(StoreError, match="check that the server runs"):
        results.open_store("postgresql://me@127.0.0.1:1/lab")


@pytest.mark.postgres
def test_a_wrong_password_or_database_is_said_without_the_password(home: Path, postgres: str) -> None:
    login, server = postgres.removeprefix("postgresql://").rsplit("@", 1)
    user, password = login.split(":")
    for address, hint in [
        (f"postgresql://{user}:hunter2@{server}", "--secret"),
        (f"postgresql://{user}@{server}", "--secret"),
        (f"postgresql://{login}@{server.split('/')[0]}/not_there", "make it on the server"),
    ]:
        with pytest.raises(StoreError) as caught:
            results.open_store(address)
        assert hint in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert password not in str(caught.value)


@pytest.mark.postgres
def test_the_secret_lets_in_where_the_address_has_no_password(home: Path, postgres: str, database: Database) -> None:
    login, server = postgres.removeprefix("postgresql://").rsplit("@", 1)
    user, password = login.split(":")
    record, folder = seal_run(home)
    address, name = f"postgres://{user}@{server}", f"secret_{os.getpid()}"
    shown = results.publish(folder, address, name=name, secret=password)
    assert shown == f"postgresql://{user}@{server}"
    assert results.open_store(address, name=name, secret=password).get(record.id) == record


@pytest.mark.postgres
def test_a_user_without_the_right_to_create_is_told_whom_to_ask(home: Path, postgres: str) -> None:
    import psycopg
    from psycopg import sql

    server = postgres.rsplit("@", 1)[1]
    role = f"guest_{os.getpid()}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'guest'").format(sql.Identifier(role)))
    try:
        with pytest.raises(StoreError, match="ask the server's owner"):
            results.publish(seal_run(home)[1], f"postgresql://{role}:guest@{server}", name="forbidden")
    finally:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
