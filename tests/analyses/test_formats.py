"""The formats, against golden files (``MLSCOPE_UPDATE_GOLDEN=1`` writes them anew)."""

import csv
import io
import json
import os
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.analyses import Column, Table, latencies_table, to_csv, to_json, to_text
from tests.analyses.records import accuracy, latency, record, report, three

GOLDEN = Path(__file__).parent / "golden"


def same(text: str, name: str) -> bool:
    path = GOLDEN / name
    if os.environ.get("MLSCOPE_UPDATE_GOLDEN"):
        path.write_text(text, newline="")
    return path.read_bytes().decode() == text


def table(*values: Any, unit: str | None = None) -> Table:
    columns = (Column("id", "id"), Column("value", "value", unit))
    return Table("test", columns, [{"id": f"{i:032d}", "value": value} for i, value in enumerate(values)])


@pytest.mark.parametrize("name", ["accuracy", "latency", "duration", "all"])
def test_json_and_csv_are_as_in_the_golden_files(name: str) -> None:
    tables = report(name, three())
    assert same(to_json(tables), f"{name}.json")
    assert same(to_csv(tables), f"{name}.csv")


@pytest.mark.parametrize("width", [None, 80, 120])
def test_text_is_as_in_the_golden_files(width: int | None) -> None:
    assert same(to_text(report("all", three()), width=width), f"all-{width or 'wide'}.txt")
    one_model = [record(i, latency=(latency(),), accuracy=accuracy()) for i in (3, 2, 1)]
    assert same(to_text(report("all", one_model), width=width), f"one-model-{width or 'wide'}.txt")


@pytest.mark.parametrize("of", ["sample", "query", "batch"])
def test_latencies_table_is_as_in_the_golden_files(of: str) -> None:
    assert same(latencies_table(latency(of)) + "\n", f"latencies-{of}.txt")


def test_one_analysis_is_a_json_list_and_several_are_an_object() -> None:
    assert [row["status"] for row in json.loads(to_json(report("accuracy", three())))] == [
        "failed",
        "complete",
        "complete",
    ]
    assert list(json.loads(to_json(report("all", three())))) == ["accuracy", "latency", "duration"]
    assert json.loads(to_json(report("accuracy", []))) == []
    assert json.loads(to_json(report("all", []))) == {"accuracy": [], "latency": [], "duration": []}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_null_in_json_and_empty_in_csv(value: float) -> None:
    assert json.loads(to_json(table(value)), parse_constant=pytest.fail)[0]["value"] is None
    assert to_csv(table(value), header=False) == f"{0:032d},\r\n"
    assert to_text(table(value), header=False).split() == [f"{0:012d}", "-"]


def test_times_are_utc() -> None:
    here = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert json.loads(to_json(table(here)))[0]["value"] == "2026-01-01T10:00:00Z"
    assert "2026-01-01 10:00" in to_text(table(here))


@given(values=st.lists(st.text()))
def test_csv_gives_every_text_back(values: list[str]) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(table(*values)), newline="")))
    assert [row[1] for row in rows] == ["value", *values]


def test_csv_writes_booleans_as_json_does_and_none_as_nothing() -> None:
    assert to_csv(table(True, False, None), header=False).split("\r\n") == [
        f"{0:032d},true",
        f"{1:032d},false",
        f"{2:032d},",
        "",
    ]


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_json_and_csv_keep_every_digit(values: list[float]) -> None:
    assert [row["value"] for row in json.loads(to_json(table(*values)))] == values
    rows = list(csv.DictReader(io.StringIO(to_csv(table(*values)), newline="")))
    assert [float(row["value"]) for row in rows] == values


def test_csv_of_several_analyses_is_one_table_that_names_the_analysis() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(report("all", three())), newline="")))
    assert [row["analysis"] for row in rows] == ["accuracy"] * 3 + ["latency"] * 4 + ["duration"] * 3
    assert all(None not in row and None not in row.values() for row in rows)


