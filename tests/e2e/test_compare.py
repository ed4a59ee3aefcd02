"""`mlscope compare` and `mlscope verify` as a user calls them, and early stopping as LoadGen's own."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import mlscope
from mlscope.stats import early_stopping_estimate
from tests.conftest import Cli
from tests.e2e.running import folders, one_line


def test_early_stopping_is_that_of_loadgens_summary(home: Path) -> None:
    load = {"count_override": 1500, "min_duration_s": 0}
    run = mlscope.evaluate("sleep", options={"law": "uniform:200us,900us"}, scenario="SingleStream", load=load)
    with run.open("loadgen/mlperf_log_summary.txt") as file:
        text = file.read().decode()
    times = np.sort(run.latencies_ns())
    p90, p99 = early_stopping_estimate(times, 90), early_stopping_estimate(times, 99)
    assert f"Processed at least {p90.needed} queries ({p90.queries})" in text
    assert f"Would discard {p90.discarded} highest latency queries" in text
    for found, share in ((p90, "90.0"), (p99, "99.0")):
        said = re.search(rf"Early stopping {share}th percentile estimate: (\d+)", text)
        assert said
        assert found.estimate == pytest.approx(int(said[1]), rel=0.05)  # LoadGen's clock starts a little earlier


def test_two_runs_are_compared_and_a_condition_ends_with_its_code(home: Path, inside: Cli) -> None:
    for name, law in (("quick", "1ms"), ("slow", "30ms")):
        done = inside(
            *("benchmark", "--model-name", "sleep", "--option", f"law=constant:{law}", "--experiment", name),
            *("--count-override", "100", "--min-duration", "0"),
        )
        assert done.code == 0, done.err
    done = inside("compare", "quick", "slow", "--format", "json", "--fail-if", "slower:3%")
    assert done.code == 20
    verdicts = {metric["name"]: metric["verdict"] for metric in done.json()["metrics"]}
    assert "slower" in verdicts.values()
    assert "faster" not in verdicts.values()
    assert "--fail-if: B is slower: " in done.err
    assert inside("compare", "slow", "quick", "--fail-if", "slower:3%").code == 0
    assert inside("compare", "slow", folders(home)[0].name[:20]).code == 0
    assert "no experiment of this name" in one_line(inside("compare", "quick", "none"), 9)
    assert "no condition" in one_line(inside("compare", "quick", "slow", "--fail-if", "slwer"), 2)
    assert "two sides" in one_line(inside("compare", "quick"), 2)
    assert "no share" in one_line(inside("compare", "quick", "slow", "--margin", "200%"), 2)


def test_runs_are_repeated_in_turns(home: Path, inside: Cli) -> None:
    assert inside("predict", "dataset", "--num-file-parts", "40", "--experiment", "one").code == 0
    done = inside("compare", "one", "one", "--interleave", "2", "--format", "json")
    assert done.code == 0, done.err
    found = done.json()
    assert found["method"] == "runs"
    assert [len(found[side]["runs"]) for side in ("first", "second")] == [2, 2]
    assert len(folders(home)) == 5
    assert found["predictions"]["identical"] is True
    assert found["accuracy"]["verdict"] == "no difference"


@pytest.mark.alone
def test_two_plans_are_measured_side_by_side(home: Path, inside: Cli) -> None:
    done = inside(
        *("compare", "--model-name", "sleep", "--option", "spin=true", "--a", "option.law=constant:1ms"),
        *("--b", "option.law=constant:2ms", "--pairs", "6", "--block", "20", "--max-time", "5s", "--format", "json"),
    )
    assert done.code == 0, done.err
    found = done.json()
    assert found["method"] == "pairs"
    p50 = next(metric for metric in found["metrics"] if metric["name"] == "p50")
    assert p50["first"] >= 1e6
    assert p50["second"] >= 2e6
    # A machine that others use all the while decides nothing, and the command says so.
    if p50["verdict"] != "slower":
        assert any("disturbed" in note for note in found["notes"])
    again = inside("compare", *(found[side]["runs"][0] for side in ("first", "second")), "--format", "json")
    assert again.code == 0 or "undisturbed" in again.err
    assert "cannot be repeated alone" in one_line(inside("rerun", found["first"]["runs"][0]), 2)
    assert 'there is no "fremwork"' in one_line(inside("compare", "--a", "fremwork=x"), 2)


def test_a_run_is_verified_from_the_store_and_from_a_zip(home: Path, inside: Cli, tmp_path: Path) -> None:
    assert inside("predict", "dataset", "--num-file-parts", "30").code == 0
    (folder,) = folders(home)
    done = inside("verify", folder.name, "--format", "json")
    checks = {check["name"]: check["verdict"] for check in done.json()["checks"]}
    assert done.code in (0, 21, 22)
    assert (checks["answers"], checks["plan"], checks["software"]) == ("reproduced",) * 3
    assert checks["accuracy"] == "reproduced" or done.code == 22  # 30 samples say little
    archive = Path(shutil.make_archive(str(tmp_path / "run"), "zip", folder.parent, folder.name))
    assert inside("verify", archive, "--margin", "50%").code in (0, 21, 22)
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as out:
        out.write(folder / "evaluation.json", "../evaluation.json")
    assert "cannot be the name of a file" in one_line(inside("verify", bad), 4)
    assert "no zipped run folder" in one_line(inside("verify", Path(__file__)), 2)


def _edited(folder: Path, archive: Path, **changes: object) -> Path:
    """A zipped run whose request was changed, with the digest of the change in its record."""
    import hashlib

    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(folder.rglob("*")):
            data = path.read_bytes() if path.is_file() else b""
            if path.name == "request.json":
                data = request = json.dumps({**json.loads(data), **changes}).encode()
            elif path.name == "evaluation.json":
                continue
            if path.is_file():
                out.writestr(f"run/{path.relative_to(folder)}", data)
        record = json.loads((folder / "evaluation.json").read_text())
        for entry in record["files"]:
            if entry["path"] == "request.json":
                entry |= {"size": len(request), "sha256": hashlib.sha256(request).hexdigest()}
        out.writestr("run/evaluation.json", json.dumps(record))
    return archive


def test_an_archive_is_neither_believed_nor_obeyed(home: Path, inside: Cli, tmp_path: Path) -> None:
    assert inside("predict", "dataset", "--num-file-parts", "3").code == 0
    (folder,) = folders(home)
    evil = _edited(folder, tmp_path / "evil.zip", worker_prefix="touch /tmp/evil")
    assert "runs code here: worker_prefix" in one_line(inside("verify", evil), 2)
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(changed, "w") as out:
        for path in folder.rglob("*"):
            if path.is_file():
                data = b"{}" if path.name == "lock.json" else path.read_bytes()
                out.writestr(str(path.relative_to(folder)), data)
    assert "lock.json" in one_line(inside("verify", changed), 9)
    assert len(folders(home)) == 1
