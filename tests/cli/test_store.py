"""Reports and runs from a store."""

from __future__ import annotations

import csv
import io
import os
import pty
from pathlib import Path

import pytest

from mlscope import results
from mlscope.results import Record
from tests.analyses.records import accuracy, latency
from tests.cli.conftest import Run
from tests.results.making import make_record, seal_run, store_run


@pytest.fixture
def three(home: Path) -> list[Record]:
    """Three runs, the newest first."""
    runs = [
        store_run(home, 1, accuracy=accuracy(), latency=(latency("batch"),), tags=("a", "b")),
        store_run(home, 2, model_name="other", batch_size=8, hostname="lab2"),
        store_run(home, 3, command="benchmark", scenario="Server", mode="PerformanceOnly", experiment="night"),
    ]
    return runs[::-1]


@pytest.mark.parametrize("report", ["accuracy", "latency", "duration"])
def test_reports_as_json_table_and_csv(run: Run, three: list[Record], report: str) -> None:
    rows = run("info", "evaluation", report, "-f", "json").json()
    assert [row["id"] for row in rows] == [record.id for record in three]
    text = run("info", "evaluation", report)
    assert text.code == 0
    assert "\x1b" not in text.out
    assert all(record.id[:12] in text.out for record in three)
    lines = list(csv.DictReader(io.StringIO(run("info", "evaluation", report, "--format", "csv").out)))
    assert [line["id"] for line in lines] == [record.id for record in three]


def test_all_reports_are_one_document(run: Run, three: list[Record]) -> None:
    found = run("info", "evaluation", "all", "--format=json").json()
    assert list(found)[:4] == ["accuracy", "latency", "duration", "model"]
    assert found["kernels"] == []
    assert found["accuracy"][-1]["top1_accuracy"] == 0.752


FILTERS = [
    ("--model_name=other", [1]),
    ("--model-name all", [0, 1, 2]),
    ("--model_version 1.0 --batch_size=1", [0, 2]),
    ("-b 8", [1]),
    ("--arch amd64 --hostname lab2", [1]),
    ("--framework_name onnxruntime --framework_version 1.20.0", [0, 1, 2]),
    ("--dataset-name digits --limit 2", [0, 1]),
    ("--limit=-1", [0, 1, 2]),
    ("--experiment night", [0]),
    ("--tag b", [2]),
    ("--scenario server", [0]),
]


@pytest.mark.parametrize(("flags", "which"), FILTERS, ids=[flags for flags, _ in FILTERS])
def test_filters(run: Run, three: list[Record], flags: str, which: list[int]) -> None:
    done = run("info", "evaluation", "accuracy", "--format", "json", *flags.split())
    assert [row["id"] for row in done.json()] == [three[index].id for index in which]
    assert not done.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--model-name nobody", "none of the 3 recorded evaluations has --model-name nobody"),
        ("--batch-size 8 --tag b", "1 evaluations have --tag b, but none of them has --batch-size 8"),
        ("--batch-size 8 --tag b --experiment night", "no evaluation has all of"),
        ("--limit 0", "--limit 0 leaves nothing"),
    ],
)
def test_an_empty_report_says_which_filter_left_nothing(run: Run, three: list[Record], flags: str, said: str) -> None:
    done = run("info", "evaluation", "accuracy", "--format", "json", *flags.split())
    assert done.code == 0
    assert done.json() == []
    assert said in done.err


def test_an_empty_home_says_what_to_do(run: Run) -> None:
    done = run("info", "evaluation", "latency", "-f", "json")
    assert (done.code, done.json()) == (0, [])
    assert "mlscope predict dataset" in done.err


