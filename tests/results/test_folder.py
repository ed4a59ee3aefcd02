"""A run folder is partial, then sealed whole; a kill loses nothing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlscope import results
from mlscope._files import digest
from mlscope.errors import ResourceError, StoreError
from mlscope.results import RunFolder
from tests.results.making import make_record, seal_run


def test_a_sealed_folder_holds_every_file_with_size_and_digest(tmp_path: Path) -> None:
    record, folder = seal_run(tmp_path)
    assert folder == tmp_path / "runs" / record.id
    assert [entry.path for entry in record.files] == [
        "loadgen/mlperf_log_summary.txt",
        "logs/worker.log",
        "outputs-0.npy",
        "predictions.parquet",
        "samples.parquet",
    ]
    for entry in record.files:
        assert entry.size == (folder / entry.path).stat().st_size
        assert entry.sha256 == digest(folder / entry.path)
    assert results.read_record(folder) == record
    assert results.verify_folder(folder) == []


def test_sealed_files_are_read_only_and_nothing_else_is_left(tmp_path: Path) -> None:
    _, folder = seal_run(tmp_path)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o444}
    assert list((tmp_path / "runs").iterdir()) == [folder]


def test_nothing_is_seen_under_the_final_name_before_sealing(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, results.new_id())
    assert run.path.parent == tmp_path
    assert run.path.name.startswith(".partial-")
    assert results.sealed_folders(tmp_path) == []


def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, results.new_id())
    (run.path / "file").write_text("x")
    run.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_run_cannot_be_sealed_with_the_record_of_another(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, results.new_id())
    with pytest.raises(StoreError, match="the record's id is"):
        run.seal(make_record())
    assert run.path.is_dir()


def test_a_record_that_could_not_be_read_back_is_not_sealed(tmp_path: Path) -> None:
    record = make_record()
    run = RunFolder.create(tmp_path, record.id)
    timings = record.timings.model_copy(update={"total_ns": None})
    with pytest.raises(StoreError, match=r"timings\.total_ns"):
        run.seal(record.model_copy(update={"timings": timings}))
    run.seal(record)
    assert results.read_record(tmp_path / record.id).timings.total_ns == 1_000_000


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    record = make_record()
    run = RunFolder.create(tmp_path, record.id)
    (run.path / "link").symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match="symbolic link"):
        run.seal(record)


def test_the_same_id_cannot_be_used_twice_at_once(tmp_path: Path) -> None:
    record_id = results.new_id()
    RunFolder.create(tmp_path, record_id)
    with pytest.raises(StoreError, match="under way"):
        RunFolder.create(tmp_path, record_id)


def test_verify_names_what_was_changed_removed_and_added(tmp_path: Path) -> None:
    _, folder = seal_run(tmp_path)
    log = folder / "logs" / "worker.log"
    log.chmod(0o644)
    log.write_text("HELLO\n")
    (folder / "outputs-0.npy").unlink()
    (folder / "loadgen" / "mlperf_log_summary.txt").chmod(0o644)
    (folder / "loadgen" / "mlperf_log_summary.txt").write_text("short")
    (folder / "new.txt").write_text("x")
    assert results.verify_folder(folder) == [
        "loadgen/mlperf_log_summary.txt: 5 bytes, sealed with 18",
        "logs/worker.log: its content was changed",
        "outputs-0.npy: missing",
        "new.txt: was added after sealing",
    ]


def test_a_folder_that_names_files_outside_of_it_is_not_followed(tmp_path: Path) -> None:
    record, folder = seal_run(tmp_path)
    (tmp_path / "secret").write_text("x")
    entry = record.files[0].model_copy(update={"path": "../../secret"})
    forged = record.model_copy(update={"files": (entry,)})
    (folder / "evaluation.json").unlink()
    (folder / "evaluation.json").write_text(forged.model_dump_json())
    assert "../../secret: missing" in results.verify_folder(folder)
    with pytest.raises(StoreError, match="has no"):
        results.Evaluation.from_folder(folder).open("../../secret")


WAITING = """
import sys, time
from pathlib import Path
from mlscope.results import RunFolder
run = RunFolder.create(Path(sys.argv[1]), sys.argv[2])
(run.path / "raw").write_bytes(b"measured")
print("ready", flush=True)
time.sleep(60)
"""


def test_a_killed_run_is_found_adopted_and_sealed_with_what_it_measured(tmp_path: Path) -> None:
    record = make_record(status="failed")
    runs = tmp_path / "runs"
    command = [sys.executable, "-c", WAITING, str(runs), record.id]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        partial = runs / f".partial-{record.id}"
        assert results.abandoned(runs) == []
        assert RunFolder.adopt(partial) is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert results.abandoned(runs) == [partial]
    run = RunFolder.adopt(partial)
    assert run is not None
    assert results.abandoned(runs) == []
    _, folder = run.seal(record)
    assert (folder / "raw").read_bytes() == b"measured"
    assert list(runs.iterdir()) == [folder]


def test_adopting_what_is_gone_gives_nothing(tmp_path: Path) -> None:
    assert RunFolder.adopt(tmp_path / ".partial-00") is None
    assert list(tmp_path.iterdir()) == []


def test_without_a_runs_folder_nothing_is_abandoned_or_sealed(tmp_path: Path) -> None:
    assert results.abandoned(tmp_path / "runs") == []
    assert results.sealed_folders(tmp_path / "runs") == []


def test_a_home_that_cannot_be_written_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "runs"))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ResourceError, match="MLSCOPE_HOME"):
        RunFolder.create(tmp_path / "runs", results.new_id())


def test_notes_are_appended_beside_the_sealed_files(tmp_path: Path) -> None:
    _, folder = seal_run(tmp_path)
    assert results.annotations(folder) == []
    results.annotate(folder, {"tag": "good"})
    results.annotate(folder, {"text": "warm room, 31 °C"})
    notes = results.annotations(folder)
    assert [{key: value for key, value in note.items() if key != "at"} for note in notes] == [
        {"tag": "good"},
        {"text": "warm room, 31 °C"},
    ]
    assert results.verify_folder(folder) == []


def test_a_note_that_a_crash_cut_short_spoils_no_other(tmp_path: Path) -> None:
    _, folder = seal_run(tmp_path)
    results.annotate(folder, {"number": 1})
    with (folder / "notes.jsonl").open("ab") as file:
        file.write(b'{"number": 2, "te')
    results.annotate(folder, {"number": 3})
    assert [note["number"] for note in results.annotations(folder)] == [1, 3]
