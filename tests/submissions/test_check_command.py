"""`mlscope submission check`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Cli
from tests.submissions.small_trees import build

GOLDEN = Path(__file__).parent / "golden"


def test_a_submission_that_passes_ends_with_0(cli: Cli, tmp_path: Path) -> None:
    build(tmp_path / "tree")
    done = cli("submission", "check", tmp_path / "tree")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("The submission passes for v6.1: 0 errors, 0 warnings, 0 notes.\n")
    assert "resnet" in done.out


def test_findings_end_with_23_and_are_told_by_rule(cli: Cli, tmp_path: Path) -> None:
    tree = build(tmp_path / "tree", "v6.1", "open")
    tree.edit(tree.run("Offline"), result_validity="INVALID")
    tree.edit(tree.run("SingleStream"), "Loadgen built with uncommitted changes!")
    done = cli("submission", "check", tree.root, "--round", "6.1")
    assert (done.code, done.err) == (23, "")
    assert done.out == (GOLDEN / "check.txt").read_text()


def test_json_holds_results_findings_and_verdict(cli: Cli, tmp_path: Path) -> None:
    tree = build(tmp_path / "tree", "v5.1")
    tree.system.unlink()
    target = tmp_path / "report.json"
    done = cli("submission", "check", tree.root, "--format", "json", "--output", target)
    assert done.code == 23
    report = json.loads(target.read_text())
    assert (report["round"], report["passed"], report["official"]) == ("v5.1", False, None)
    assert len(report["results"]) == 3
    [finding] = [each for each in report["findings"] if each["rule"] == "system-missing"]
    assert finding["severity"] == "error"
    assert finding["file"] == "closed/acme/systems/box-onnxruntime.json"
    assert finding["official"] == "crashes"
    assert set(finding) == {"rule", "severity", "file", "message", "text", "source", "remedy", "official"}


def test_csv_has_a_row_a_finding(cli: Cli, tmp_path: Path) -> None:
    tree = build(tmp_path / "tree")
    (tree.measurements("Offline") / "README.md").unlink()
    done = cli("submission", "check", tree.root, "--format", "csv")
    lines = done.out.splitlines()
    assert lines[0] == "rule,severity,file,message,text,source,remedy,official"
    assert lines[1].startswith(
        "measurements-file,error,closed/acme/results/box-onnxruntime/resnet50/Offline/README.md,"
    )
    assert len(lines) == 2


def test_what_is_no_submission_is_one_line(cli: Cli, tmp_path: Path) -> None:
    done = cli("submission", "check", tmp_path)
    assert done.code == 5
    assert done.err.count("\n") == 1
    assert "this is no submission" in done.err
