"""The official checker and scripts beside ours.

Tests that need a checkout of mlcommons/inference run where MLSCOPE_TEST_INFERENCE names one.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlscope.errors import DataError, StackError, UsageError
from mlscope.submissions import (
    ROUNDS,
    RULES,
    LabelType,
    Score,
    check_submission,
    imagenet_accuracy,
    report_json,
    report_lines,
    run_official,
    truncate_log,
    verify_test01,
    verify_test01_speed,
)
from tests.submissions.faults import FAULTS, Fault
from tests.submissions.small_trees import accuracy_log, build, detail_log, values, write
from tests.submissions.test_accuracy import labels_of, log_of

V61 = ROUNDS["v6.1"]


@pytest.fixture
def checkout() -> Path:
    """The official checker."""
    named = os.environ.get("MLSCOPE_TEST_INFERENCE")
    if not named:
        pytest.skip("MLSCOPE_TEST_INFERENCE names no checkout of mlcommons/inference")
    return Path(named)


def stand_in(root: Path, program: str) -> Path:
    """A checkout whose checker is this program."""
    package = root / "tools" / "submission" / "submission_checker"
    write(package / "__init__.py", "")
    write(package / "main.py", f"import logging, sys\nlog = logging.getLogger()\n{program}")
    return root


_FORMAT = (
    'form = "[%(asctime)s %(filename)s:%(lineno)d %(levelname)s] %(message)s"\n'
    "logging.basicConfig(level=logging.INFO, format=form)\n"
)


def test_what_it_says_is_read_from_its_log(tmp_path: Path) -> None:
    program = _FORMAT + (
        "root = sys.argv[sys.argv.index('--input') + 1]\n"
        "log.info('Results %s/open/acme/a/performance/run_1/mlperf_log_detail.txt 10.5', root)\n"
        "log.error('%s/open/acme/b has loadgen errors', root)\n"
        "log.error('NoResults %s/open/acme/b/performance/run_1/mlperf_log_detail.txt', root)\n"
        "log.error('SUMMARY: submission has errors')\n"
        "sys.exit(1)\n"
    )
    found = run_official(stand_in(tmp_path / "checkout", program), tmp_path, V61)
    assert (found.exit_code, found.passed, found.crashed, found.commit) == (1, False, None, None)
    assert found.results == {"open/acme/a": 10.5, "open/acme/b": None}
    assert found.errors == ("open/acme/b has loadgen errors", "SUMMARY: submission has errors")
    assert found.command[-4:] == ("--input", str(tmp_path.resolve()), "--version", "v6.1")


def test_a_traceback_of_it_is_told_as_such(tmp_path: Path) -> None:
    found = run_official(stand_in(tmp_path / "checkout", "None.get('system_type')\n"), tmp_path, V61)
    assert not found.passed
    assert found.crashed == "AttributeError: 'NoneType' object has no attribute 'get'"


def test_what_it_cannot_be_run_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no tools/submission/submission_checker in it"):
        run_official(tmp_path, tmp_path, V61)
    checkout = stand_in(tmp_path, "raise ModuleNotFoundError(\"No module named 'yaml'\")\n")
    with pytest.raises(StackError, match=r"needs PyYAML.*pip install pyyaml"):
        run_official(checkout, tmp_path, V61)
    with pytest.raises(UsageError, match=r"knows no v0\.5"):
        run_official(checkout, tmp_path, ROUNDS["v0.5"])
    with pytest.raises(StackError, match="cannot be started"):
        run_official(checkout, tmp_path, V61, python=str(tmp_path / "python"))


def test_its_flags_are_passed_on(tmp_path: Path) -> None:
    checkout = stand_in(tmp_path, "log.error('x')\nsys.exit(0)\n")
    found = run_official(checkout, tmp_path, V61, submitter="acme", skip_dataset_size=True)
    assert found.command[0] == sys.executable
    assert found.command[-3:] == ("--submitter", "acme", "--skip-dataset-size-check")
    assert not found.passed  # it never said that the submission is fine


def test_both_verdicts_stand_in_one_report_and_what_they_disagree_about(tmp_path: Path) -> None:
    tree = build(tmp_path / "tree", "v6.1", "open", scenarios=("SingleStream",))
    tree.edit(tree.run("SingleStream"), result_validity="INVALID")
    folder = tree.result("SingleStream").relative_to(tree.root).as_posix()
    program = _FORMAT + (
        f"log.info('Results %s/{folder}/performance/run_1/mlperf_log_detail.txt 10.0', sys.argv[2])\n"
        "log.info('SUMMARY: submission looks OK')\n"
    )
    report = check_submission(tree.root)
    verdict = run_official(stand_in(tmp_path / "checkout", program), tree.root, report.round)
    report = dataclasses.replace(report, official=verdict)
    assert f"  {folder}: the official checker passes it, this one fails it." in report_lines(report)
    document = report_json(report)
    assert document["official"]["passed"]
    assert [row["official"] for row in document["results"]] == ["passes"]


@pytest.mark.parametrize("round_name", ["v5.0", "v5.1", "v6.0", "v6.1"])
@pytest.mark.parametrize("division", ["closed", "open"])
def test_the_official_checker_passes_the_trees_that_tests_begin_with(
    round_name: str, division: str, checkout: Path, tmp_path: Path
) -> None:
    build(tmp_path, round_name, division)
    found = run_official(checkout, tmp_path, ROUNDS[round_name])
    assert found.passed, found.errors
    ours = {each.folder: each.value for each in check_submission(tmp_path).results}
    assert found.results == pytest.approx(ours)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_official_checker_does_about_a_fault_what_its_rule_says(
    fault: Fault, checkout: Path, tmp_path: Path
) -> None:
    tree = build(tmp_path, fault.round_name, fault.division, benchmark=fault.benchmark)
    fault.change(tree)
    found = run_official(checkout, tmp_path, ROUNDS[fault.round_name])
    does = "crashes" if found.crashed else "fails" if not found.passed else "passes"
    expected = fault.official or RULES[fault.rule].official
    assert does == ("passes" if expected == "prints" else expected), (found.crashed, found.errors)


def official_script(checkout: Path, name: str, *arguments: str | Path, cwd: Path) -> str:
    """What a script of the checkout prints."""
    script = checkout / name
    if not script.is_file():
        pytest.skip(f"the checkout has no {name}")
    done = subprocess.run(
        [sys.executable, "-B", str(script.resolve()), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("label_type", ["float32", "int32", "int64"])
def test_the_accuracy_line_is_the_official_scripts_byte_for_byte(
    label_type: LabelType, checkout: Path, tmp_path: Path
) -> None:
    pairs = [(n * 7 % 300, n * 31 % 17) for n in range(400)]
    log = log_of(tmp_path / "log.json", pairs, label_type)
    labels = labels_of(tmp_path / "val_map.txt", [n % 17 for n in range(300)])
    script = "vision/classification_and_detection/tools/accuracy-imagenet.py"
    flags = ("--mlperf-accuracy-file", log, "--imagenet-val-file", labels, "--dtype", label_type)
    assert (
        official_script(checkout, script, *flags, cwd=tmp_path)
        == imagenet_accuracy(log, labels, label_type).line + "\n"
    )


def test_a_log_is_truncated_as_the_official_script_does(checkout: Path, tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        tree = build(tmp_path / name, scenarios=("SingleStream",))
        write(tree.accuracy("SingleStream") / "mlperf_log_accuracy.json", accuracy_log(3000))
        write(tree.accuracy("SingleStream") / "accuracy.txt", "accuracy=76.456%, good=38228, total=50000\n")
    script = "tools/submission/truncate_accuracy_log.py"
    flags = ("--input", tmp_path / "theirs", "--submitter", "acme", "--backup", tmp_path / "kept")
    official_script(checkout, script, *flags, cwd=tmp_path)
    folder = tree.accuracy("SingleStream").relative_to(tree.root)
    ours, theirs = (tmp_path / name / folder for name in ("ours", "theirs"))
    truncate_log(ours / "mlperf_log_accuracy.json", ours / "accuracy.txt", tmp_path / "kept.json")
    for name in ("mlperf_log_accuracy.json", "accuracy.txt"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()


@pytest.mark.parametrize("label", [6, 9])
def test_answers_are_verified_as_the_official_script_does(label: int, checkout: Path, tmp_path: Path) -> None:
    accuracy = log_of(tmp_path / "accuracy.json", [(n, n + 1) for n in range(100)])
    test = log_of(tmp_path / "test.json", [(5, label), (7, 8), (300, 1)])
    flags = ("--dtype", "float32", "-r", accuracy, "-t", test)
    said = official_script(checkout, "compliance/TEST01/verify_accuracy.py", *flags, cwd=tmp_path).splitlines()
    ours = verify_test01(accuracy, test)
    assert [line for line in said if line.startswith("num_")] == [
        line for line in ours.lines if line.startswith("num_")
    ]
    assert ("TEST PASS" in said) == ours.passed


@pytest.mark.parametrize("latency_ns", [8_900_000, 9_500_000, 10_900_000, 11_200_000])
def test_speed_is_verified_as_the_official_script_does(latency_ns: int, checkout: Path, tmp_path: Path) -> None:
    known = [values("v6.1", "SingleStream"), values("v6.1", "SingleStream", test="TEST01")]
    known[1]["early_stopping_latency_ss"] = latency_ns
    logs = [tmp_path / "reference.txt", tmp_path / "test.txt"]
    for path, of in zip(logs, known, strict=True):
        path.write_text(detail_log(of))
    said = official_script(
        checkout, "compliance/TEST01/verify_performance.py", "-r", logs[0], "-t", logs[1], cwd=tmp_path
    )
    assert ("TEST PASS" in said.splitlines()) == verify_test01_speed(*map(Score.of, known)).passed