def test_output_files(run: Run, three: list[Record], tmp_path: Path) -> None:
    target = tmp_path / "my_report.csv"
    report = ("info", "evaluation", "duration", "-f", "csv", "-o", target)
    first = run(*report)
    assert (first.code, first.out) == (0, "")
    header, *rows = target.read_text().splitlines()
    assert run(*report).code == 2
    assert run(*report, "--append").code == 0
    assert target.read_text().splitlines() == [header, *rows, *rows]
    assert run(*report, "--overwrite", "--no_header").code == 0
    assert target.read_text().splitlines() == rows
    assert run(*report, "--overwrite", "--append").code == 2


def test_reports_from_a_published_database(run: Run, three: list[Record], tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'shared.db'}"
    done = run("runs", "publish", three[0].id[:14], three[2].id, "--database-address", address)
    assert done.code == 0, done.err
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["published", each.id] for each in (three[0], three[2])
    ]
    rows = run("info", "evaluation", "accuracy", "--database_address", address, "-f", "json").json()
    assert [row["id"] for row in rows] == [three[0].id, three[2].id]
    assert len(run("runs", "list", "--database-address", address, "--format", "json").json()) == 2
    assert run("runs", "log", three[0].id, "worker", "--database-address", address).out == "hello\n"


def test_publishing_needs_an_address(run: Run, three: list[Record]) -> None:
    done = run("runs", "publish", three[0].id)
    assert done.code == 2
    assert "--database-address" in done.err


def test_runs_list(run: Run, three: list[Record]) -> None:
    rows = run("runs", "list", "--format", "json").json()
    assert [row["id"] for row in rows] == [record.id for record in three]
    assert rows[2]["top1_accuracy"] == 0.752
    assert rows[2]["p50_ms"] == pytest.approx(5.0, rel=0.01)
    assert rows[2]["tags"] == "a, b"
    assert len(run("runs", "list", "--limit", "1").out.splitlines()) < len(run("runs", "list").out.splitlines())


def test_runs_show(run: Run, three: list[Record]) -> None:
    shown = run("runs", "show", three[2].id)
    assert shown.code == 0
    assert "accuracy=75.200%, good=376, total=500" in shown.out
    assert "logs/worker.log" in shown.out
    assert Record.model_validate(run("runs", "show", three[2].id, "-f", "json").json()).id == three[2].id
    assert run("runs", "show", "ffffffff").code == 9


def test_runs_log(run: Run, three: list[Record]) -> None:
    name = three[0].id
    assert run("runs", "log", name).out == "Result is : VALID\n"
    assert run("runs", "log", name, "Worker").out == "hello\n"
    missing = run("runs", "log", name, "loader")
    assert missing.code == 9
    assert "it has summary, worker" in missing.err


def test_runs_rm_needs_an_answer(run: Run, three: list[Record]) -> None:
    folder = results.run_folder(three[0].id)
    refused = run("runs", "rm", three[0].id)
    assert refused.code == 2
    assert "--yes" in refused.err
    assert folder.is_dir()
    assert run("runs", "rm", three[0].id, three[1].id, "--yes").code == 0
    assert not folder.exists()
    assert [row["id"] for row in run("runs", "list", "-f", "json").json()] == [three[2].id]


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 130), (b"\n", 130), (b"y\n", 0)])
def test_runs_rm_asks_on_a_terminal(
    run: Run, three: list[Record], monkeypatch: pytest.MonkeyPatch, answer: bytes, code: int
) -> None:
    folder = results.run_folder(three[0].id)
    keyboard, terminal = pty.openpty()
    os.write(keyboard, answer)
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        done = run("runs", "rm", three[0].id)
    os.close(keyboard)
    assert done.code == code
    assert "for good? [y/N]" in done.err
    assert folder.exists() is (code != 0)


def test_store_rebuild(run: Run, home: Path, three: list[Record]) -> None:
    before = run("info", "evaluation", "all", "-f", "json").out
    (home / "index.db").unlink()
    seal_run(home, make_record())
    assert run("store", "rebuild").out == "4 runs in the index\n"
    assert run("runs", "rm", run("runs", "list", "-f", "json").json()[-1]["id"], "--yes").code == 0
    assert run("info", "evaluation", "all", "-f", "json").out == before
