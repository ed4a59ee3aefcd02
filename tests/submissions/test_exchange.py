"""Runs between machines, and experiments of CK: out and in again."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlscope import results
from mlscope.errors import AssetError, DataError, StoreError, UsageError
from mlscope.results import AccuracyResult, Filter, LoadGenResult, Record, annotate, open_store, run_folder
from mlscope.submissions import Layout, export_experiments, import_experiments, import_results
from tests.conftest import Cli
from tests.results.making import make_record, seal_run, store_run
from tests.submissions.making import add_plain_result, add_result, write


def go(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make another home the current one."""
    monkeypatch.setenv("MLSCOPE_HOME", str(home))


def everything(**where: str) -> list[Record]:
    return open_store().find(Filter(**where))  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, str]:
    """Name → digest of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def members(archive: Path) -> dict[str, str]:
    with zipfile.ZipFile(archive) as package:
        return {name: hashlib.sha256(package.read(name)).hexdigest() for name in package.namelist()}


def bring(path: Path) -> tuple[int, int, list[str]]:
    said: list[str] = []
    done = import_experiments(path, warn=said.append)
    return len(done.added), done.known, said


def send(out: Path, layout: Layout = "mlscope") -> Path:
    export_experiments(everything(), out, layout)
    return out


# -- run folders ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["runs.zip", "runs.tar.zst", "runs"])
def test_runs_go_to_another_home_and_back(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    first = store_run(home, experiment="exp")
    store_run(home, 1)
    annotate(home / "runs" / first.id, {"note": "looked at"})
    archive = send(tmp_path / name)
    go(tmp_path / "elsewhere", monkeypatch)
    assert bring(archive) == (2, 0, [])
    assert bring(archive) == (0, 2, [])
    assert everything(experiment="exp") == [first]
    assert results.annotations(run_folder(first.id))[0]["note"] == "looked at"
    assert tree(home / "runs") == tree(tmp_path / "elsewhere" / "runs")
    again = send(tmp_path / f"again-{name}")
    assert tree(again) == tree(archive) if again.is_dir() else again.read_bytes() == archive.read_bytes()


def test_a_run_that_was_changed_is_left_out(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [store_run(home, number) for number in range(4)]
    folder = send(tmp_path / "runs")
    for place, text in (("logs/worker.log", "forged"), ("logs/more.log", "added"), ("evaluation.json", "{}")):
        path = folder / records[("logs/worker.log", "logs/more.log", "evaluation.json").index(place)].id / place
        path.unlink(missing_ok=True)
        path.write_text(text)
    go(tmp_path / "elsewhere", monkeypatch)
    added, known, said = bring(folder)
    assert (added, known) == (1, 0)
    assert [line.split(": ", 1)[1] for line in said] == [
        "logs/worker.log: its content was changed; left out",
        "logs/more.log: was added after sealing; left out",
        "not a record: schema_version is missing or no positive number; left out",
    ]


def test_a_record_that_is_not_the_listed_one_is_left_out(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = store_run(home)
    folder = send(tmp_path / "runs")
    path = folder / record.id / "evaluation.json"
    forged = json.loads(path.read_text()) | {"model_name": "Better"}
    path.chmod(0o644)
    path.write_text(json.dumps(forged))
    go(tmp_path / "elsewhere", monkeypatch)
    assert bring(folder)[2] == [f"{record.id}: evaluation.json: its content was changed; left out"]


def test_a_run_that_is_missing_from_the_archive_is_told(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [store_run(home, number) for number in range(2)]
    archive = send(tmp_path / "runs.zip")
    with zipfile.ZipFile(archive) as package, zipfile.ZipFile(tmp_path / "less.zip", "w") as less:
        for name in package.namelist():
            if not name.startswith(records[0].id):
                less.writestr(name, package.read(name))
    go(tmp_path / "elsewhere", monkeypatch)
    assert bring(tmp_path / "less.zip") == (
        1,
        0,
        [f"{records[0].id}: the archive's list names it, but it is not there"],
    )


def test_what_was_changed_is_not_exported(home: Path, tmp_path: Path) -> None:
    record = store_run(home)
    path = home / "runs" / record.id / "logs" / "worker.log"
    path.chmod(0o644)
    path.write_text("forged")
    with pytest.raises(StoreError, match="was changed after it was sealed"):
        send(tmp_path / "runs.zip")
    assert not (tmp_path / "runs.zip").exists()


def test_places_that_are_taken_or_strange_are_refused(home: Path, tmp_path: Path) -> None:
    record = store_run(home)
    write(tmp_path / "there.zip", "x")
    with pytest.raises(UsageError, match="is there already"):
        export_experiments([record], tmp_path / "there.zip")
    with pytest.raises(UsageError, match="holds something already"):
        export_experiments([record], tmp_path)
    with pytest.raises(UsageError, match="no archive that can be written"):
        export_experiments([record], tmp_path / "runs.rar")
    export_experiments([record], tmp_path / "there.zip", overwrite=True)
    assert len(members(tmp_path / "there.zip")) == 7


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "C:\\evil.txt", "a/../../evil.txt"])
def test_members_that_lead_out_are_refused(home: Path, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as package:
        package.writestr(name, "x")
    with pytest.raises(AssetError, match="cannot be the name of a file"):
        bring(tmp_path / "bad.zip")
    assert not list(tmp_path.rglob("evil*"))


def test_an_archive_of_something_else(home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as package:
        package.writestr("holiday/picture.jpg", "x")
    with pytest.raises(DataError, match="neither run folders of mlscope nor experiments of CK"):
        bring(tmp_path / "other.zip")


# -- CK ------------------------------------------------------------------------------------------------------------


def archives(shared_dir: Path) -> list[Path]:
    return sorted((shared_dir / "ck-experiments").glob("*.zip"))


def test_every_point_of_the_published_archives_becomes_a_record(home: Path, shared_dir: Path) -> None:
    for archive in archives(shared_dir):
        assert bring(archive) == (4, 0, [])
        assert bring(archive) == (0, 4, [])
    found = everything(kind="ck")
    assert {(record.system.hostname, record.model_name, record.mode) for record in found} == {
        (board, model, mode)
        for board in ("firefly", "rpi4")
        for model in ("mobilenet", "resnet")
        for mode in ("PerformanceOnly", "AccuracyOnly")
    }
    (record,) = everything(
        experiment="mlperf.closed.image-classification.rpi4.tflite-v1.15.resnet.singlestream.performance"
    )
    assert (record.framework_name, record.framework_version) == ("tflite", "1.15")
    assert record.loadgen is not None
    assert (record.loadgen.validity, record.loadgen.metric_value) == ("VALID", 1916650397)
    assert record.loadgen.effective_settings["min_query_count"] == 1024
    assert record.effective["choices"]["env"]["CK_LOADGEN_SCENARIO"] == "SingleStream"
    assert record.effective["versions"]["weights"] == "1.5"
    assert record.system.details["platform"]["os"]["name_short"].startswith("Linux 4.19")
    assert record.submission is not None
    assert (record.submission.round, record.submission.system) == ("v0.5", "rpi4-tflite-v1.15")
    assert record.latency[0].mean_ns == 1891985113
    accuracies = {record.model_name: record.accuracy for record in everything(tag="rpi4") if record.accuracy}
    assert accuracies["resnet"].top1_good == 38221
    assert accuracies["mobilenet"].top1 == 0.71676
    results = shared_dir / "mlperf-results/v0.5/closed/dividiti/results"
    assert sum(same_logs(record, results) for record in found) == 4 * 2 + 4 * 3


def same_logs(record: Record, results: Path) -> int:
    """How many logs of a point are those of the submission that its owners made of it; none may differ."""
    assert record.submission is not None
    place = results / record.submission.system / record.model_name / "singlestream"
    place /= "accuracy" if record.mode == "AccuracyOnly" else "performance/run_1"
    logs = [path for path in (run_folder(record.id) / "loadgen").iterdir() if (place / path.name).exists()]
    assert [path.name for path in logs if path.read_bytes() != (place / path.name).read_bytes()] == []
    return len(logs)


def test_archives_of_ck_come_out_as_they_went_in(
    home: Path, tmp_path: Path, shared_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for archive in archives(shared_dir):
        bring(archive)
    first = send(tmp_path / "first.zip", "ck")
    assert members(first) == {**members(archives(shared_dir)[0]), **members(archives(shared_dir)[1])}
    go(tmp_path / "elsewhere", monkeypatch)
    assert bring(first) == (8, 0, [])
    assert send(tmp_path / "second.zip", "ck").read_bytes() == first.read_bytes()


def loadgen_record(**changes: object) -> Record:
    loadgen = LoadGenResult(
        version="6.0.17",
        scenario="SingleStream",
        mode="PerformanceOnly",
        validity="VALID",
        metric="90.0th percentile latency",
        metric_value=5e6,
        metric_unit="ns",
    )
    accuracy = AccuracyResult(
        evaluated=500, failed=0, top1_good=376, top5_good=None, top1=0.752, top1_low=0.7, top1_high=0.8,
        top5=None, top5_low=None, top5_high=None,
    )  # fmt: skip
    fields: dict[str, Any] = {
        "scenario": "SingleStream",
        "mode": "PerformanceOnly",
        "loadgen": loadgen,
        "accuracy": accuracy,
    }
    return make_record(**{**fields, **changes})


def test_own_runs_in_the_layout_of_ck_are_a_fixed_point(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        record, folder = seal_run(home, loadgen_record(experiment="sweep", batch_size=number + 1))
        open_store().put(record, folder, blobs=[])
    store_run(home, 5)  # no LoadGen
    first = send(tmp_path / "first.zip", "ck")
    go(tmp_path / "elsewhere", monkeypatch)
    added, _, said = bring(first)
    assert (added, said) == (3, [])
    assert send(tmp_path / "second.zip", "ck").read_bytes() == first.read_bytes()
    found = {record.batch_size: record for record in everything(experiment="sweep.singlestream.performance")}
    assert set(found) == {1, 2}
    assert (found[1].model_name, found[1].framework_name, found[1].scenario) == (
        "Digits_CNN",
        "onnxruntime",
        "SingleStream",
    )
    assert found[2].accuracy is not None
    assert found[2].accuracy.top1_good == 376
    assert found[2].system.machine_architecture == "amd64"
    assert {record.model_name for record in everything()} == {"Digits_CNN"}


def test_broken_points_cost_a_warning_each(home: Path, tmp_path: Path) -> None:
    base = tmp_path / "experiment"
    point = {"choices": {}, "features": {}, "characteristics_list": [{"run": {"run_success": "no"}}]}
    write(base / "a" / "ckp-0123456789abcdef.0001.json", json.dumps(point))
    write(base / "b" / "ckp-0123456789abcdef.0001.json", '{"characteristics_list": [NaN]}')
    write(base / "c" / "ckp-0123456789abcdef.0001.json", '{"characteristics_list": "x"}')
    write(base / "d" / "ckp-0123456789abcdef.0001.json", b"\xff\xfe")
    write(base / "a" / "pipeline.json", "[" * 5000)
    added, _, said = bring(tmp_path)
    assert added == 1
    assert said == [
        "experiment/a/pipeline.json: not understood: it is nested too deeply; passed over",
        "experiment/b/ckp-0123456789abcdef.0001.json: not understood: NaN is no number in JSON; passed over",
        "experiment/c/ckp-0123456789abcdef.0001.json: no point of CK: no characteristics_list; passed over",
        "experiment/d/ckp-0123456789abcdef.0001.json: not understood: Expecting value: line 1 column 1 (char 0); "
        "passed over",
    ]
    (record,) = everything()
    assert record.status == "failed"


def test_repetitions_of_a_point_are_records_of_their_own(home: Path, tmp_path: Path) -> None:
    point = {"choices": {}, "features": {}, "characteristics_list": [{"run": {"good": 1, "total": 2}}, {"run": {}}]}
    write(tmp_path / "experiment" / "a" / "ckp-0123456789abcdef.0001.json", json.dumps(point))
    assert bring(tmp_path)[0] == 2
    assert {record.repetition for record in everything()} == {1, 2}
    assert bring(tmp_path)[:2] == (0, 2)


# -- trees of results ----------------------------------------------------------------------------------------------


def test_trees_of_results_come_out_as_they_went_in(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_result(tmp_path / "tree", runs=(1, 2, 3))
    add_result(tmp_path / "tree", division="open", submitter="other", scenario="Offline")
    write(tmp_path / "tree" / "open" / "other" / "model_mapping.json", "{}")
    add_plain_result(tmp_path / "tree", metric="90th percentile latency (ns) : 1")
    import_results(tmp_path / "tree", round_name=None, warn=pytest.fail)
    out = send(tmp_path / "out", "mlperf")
    assert tree(out) == tree(tmp_path / "tree")
    go(tmp_path / "elsewhere", monkeypatch)
    assert len(import_results(out, round_name=None, warn=pytest.fail).added) == 5
    assert tree(send(tmp_path / "again", "mlperf")) == tree(out)


def test_the_sample_tree_comes_out_as_it_went_in(home: Path, tmp_path: Path, shared_dir: Path) -> None:
    import_results(shared_dir / "mlperf-results" / "v0.5", round_name=None, warn=pytest.fail)
    assert tree(send(tmp_path / "out", "mlperf")) == tree(shared_dir / "mlperf-results" / "v0.5")


def test_own_runs_are_no_tree_as_it_came(home: Path, tmp_path: Path) -> None:
    store_run(home)
    with pytest.raises(UsageError, match="--to mlperf is for official records"):
        send(tmp_path / "out", "mlperf")


# -- the commands --------------------------------------------------------------------------------------------------


def test_the_commands(cli: Cli, home: Path, tmp_path: Path) -> None:
    record = store_run(home, experiment="exp")
    done = cli("experiments", "export", tmp_path / "runs.zip", "--experiment", "exp")
    assert (done.code, done.out) == (0, f"exported 1 run in 7 files to {tmp_path / 'runs.zip'}\n")
    other = {"MLSCOPE_HOME": str(tmp_path / "elsewhere")}
    assert cli("experiments", "import", tmp_path / "runs.zip", env=other).out == "imported 1 run\n"
    assert cli("runs", "list", "--format", "json", env=other).json()[0]["id"] == record.id
    assert cli("experiments", "export", tmp_path / "ck", record.id[:12], "--to", "ck").code == 0
    done = cli("experiments", "import", tmp_path / "ck", "--format", "json", env=other)
    assert len(done.json()["added"]) == 1
    assert cli("runs", "list", "--kind", "ck", "--format", "json", env=other).json()[0]["model_name"] == "Digits_CNN"


def test_nothing_to_export_is_one_line(cli: Cli, tmp_path: Path) -> None:
    done = cli("experiments", "export", tmp_path / "runs.zip", "--kind", "ck")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    with pytest.raises(DataError, match="no such archive or folder"):
        bring(tmp_path / "missing.zip")
