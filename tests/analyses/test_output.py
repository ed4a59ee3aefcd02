"""``-o FILE``, ``--append``, ``--overwrite``."""

import csv
import json
import os
from pathlib import Path

import pytest

from mlscope.analyses import to_csv, to_json, to_text, write_output
from mlscope.errors import ResourceError, UsageError
from tests.analyses.records import report, three

ACCURACY = {
    "json": to_json(report("accuracy", three())),
    "csv": to_csv(report("accuracy", three())),
    "table": to_text(report("accuracy", three())),
}
FORMATS = [("table", ".tbl"), ("csv", ".csv"), ("json", ".json")]


@pytest.mark.parametrize(("form", "suffix"), FORMATS)
def test_extension_of_the_format_is_added_when_there_is_none(tmp_path: Path, form: str, suffix: str) -> None:
    assert write_output({form: ACCURACY[form]}, tmp_path / "report") == [tmp_path / f"report{suffix}"]
    assert (tmp_path / f"report{suffix}").read_bytes().decode() == ACCURACY[form]
    assert write_output({form: ACCURACY[form]}, tmp_path / "report.txt") == [tmp_path / "report.txt"]


@pytest.mark.parametrize("name", ["report", "report.csv", "report.json"])
def test_several_formats_each_get_their_own_file(tmp_path: Path, name: str) -> None:
    written = write_output(ACCURACY, tmp_path / name)
    assert sorted(written) == sorted(tmp_path / f"report{suffix}" for _, suffix in FORMATS)
    assert (tmp_path / "report.csv").read_bytes().decode() == ACCURACY["csv"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_output({"csv": ACCURACY["csv"]}, tmp_path / "a/b/report")
    assert (tmp_path / "a/b/report.csv").is_file()


@pytest.mark.parametrize(("form", "suffix"), FORMATS)
def test_an_existing_file_is_not_touched_without_a_flag(tmp_path: Path, form: str, suffix: str) -> None:
    path = tmp_path / f"report{suffix}"
    path.write_text("precious")
    with pytest.raises(UsageError, match=r"report.*is there already.*--overwrite, --append"):
        write_output(ACCURACY, tmp_path / "report")
    assert path.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]  # nor were the other formats written
    write_output({form: ACCURACY[form]}, tmp_path / "report", overwrite=True)
    assert path.read_bytes().decode() == ACCURACY[form]


def test_append_makes_one_json_list(tmp_path: Path) -> None:
    for _ in range(3):
        write_output({"json": ACCURACY["json"]}, tmp_path / "report", append=True)
    rows = json.loads((tmp_path / "report.json").read_text())
    assert rows == json.loads(ACCURACY["json"]) * 3


def test_append_joins_json_objects_by_analysis(tmp_path: Path) -> None:
    text = to_json(report("all", three()))
    for _ in range(2):
        write_output({"json": text}, tmp_path / "report", append=True)
    document = json.loads((tmp_path / "report.json").read_text())
    assert document == {name: rows * 2 for name, rows in json.loads(text).items()}


def test_append_does_not_repeat_the_header_of_csv(tmp_path: Path) -> None:
    headless = to_csv(report("accuracy", three()), header=False)
    path = tmp_path / "report.csv"
    for text in (ACCURACY["csv"], ACCURACY["csv"], headless):
        write_output({"csv": text}, path, append=True)
    assert path.read_bytes().decode() == ACCURACY["csv"] + headless * 2
    with path.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 9


def test_append_to_csv_mends_a_missing_line_end(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_bytes(ACCURACY["csv"].rstrip().encode())
    write_output({"csv": ACCURACY["csv"]}, path, append=True)
    with path.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 6


def test_append_puts_tables_below_each_other(tmp_path: Path) -> None:
    for _ in range(2):
        write_output({"table": ACCURACY["table"]}, tmp_path / "report", append=True)
    assert (tmp_path / "report.tbl").read_text() == ACCURACY["table"] + "\n" + ACCURACY["table"]


@pytest.mark.parametrize(("form", "suffix"), FORMATS)
def test_append_to_an_empty_file_writes_it(tmp_path: Path, form: str, suffix: str) -> None:
    path = tmp_path / f"report{suffix}"
    path.touch()
    write_output({form: ACCURACY[form]}, path, append=True)
    assert path.read_bytes().decode() == ACCURACY[form]


@pytest.mark.parametrize(
    ("form", "there", "reason"),
    [
        ("json", "no json", "no JSON document"),
        ("json", '{"accuracy": []}', "another kind of report"),
        ("json", "5", "another kind of report"),
        ("csv", "id,other\r\n1,2\r\n", "other columns"),
        ("csv", to_csv(report("latency", three())), "other columns"),
    ],
)
def test_append_refuses_what_does_not_fit_and_leaves_it(tmp_path: Path, form: str, there: str, reason: str) -> None:
    path = tmp_path / f"report.{form}"
    path.write_text(there, newline="")
    with pytest.raises(UsageError, match=reason) as raised:
        write_output({form: ACCURACY[form]}, path, append=True)
    assert str(path) in str(raised.value)
    assert path.read_bytes().decode() == there


def test_append_refuses_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="no text"):
        write_output({"json": ACCURACY["json"]}, path, append=True)


def test_both_flags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        write_output({"csv": "x"}, tmp_path / "report", append=True, overwrite=True)


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        write_output({"csv": "x"}, tmp_path, overwrite=True)
    (tmp_path / "report.csv").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        write_output({"csv": "x"}, tmp_path / "report", overwrite=True)


@pytest.mark.parametrize("name", ["file/report", "x" * 300])
def test_a_path_that_cannot_be_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        write_output({"csv": "x"}, tmp_path / name)


def test_a_device_is_written_to_and_stays_one() -> None:
    assert write_output({"csv": "x"}, Path(os.devnull), overwrite=True) == [Path(os.devnull)]
    assert Path(os.devnull).is_char_device()


def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    (tmp_path / "report.csv").write_text("old")
    with pytest.raises(ResourceError, match="no space left"):
        write_output({"csv": "new"}, tmp_path / "report", overwrite=True)
    assert (tmp_path / "report.csv").read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.csv"]
