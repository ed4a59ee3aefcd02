"""Which mlscope made a record: by git in a checkout, by pip's note after an installation from a repository."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mlscope._origin import Origin, origin, origin_of
from mlscope.conductor import evaluate
from mlscope.plan import Request

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *words: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@needs_git
def test_a_checkout_tells_its_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    package = tmp_path / "src" / "mlscope"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (tmp_path / "README").write_text("")
    git(tmp_path, "init")
    assert origin_of(package, None).commit is None  # not yet part of it
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    head = git(tmp_path, "rev-parse", "HEAD").strip()
    (tmp_path / "README").write_text("no code")
    assert (origin_of(package, None).commit, origin_of(package, None).dirty) == (head, False)
    (package / "new.py").write_text("")
    assert (origin_of(package, None).commit, origin_of(package, None).dirty) == (head, True)


@pytest.mark.parametrize(
    ("note", "commit"),
    [
        (json.dumps({"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}}), "ab12"),
        (json.dumps({"url": "file:///somewhere", "dir_info": {}}), None),
        (None, None),
        ("{", None),
        ("[]", None),
    ],
)
def test_an_installation_tells_the_commit_that_pip_noted(tmp_path: Path, note: str | None, commit: str | None) -> None:
    found = origin_of(tmp_path, note)
    assert (found.commit, found.dirty) == (commit, None if commit is None else False)


def test_it_is_said_in_one_line() -> None:
    assert str(Origin("1.0", None, None)) == "1.0"
    assert str(Origin("1.0", "0123456789abcdef", False)) == "1.0 (0123456789ab)"
    assert str(Origin("1.0", "0123456789abcdef", True)) == "1.0 (0123456789ab, changed since)"


def test_each_record_names_what_its_numbers_hang_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    request = Request(command="predict dataset", num_file_parts=3, threads=1, env={"KMP_BLOCKTIME": "0"})
    outcome = evaluate(request)[0]
    record, folder = outcome.record, outcome.folder
    assert folder is not None
    assert (record.mlscope_version, record.mlscope_commit, record.mlscope_dirty) == (
        origin().version,
        origin().commit,
        origin().dirty,
    )
    plan = json.loads((folder / "plan.json").read_text())
    lock = json.loads((folder / "lock.json").read_text())
    assert all(len(each["sha256"]) == 64 for each in (*plan["model"]["weights"], plan["dataset"]))
    assert len(plan["model"]["manifest_sha256"]) == len(record.lock_sha256) == 64
    assert {"numpy", "onnxruntime"} <= {each["name"] for each in lock["packages"] if each["record_sha256"]}
    assert lock["python"]["version"] in record.system.python
    assert record.effective["python"] == lock["python"]["version"]
    assert record.system.kernel.startswith("Linux ")
    assert "sse2" in record.system.details["cpu"]["flags"] or record.system.machine_architecture != "amd64"
    assert record.system.details["environment"]["OMP_NUM_THREADS"] == "1"
    assert plan["execution"]["env"] == {"KMP_BLOCKTIME": "0"}
    assert plan["execution"]["threads"] == record.effective["threads"] == 1
