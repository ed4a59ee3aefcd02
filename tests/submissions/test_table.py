"""The table of results: official and own together, out and in."""

from __future__ import annotations

import csv
import io
import json
import pickle
import runpy
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mlscope.analyses import to_csv, to_json
from mlscope.errors import DataError
from mlscope.results import Filter, Record, open_store
from mlscope.submissions import (
    import_results,
    import_table,
    published_rows,
    read_rows,
    results_table,
    write_parquet,
)
from tests.conftest import CHECKOUT, Cli
from tests.results.making import make_record, seal_run
from tests.submissions.making import add_plain_result, add_result, write
from tests.submissions.test_exchange import go, loadgen_record


def everything(**where: str) -> list[Record]:
    return open_store().find(Filter(**where))  # type: ignore[arg-type]


def put(home: Path, record: Record) -> None:
    record, folder = seal_run(home, record)
    open_store().put(record, folder, blobs=[])


def join(path: Path) -> tuple[int, int, list[str]]:
    said: list[str] = []
    done = import_table(path, warn=said.append)
    return len(done.added), done.known, said


@pytest.fixture
def mixed(home: Path, tmp_path: Path) -> Path:
    """A home with official results of two rounds and own ones."""
    add_plain_result(tmp_path / "v0.5", metric="90th percentile latency (ns) : 1916650397")
    add_plain_result(tmp_path / "v0.5", scenario="multistream", metric="Samples per query : 31")
    import_results(tmp_path / "v0.5", round_name="v0.5", warn=pytest.fail)
    add_result(tmp_path / "v5.1", benchmark="retinanet", scenario="Server", accuracy="mAP=37.3%\n")
    import_results(tmp_path / "v5.1", round_name="v5.1", warn=pytest.fail)
    put(home, loadgen_record(accuracy=None))
    put(home, loadgen_record(loadgen=None, mode="AccuracyOnly"))
    put(home, make_record())
    return home


def test_the_columns_are_those_of_the_dashboard() -> None:
    names = [column.name for column in results_table([]).columns]
    assert names[:6] == ["ID", "Division", "Category", "Submitter", "System", "Benchmark"]
    assert names[20:28] == [f"P_{group}_{short}" for group in ("IC1", "IC2") for short in ("SS", "MS", "S", "O")]
    assert len([name for name in names if name[:2] in ("P_", "A_")]) == 2 * 5 * 4


def test_official_and_own_results_stand_together(mixed: Path) -> None:
    rows = {(row["Kind"], row["Scenario"]): row for row in results_table(everything()).rows}
    assert set(rows) == {
        ("official", "SingleStream"),
        ("official", "MultiStream"),
        ("official", "Server"),
        ("own", "SingleStream"),
    }
    first = rows["official", "SingleStream"]
    assert (first["Benchmark"], first["Task"]) == ("mobilenet (224x224)", "Image Classification")
    assert (first["P_IC1_SS"], first["A_IC1_SS"]) == (1916.650397, 71.676)
    assert (first["Category"], first["Processor #"], first["FF_E"]) == ("Available", 2, "x")
    assert rows["official", "MultiStream"]["P_IC1_MS"] == 31
    assert rows["official", "MultiStream"]["Notes"] == "Result = VALID"
    server = rows["official", "Server"]
    assert (server["P_OD2_S"], server["A_OD2_S"], server["Accuracy measure"]) == (130.25, 37.3, "mAP")
    own = rows["own", "SingleStream"]
    assert (own["Category"], own["Result"], own["Unit"]) == ("Unofficial", 5e6, "ns")
    assert own["Accuracy"] == 75.2  # of the accuracy run beside it


