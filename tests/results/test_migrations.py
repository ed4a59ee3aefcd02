"""The schema grows by migrations, which come with the package."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from mlscope import results
from mlscope.errors import StoreError
from mlscope.results.store import _engine
from mlscope.results.store._address import parse_address
from mlscope.results.store._schema import HEAD, VERSION_TABLE, metadata
from tests.results.making import seal_run

Database = tuple[str, str]
MIGRATIONS = Path(_engine.__file__).parent / "migrations"


def execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_newest_migration_is_the_one_that_the_store_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_migrating_an_empty_database_makes_the_tables_that_the_store_uses(home: Path, database: Database) -> None:
    engine = _engine.connect(parse_address(database[0], name=database[1]), create=True)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD


def test_an_empty_file_becomes_a_database(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    record, folder = seal_run(home)
    results.publish(folder, f"sqlite:///{tmp_path}/empty.db")
    assert results.open_store(f"sqlite:///{tmp_path}/empty.db").find() == [record]


def test_migrating_an_existing_database_keeps_what_is_in_it(home: Path, database: Database) -> None:
    record, folder = seal_run(home)
    results.publish(folder, database[0], name=database[1], predictions=True)
    address = parse_address(database[0], name=database[1])
    engine = _engine.connect(address, create=True)
    _engine.upgrade(engine, getattr(address, "schema", None))
    store = results.open_store(database[0], name=database[1], create=True)
    assert store.find() == [record]
    assert "predictions.parquet" in store.blobs(record.id)


def test_other_tables_of_a_shared_file_stay(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    execute(path, "CREATE TABLE alembic_version (version_num)", "INSERT INTO alembic_version VALUES ('theirs')")
    record, folder = seal_run(home)
    results.publish(folder, f"sqlite:///{path}")
    assert results.open_store(f"sqlite:///{path}").find() == [record]
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("theirs",)]
    connection.close()


@pytest.mark.parametrize(("revision", "advice"), [("9999", "upgrade mlscope"), ("0000", "publishing to it")])
def test_a_database_of_another_version_is_said_to_be_one(
    home: Path, tmp_path: Path, revision: str, advice: str
) -> None:
    path = tmp_path / "runs.db"
    results.publish(seal_run(home)[1], f"sqlite:///{path}")
    execute(path, f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
    with pytest.raises(StoreError, match=advice):
        results.open_store(f"sqlite:///{path}")


def test_an_upgrade_that_is_cut_off_leaves_no_half_made_database(
    home: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import command

    def cut_off(config: Config, _revision: str) -> None:
        connection = config.attributes["connection"]
        connection.execute(sa.text("CREATE TABLE evaluation (x INTEGER)"))
        raise sa.exc.OperationalError("CREATE", {}, Exception("the plug was pulled"))

    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", cut_off)
        with pytest.raises(StoreError, match="plug was pulled"):
            results.open_store(database[0], name=database[1], create=True)
    assert results.open_store(database[0], name=database[1], create=True).count() == 0


PUBLISHER = """
import sys
from pathlib import Path
from mlscope import results
sys.stdin.readline()
results.publish(Path(sys.argv[1]), sys.argv[2], name=sys.argv[3])
"""


def test_processes_that_publish_at_once_to_a_new_database_all_succeed(home: Path, database: Database) -> None:
    records = [seal_run(home)[0] for _ in range(3)]
    folders = [home / "runs" / record.id for record in [*records, records[0]]]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, str(folder), *database],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        for folder in folders
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    found = results.open_store(database[0], name=database[1]).find()
    assert sorted(record.id for record in found) == sorted(record.id for record in records)
