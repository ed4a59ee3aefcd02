"""Records of this and other schema versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlscope import results
from mlscope.errors import StoreError
from mlscope.results import _reading
from mlscope.results._record import SCHEMA_VERSION
from tests.results.making import make_record, seal_run

GOLDEN = Path(__file__).parent / "golden"


def test_every_schema_version_has_a_golden_record_that_is_read() -> None:
    files = sorted(GOLDEN.glob("evaluation-v*.json"))
    assert [path.stem for path in files] == [f"evaluation-v{version}" for version in range(1, SCHEMA_VERSION + 1)]
    for path in files:
        record = results.parse_record(path.read_text(), where=path.name)
        assert record.schema_version == SCHEMA_VERSION
        assert record.model_name == "MobileNet_v2_1.0_224_quant"
        assert record.accuracy is not None
        assert record.accuracy.top1_good == 448


def test_there_is_an_upgrade_for_every_older_version() -> None:
    assert sorted(_reading.UPGRADES) == list(range(1, SCHEMA_VERSION))


def test_this_version_writes_its_golden_record_again() -> None:
    path = GOLDEN / f"evaluation-v{SCHEMA_VERSION}.json"
    record = results.parse_record(path.read_text(), where=path.name)
    assert json.loads(record.model_dump_json()) == json.loads(path.read_text())


def test_older_records_go_through_every_step_to_the_newest_version() -> None:
    def rename(data: dict[str, Any]) -> dict[str, Any]:
        data["model_name"] = data.pop("model")
        return data

    def shout(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "model_name": data["model_name"].upper()}

    old = {"schema_version": 1, "model": "net"}
    new = _reading.upgrade(old, where="x", current=3, upgrades={1: rename, 2: shout})
    assert new == {"schema_version": 3, "model_name": "NET"}
    assert old == {"schema_version": 1, "model": "net"}


def write(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "evaluation.json").write_text(text)
    return folder


def test_a_newer_record_asks_to_upgrade_mlscope(tmp_path: Path) -> None:
    data = json.loads(make_record().model_dump_json())
    folder = write(tmp_path / "run", json.dumps({**data, "schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(StoreError, match=r"evaluation\.json: written by a newer mlscope .*; upgrade mlscope"):
        results.read_record(folder)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "damaged, not JSON"),
        ("", "damaged, not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "schema_version is missing"),
        ('{"schema_version": "1"}', "schema_version is missing or no positive number"),
        ('{"schema_version": 0}', "no positive number"),
        ('{"schema_version": 1}', "not a record: id: Field required"),
    ],
)
def test_a_damaged_record_is_one_clear_line(tmp_path: Path, text: str, reason: str) -> None:
    folder = write(tmp_path / "run", text)
    with pytest.raises(StoreError, match=reason) as caught:
        results.read_record(folder)
    assert str(folder / "evaluation.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_record_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"evaluation\.json is missing"):
        results.read_record(tmp_path)
    with pytest.raises(StoreError, match=r"evaluation\.json is missing"):
        results.read_record(tmp_path / "nowhere")


def test_a_copied_folder_is_read_as_well(tmp_path: Path) -> None:
    record, folder = seal_run(tmp_path)
    folder.rename(tmp_path / "mailed")
    assert results.read_record(tmp_path / "mailed") == record
    assert results.verify_folder(tmp_path / "mailed") == [f"the folder is called mailed, its run {record.id}"]