def test_own_latencies_are_counted_as_official_ones_are() -> None:
    """By LoadGen's early-stopping estimate, where its summary has one for the scenario's percentile."""
    record = loadgen_record()
    assert record.loadgen is not None
    summary = {f"* Early stopping {rank}.0th percentile estimate": str(rank * 100_000) for rank in (90, 99)}
    counted = {}
    for scenario in ("SingleStream", "MultiStream"):
        loadgen = record.loadgen.model_copy(update={"summary": summary, "scenario": scenario})
        (row,) = results_table([record.model_copy(update={"scenario": scenario, "loadgen": loadgen})]).rows
        counted[scenario] = (row["Metric"], row["Result"])
    assert counted == {
        "SingleStream": ("early-stopping estimate of the 90th percentile latency", 9e6),
        "MultiStream": ("early-stopping estimate of the 99th percentile latency", 9.9e6),
    }


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_colleagues_table_joins_and_comes_out_as_it_went_in(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    table = results_table(everything())
    path = tmp_path / f"table.{form}"
    if form == "parquet":
        write_parquet(table, path)
        assert pq.read_schema(path).field("P_IC1_SS").type == "float"
    else:
        path.write_bytes((to_csv if form == "csv" else to_json)(table).encode())
    assert join(path) == (0, 4, [])  # these results are here already
    go(tmp_path / "elsewhere", monkeypatch)
    assert join(path) == (4, 0, [])
    assert join(path) == (0, 4, [])
    found = results_table(everything(kind="table"))

    def plain(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        kept = [{name: row[name] for name in row if name not in ("Record", "Kind") and "_" not in name} for row in rows]
        return sorted(kept, key=lambda row: (str(row["Scenario"]), str(row["Submitter"])))

    assert plain(found.rows) == plain(table.rows)
    again = tmp_path / "again.csv"
    again.write_bytes(to_csv(found).encode())
    assert join(again) == (0, 4, [])
    (record,) = everything(kind="table", model_name="retinanet")
    assert record.submission is not None
    assert (record.submission.round, record.submission.accuracies) == ("v5.1", {"mAP": 37.3})
    assert record.loadgen is not None
    assert (record.loadgen.metric_value, record.loadgen.validity) == (130.25, "VALID")


def test_a_table_of_the_original_columns_alone_joins(home: Path, tmp_path: Path) -> None:
    row = {"ID": "Inf-0.5-22", "Division": "Closed", "Submitter": "acme", "System": "box", "Scenario": "MultiStream"}
    row |= {"Benchmark": "ResNet-50 (224x224)", "Software": "TensorRT 6.0", "Notes": "Result = INVALID"}
    row |= {"P_IC2_MS": "30", "A_IC2_MS": "75.2", "Accelerator #": "1", "Colour": "red"}
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(row))
    writer.writeheader()
    writer.writerow(row)
    writer.writerow({**row, "P_IC2_MS": ""})
    writer.writerow({**row, "System": ""})
    path = write(tmp_path / "t.csv", "\ufeff" + buffer.getvalue())
    assert join(path) == (
        1,
        0,
        [
            f"{path}: columns that are not known are left out: Colour",
            f"{path}: row 3: without System; left out",
            f"{path}: row 2: neither Result with a Unit nor a figure of its scenario; left out",
        ],
    )
    (record,) = everything()
    assert record.loadgen is not None
    assert record.submission is not None
    assert (record.loadgen.metric_value, record.loadgen.metric_unit, record.loadgen.validity) == (
        30,
        "samples/query",
        "INVALID",
    )
    assert (record.model_name, record.framework_name, record.using_gpu) == ("ResNet-50", "TensorRT", True)
    assert (record.submission.identifier, record.submission.accuracies) == ("Inf-0.5-22", {"accuracy": 75.2})


class Marker:
    """Its pickle makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (Path.touch, (self.path,))  # type: ignore[return-value]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("packed", [False, True])
def test_pickles_are_refused_unread(home: Path, tmp_path: Path, protocol: int, packed: bool) -> None:
    data = pickle.dumps(Marker(tmp_path / "harm"), protocol=protocol)
    path = tmp_path / ("results.zip" if packed else "results.pkl" if protocol < 2 else "results")
    if packed:
        with zipfile.ZipFile(path, "w") as package:
            package.writestr("mlperf-inference-v0.5-results", data)
    else:
        path.write_bytes(data)
    with pytest.raises(DataError, match="a pickle is a program" if not packed or protocol > 1 else "an archive is no"):
        import_table(path, warn=pytest.fail)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it has no row"),
        (b"PAR1 no", "damaged, no Parquet"),
        (b"[1, 2]", "a list of objects is expected"),
        (b'[{"System": NaN}]', "NaN is no number in JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"a,b\n1,2\n", "it has no column System"),
        (b"a,b\n\xff,2\n", "no text in UTF-8"),
        (b'a,b\n"1', "no CSV"),
        (b"PK\x03\x04 no", "an archive is no table"),
    ],
)
def test_bad_tables_are_one_clear_message(home: Path, tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_rows(write(tmp_path / "table", data), pytest.fail)


def test_the_published_table_holds_what_the_script_makes(shared_dir: Path) -> None:
    program = runpy.run_path(str(CHECKOUT / "scripts" / "official-results"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLSCOPE_HOME", "")  # the script sets its own
        made = program["main"](shared_dir / "mlperf-results" / "v0.5")
    committed = CHECKOUT / "src" / "mlscope" / "submissions" / "official" / "v0.5.csv"
    header, *lines = made.splitlines()
    kept_header, *kept = committed.read_text(encoding="utf-8").splitlines()
    assert header == kept_header
    assert len(lines) == 4
    assert set(lines) <= set(kept)


def test_a_first_view_is_not_empty(cli: Cli, home: Path, tmp_path: Path) -> None:
    done = cli("results", "table", "--format", "json")
    rows = done.json()
    count = len(published_rows())
    assert len(rows) == count > 400
    assert {row["Submitter"] for row in rows} >= {"Alibaba", "Google", "Intel", "NVIDIA", "dividiti"}
    assert {(row["System"], row["P_IC2_SS"]) for row in rows} >= {("Raspberry Pi 4 (rpi4)", 1916.650397)}
    assert json.loads(cli("results", "table", "--records-only", "--format", "json").out) == []
    done = cli("results", "table", "--format", "parquet", "--output", tmp_path / "t")
    assert (done.code, done.out) == (0, "")
    assert cli("results", "import", tmp_path / "t.parquet").out == f"imported {count} rows\n"
    assert len(cli("results", "table", "--format", "json").json()) == count  # not twice
    assert cli("results", "table", "--format", "parquet").code == 2
