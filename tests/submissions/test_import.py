"""Trees of results become records."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlscope.analyses import run
from mlscope.errors import AssetError, DataError
from mlscope.results import Filter, Record, open_store, rebuild, verify_folder
from mlscope.submissions import Imported, import_results
from tests.analyses.records import bare
from tests.conftest import Cli
from tests.submissions.making import add_plain_result, add_result, write


def read(path: Path, round_name: str | None = None) -> tuple[Imported, list[str]]:
    said: list[str] = []
    return import_results(path, round_name=round_name, warn=said.append), said


def records(**where: str) -> list[Record]:
    return open_store().find(Filter(**where), newest_first=False)  # type: ignore[arg-type]


def test_a_result_becomes_a_record_with_everything_it_says(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "inference_results_v5.1")
    done, said = read(tmp_path / "inference_results_v5.1")
    assert (len(done.added), done.known, said) == (1, 0, [])
    (record,) = records(kind="official", scenario="SingleStream", experiment="mlperf-v5.1", tag="acme")
    assert record.submission is not None
    assert record.submission.model_dump(exclude_defaults=True) == {
        "round": "v5.1",
        "division": "closed",
        "submitter": "acme",
        "system": "box",
        "system_name": "Acme Box",
        "availability": "available",
        "category": "edge",
        "benchmark": "resnet50",
        "scenario": "SingleStream",
        "accuracies": {"accuracy": 76.456},
    }
    assert record.loadgen is not None
    assert (record.loadgen.validity, record.loadgen.metric_value, record.loadgen.metric_unit) == (
        "VALID",
        7627156,
        "ns",
    )
    assert record.accuracy is not None
    assert (record.accuracy.top1_good, record.accuracy.evaluated) == (38228, 50000)
    assert (record.framework_name, record.framework_version) == ("onnxruntime", "1.22.1")
    assert (record.system.cpu_count, record.system.memory_bytes) == (32, 125 << 30)
    assert record.system.details["host_processor_model_name"] == "Acme CPU"
    (latency,) = record.latency
    assert (latency.count, latency.mean_ns, latency.stddev_ns) == (79118, 7578057, None)
    assert verify_folder(home / "runs" / record.id) == []


def test_every_division_benchmark_and_submitter_is_kept(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "tree")
    add_result(tmp_path / "tree", division="open", submitter="other", benchmark="my-own-net", scenario="Offline")
    add_result(tmp_path / "tree", division="network", benchmark="llama2-70b-99", scenario="Server", accuracy="what?")
    done, said = read(tmp_path / "tree", "v5.1")
    assert len(done.added) == 3
    assert said == ["network/acme/results/box/llama2-70b-99/Server/accuracy/accuracy.txt: no accuracy in a known form"]
    assert {record.model_name for record in records(kind="official")} == {"resnet50", "my-own-net", "llama2-70b-99"}


def test_importing_again_changes_nothing(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "tree", runs=(1, 2))
    first, _ = read(tmp_path / "tree")
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file() and "index" not in path.name}
    second, _ = read(tmp_path / "tree")
    assert (len(first.added), second.added, second.known) == (2, (), 2)
    assert sorted(record.repetition for record in records()) == [1, 2]
    after = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file() and "index" not in path.name}
    assert before == after


@pytest.mark.parametrize(
    "case",
    [
        ("singlestream", "90th percentile latency (ns) : 1916650397", "", 1916650397, "ns"),
        ("multistream", "Samples per query : 31", "", 31, "samples/query"),
        (
            "server",
            "Scheduled samples per second : 45169.48",
            "Completed samples per second    : 45167.59",
            45169.48,
            "samples/s",
        ),
        ("offline", "Samples per second: 12.5", "", 12.5, "samples/s"),
    ],
)
def test_results_of_v05(home: Path, tmp_path: Path, case: tuple[str, str, str, float, str]) -> None:
    scenario, metric, extra, value, unit = case
    add_plain_result(tmp_path / "v0.5", scenario=scenario, metric=metric, extra=extra)
    read(tmp_path / "v0.5")
    (record,) = records(experiment="mlperf-v0.5")
    assert record.loadgen is not None
    assert (record.loadgen.metric_value, record.loadgen.metric_unit) == (value, unit)
    assert record.loadgen.version == ".5a1 @ 413dbabcb3"
    assert (record.framework_name, record.framework_version) == ("TFLite", "1.15.0-rc2")


def test_a_result_of_another_scenario_is_marked(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "tree", scenario="Offline", measured="SingleStream")
    read(tmp_path / "tree")
    (record,) = records()
    assert record.submission is not None
    assert record.submission.inferred_from == "SingleStream"
    assert record.latency == ()


def test_the_sample_tree_of_v05(home: Path, shared_dir: Path) -> None:
    done, said = read(shared_dir / "mlperf-results" / "v0.5")
    assert (len(done.added), said) == (4, [])
    found = {
        (record.submission.system, record.model_name): (
            record.loadgen.metric_value,
            record.loadgen.metric_unit,
            record.accuracy.top1,
        )
        for record in records(experiment="mlperf-v0.5")
        if record.submission and record.loadgen and record.accuracy
    }
    assert found == {
        ("firefly-armnn-v19.08-neon", "mobilenet"): (80116887, "ns", 0.71676),
        ("firefly-armnn-v19.08-neon", "resnet"): (391022292, "ns", 0.76442),
        ("rpi4-tflite-v1.15", "mobilenet"): (394338211, "ns", 0.71676),
        ("rpi4-tflite-v1.15", "resnet"): (1916650397, "ns", 0.76442),
    }


# -- what is broken ------------------------------------------------------------------------------------------------


def test_broken_files_cost_a_warning_each(home: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    add_result(tree, system="a")
    (tree / "closed/acme/systems/a.json").write_bytes(b'{"status": NaN}')
    add_result(tree, system="b")
    (tree / "closed/acme/systems/b.json").unlink()
    folder = add_result(tree, system="c")
    log = folder / "performance" / "run_1" / "mlperf_log_detail.txt"
    log.write_bytes(log.read_bytes()[:-40])
    folder = add_result(tree, system="d")
    write(folder / "performance" / "run_01" / "mlperf_log_summary.txt", "x")
    write(tree / "closed/acme/results/e/resnet50/SingleStream/notes.txt", "x")
    folder = add_result(tree, system="f")
    (folder / "performance" / "run_1" / "mlperf_log_summary.txt").write_bytes(b"\xff" * 50)
    done, said = read(tree)
    assert len(done.added) == 5
    assert sorted(said) == [
        "closed/acme/results/c/resnet50/SingleStream/performance/run_1/mlperf_log_detail.txt: line 31: "
        "cut off, or no JSON",
        "closed/acme/results/d/resnet50/SingleStream/performance/run_01: a second folder of run 1; passed over",
        "closed/acme/results/e/resnet50/SingleStream: neither performance/run_1 nor accuracy in it; passed over",
        "closed/acme/results/f/resnet50/SingleStream/performance/run_1/mlperf_log_summary.txt: it ends before "
        "LoadGen's last sentence",
        "closed/acme/systems/a.json: not understood: NaN is no number in JSON",
        "closed/acme/systems/b.json: No such file or directory",
    ]
    assert done.warnings == 6


def test_links_are_not_followed(home: Path, tmp_path: Path) -> None:
    folder = add_result(tmp_path / "tree")
    secret = write(tmp_path / "secret" / "key.txt", "secret")
    (folder / "performance" / "run_1" / "key.txt").symlink_to(secret)
    (folder / "performance" / "run_2").symlink_to(secret.parent)
    done, said = read(tmp_path / "tree")
    assert said == ["closed/acme/results/box/resnet50/SingleStream/performance/run_2: a link; links are not followed"]
    with zipfile.ZipFile(home / "runs" / done.added[0] / "source.zip") as package:
        assert not [name for name in package.namelist() if "key" in name]


def test_no_tree_is_one_clear_message(home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no tree of MLPerf results"):
        read(tmp_path)
    with pytest.raises(DataError, match="no such folder or archive"):
        read(tmp_path / "missing")


def test_the_folder_below_and_above_are_found(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "a" / "b" / "tree")
    assert len(read(tmp_path / "a")[0].added) == 1
    assert read(tmp_path / "a" / "b" / "tree" / "closed")[0].known == 1


# -- archives ------------------------------------------------------------------------------------------------------


def zipped(tree: Path, archive: Path, top: str = "inference_results_v5.1-main/", separator: str = "/") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as package:
        for path in sorted(tree.rglob("*")):
            if path.is_file():
                name = top + path.relative_to(tree).as_posix()
                package.writestr(name.replace("/", separator), path.read_bytes())
    return archive


@pytest.mark.parametrize("separator", ["/", "\\"], ids=["unix", "windows"])
def test_an_archive_gives_the_same_records_as_its_folder(home: Path, tmp_path: Path, separator: str) -> None:
    add_result(tmp_path / "tree")
    archive = zipped(tmp_path / "tree", tmp_path / "v.zip", separator=separator)
    done, said = read(archive)
    assert (len(done.added), said) == (1, [])
    assert read(tmp_path / "tree")[0].known == 1
    assert not list((home / "cache").glob("import-*"))


def test_a_tar_is_read_too(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "tree")
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as tape:
        tape.add(tmp_path / "tree", "tree")
    assert len(read(tmp_path / "t.tar.gz")[0].added) == 1


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "closed/../../evil.txt", "C:/evil.txt", "..\\evil.txt"])
def test_members_that_lead_out_of_the_archive_are_refused(home: Path, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as package:
        package.writestr(name, "x")
    with pytest.raises(AssetError, match="cannot be the name of a file"):
        read(tmp_path / "bad.zip")
    assert not list(tmp_path.rglob("evil.txt"))


def test_links_in_archives_are_refused(home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as package:
        item = zipfile.ZipInfo("closed/acme/systems/box.json")
        item.external_attr = (stat.S_IFLNK | 0o777) << 16
        package.writestr(item, "/etc/passwd")
    with pytest.raises(AssetError, match="no regular file but a link"):
        read(tmp_path / "bad.zip")


def test_bombs_are_not_unpacked_to_their_end(home: Path, tmp_path: Path) -> None:
    name = "closed/acme/results/a/b/c/performance/run_1/mlperf_log_detail.txt"
    bomb = zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED)
    with bomb, bomb.open(name, "w") as file:
        for _ in range(100):
            file.write(bytes(1 << 20))
    with pytest.raises(AssetError, match="far more than its own size"):
        read(tmp_path / "bomb.zip")


def test_a_truncated_archive_is_one_clear_message(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "tree")
    archive = zipped(tmp_path / "tree", tmp_path / "v.zip")
    for share in (0.1, 0.5, 0.9, 0.99):
        cut = tmp_path / "cut.zip"
        cut.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
        with pytest.raises(AssetError):
            read(cut)


def test_a_name_that_is_no_unicode_is_passed_over(home: Path, tmp_path: Path) -> None:
    folder = add_result(tmp_path / "tree")
    with open(os.fsencode(folder / "performance" / "run_1") + b"/\xff\xfe.txt", "wb") as file:
        file.write(b"x")
    os.mkdir(os.fsencode(tmp_path / "tree" / "closed" / "acme" / "results") + b"/\xff\xfe")
    done, said = read(tmp_path / "tree")
    assert len(done.added) == 1
    assert [line.split(": ")[1] for line in said] == [
        "a folder or file in it has a name that cannot be written; passed over",
        "a file whose name cannot be written; passed over",
    ]


def test_what_a_killed_import_did_not_index_is_indexed_by_the_next(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "tree", runs=(1, 2))
    done, _ = read(tmp_path / "tree")
    open_store().delete(done.added[0])
    assert len(records()) == 1
    assert read(tmp_path / "tree")[0].known == 2
    assert len(records()) == 2


def test_names_that_no_disk_takes_are_one_clear_message(home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "long.zip", "w") as package:
        package.writestr(f"closed/acme/systems/{'x' * 300}.json", "{}")
    with pytest.raises(AssetError, match="File name too long"):
        read(tmp_path / "long.zip")


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    add_result(tmp_path / "tree", runs=(1, 2))
    done = cli("submission", "import", tmp_path / "tree", "--round", "v5.1")
    assert (done.code, done.out) == (0, "imported 2 results\n")
    done = cli("submission", "import", tmp_path / "tree", "--format", "json")
    assert done.json() == {"added": [], "known": 2, "warnings": 0}
    listed = cli("runs", "list", "--experiment", "mlperf-v5.1", "--format", "json").json()
    assert [row["model_name"] for row in listed] == ["resnet50", "resnet50"]
    shown = cli("runs", "show", listed[0]["id"])
    assert "early-stopping estimate of the 90th percentile latency: 7.62716 ms" in shown.out


def test_analyses_see_what_was_imported(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "tree")
    read(tmp_path / "tree", "v5.1")
    (row,) = run("latency", bare(records()))[0].rows
    assert (row["p90_ms"], row["count"], row["stddev_ms"]) == (7.626305, 79118, None)
    assert run("accuracy", bare(records()))[0].rows[0]["top1_good"] == 38228
    assert run("duration", bare(records()))[0].rows


def test_bad_input_is_one_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK no")
    done = cli("submission", "import", tmp_path / "a.zip")
    assert (done.code, len(done.err.splitlines())) == (4, 1)
    assert "Traceback" not in done.err


def test_what_was_imported_survives_a_rebuild(home: Path, tmp_path: Path) -> None:
    add_result(tmp_path / "tree")
    read(tmp_path / "tree")
    before = records()
    (home / "index.db").unlink()
    assert rebuild() == 1
    assert records() == before
