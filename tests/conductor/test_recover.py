"""What killed commands leave behind is kept by the next one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mlscope
from mlscope.conductor import SilentObserver, recover
from mlscope.results import Filter, open_store


class Heard(SilentObserver):
    """Remembers the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Remember it."""
        self.warnings.append(text)


def names(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "runs").iterdir())


def test_an_empty_home_has_nothing_to_recover(home: Path) -> None:
    assert recover() == []
    assert list(home.iterdir()) == []


def test_a_folder_in_which_nothing_was_begun_goes(home: Path) -> None:
    (home / "runs" / (".partial-" + "0" * 32)).mkdir(parents=True)
    assert recover() == []
    assert names(home) == []


@pytest.mark.parametrize("draft", ["", "{}", "no JSON at all", '{"id": 5}'])
def test_a_folder_that_cannot_be_understood_is_named_and_stops_nobody(home: Path, draft: str) -> None:
    partial = home / "runs" / (".partial-" + "0" * 32)
    partial.mkdir(parents=True)
    partial.with_name(f"{partial.name}.draft").write_text(draft)
    heard = Heard()
    assert recover(heard) == []
    (warning,) = heard.warnings
    assert str(partial) in warning
    assert "\n" not in warning
    assert mlscope.evaluate("null", num_file_parts=3).record.status == "complete"


def test_a_run_that_was_sealed_but_not_indexed_is_found_again(home: Path) -> None:
    first = mlscope.evaluate("null", num_file_parts=3).record
    other = mlscope.evaluate("null", num_file_parts=3).record
    store = open_store()
    (home / "runs" / other.id).rename(home / other.id)
    (home / "index.db").unlink()
    for extra in home.glob("index.db-*"):
        extra.unlink()
    assert [record.id for record in open_store(create=True).find(Filter())] == [first.id]
    (home / other.id).rename(home / "runs" / other.id)
    (home / "runs" / f".partial-{other.id}.draft").write_text(other.model_dump_json())
    del store
    recover()
    assert {record.id for record in open_store().find(Filter())} == {first.id, other.id}
    assert names(home) == sorted([first.id, other.id])


def test_a_command_killed_while_it_sealed_gives_the_whole_record(home: Path) -> None:
    run = mlscope.evaluate("null", num_file_parts=3)
    record = run.record
    sealed, partial = home / "runs" / record.id, home / "runs" / f".partial-{record.id}"
    shutil.copytree(sealed, partial)
    shutil.rmtree(sealed)
    (partial / "evaluation.json").unlink()
    partial.with_name(f"{partial.name}.draft").write_text(record.model_copy(update={"files": ()}).model_dump_json())
    (found,) = recover()
    assert found == record
    assert names(home) == [record.id]