def test_no_header_leaves_out_titles_and_nothing_else() -> None:
    tables = report("latency", three())
    assert to_csv(tables) == to_csv(report("latency", []), header=True) + to_csv(tables, header=False)
    lines = to_text(tables, header=False, width=40).splitlines()
    assert [line.split()[0] for line in lines] == ["0199abcd0003", "0199abcd0002", "0199abcd0002", "0199abcd0001"]
    assert len({len(re.split(r"  +", line.replace('Odd, "quoted"', "Odd"))) for line in lines}) == 1


@pytest.mark.parametrize("width", [40, 60, 80, 100, 130, 200, 400])
def test_text_is_no_wider_than_the_terminal(width: int) -> None:
    for records in (three(), three()[:1], three()[1:2], three() * 5):
        for name in ("accuracy", "latency", "duration", "all"):
            assert max(map(len, to_text(report(name, records), width=width).splitlines())) <= width


@pytest.mark.parametrize("width", [None, 40, 80, 120])
def test_text_shows_every_record_and_its_status(width: int | None) -> None:
    text = to_text(report("accuracy", three()), width=width)
    assert all(f"0199abcd000{i}" in text for i in (1, 2, 3))
    assert len(re.findall(r"\bfailed\b", text)) >= 1
    assert "complete" in text


def test_what_the_terminal_has_no_room_for_is_named() -> None:
    text = to_text(report("latency", [record(2, latency=(latency(),)), record(1, latency=(latency(),))]), width=80)
    assert "no room for p99.9, max" in text
    assert "no room" not in to_text(report("latency", [record(latency=(latency(),))]), width=300)


def test_a_long_text_is_cut_before_the_table_falls_apart() -> None:
    lines = to_text(table("a" * 100, "short"), width=60).splitlines()
    assert [len(line) for line in lines if "a" * 20 in line] == [60]
    assert any(line.endswith("aaa…") for line in lines)
    assert len(lines) == 4
    assert "id: " in to_text(table("a" * 100, "short"), width=20), "too narrow: one fact after the other"


def test_colours_only_when_asked_for() -> None:
    tables = report("accuracy", three())
    assert "\x1b" not in to_text(tables)
    assert "\x1b[31mfailed" in to_text(tables, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", to_text(tables, color=True)) == to_text(tables)


def test_a_record_cannot_steer_the_terminal() -> None:
    text = to_text(report("accuracy", [record(model_name="\x1b[2J[bold]evil[/bold]\nline")]))
    assert "\x1b" not in text
    assert "[2J[bold]evil[/bold]\N{REPLACEMENT CHARACTER}line" in text


def test_ids_are_shown_as_long_as_it_takes_to_tell_them_apart() -> None:
    twins = [record(1), record(1).model_copy(update={"id": "0199abcd000170009000000000000000"})]
    text = to_text(report("accuracy", twins))
    assert "0199abcd000170008" in text
    assert "0199abcd000170009" in text


def test_a_table_without_ids_is_shown_too() -> None:
    plain = Table("models", (Column("name", "name"),), [{"name": "Digits_CNN"}, {"name": "MobileNet"}])
    assert to_text(plain, header=False, width=80).splitlines() == ["Digits_CNN", "MobileNet"]
    assert to_text(plain, width=80).splitlines()[-2:] == ["Digits_CNN", "MobileNet"]


def test_no_records_say_so() -> None:
    assert to_text(report("latency", [])) == "no evaluations\n"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00123456, "ms", "0.001235"),
        (12.3456, "ms", "12.35"),
        (123456.7, "ms", "123457"),
        (0.0, "ms", "0"),
        (0.752, "fraction", "75.20"),
        (1, "fraction", "100.00"),
        (3 * 2**20, "B", "3.0"),
        (1234567, None, "1234567"),
        (True, None, "yes"),
        (False, None, "no"),
        (None, "ms", "-"),
    ],
)
def test_text_writes_numbers_for_people(value: Any, unit: str | None, text: str) -> None:
    assert to_text(table(value, unit=unit), header=False).split() == [f"{0:012d}", text]


def test_created_at_stands_in_every_row() -> None:
    for rows in json.loads(to_json(report("all", three()))).values():
        for row in rows:
            assert datetime.fromisoformat(row["created_at"]).tzinfo == UTC
