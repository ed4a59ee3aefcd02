"""The check of submissions: what passes, and that every fault is found under its own rule."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlscope.errors import DataError, MlscopeError, UsageError
from mlscope.submissions import RULES, check_submission, errors_by_result, report_json, report_lines
from tests.submissions.faults import FAULTS, Fault
from tests.submissions.small_trees import SCENARIOS, Tree, build, write

ROUNDS = ("v5.0", "v5.1", "v6.0", "v6.1")


@pytest.fixture(scope="session")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of every round and division that faults begin with."""
    root = tmp_path_factory.mktemp("passing")
    for fault in FAULTS:
        folder = root / fault.round_name / fault.division / fault.benchmark
        if not folder.exists():
            build(folder, fault.round_name, fault.division, benchmark=fault.benchmark)
    return root


@pytest.mark.parametrize("round_name", ROUNDS)
@pytest.mark.parametrize("division", ["closed", "open"])
def test_a_submission_as_it_should_be_passes_without_a_finding(round_name: str, division: str, tmp_path: Path) -> None:
    build(tmp_path, round_name, division)
    report = check_submission(tmp_path)
    assert (report.round.name, report.findings) == (round_name, ())
    assert report.passed
    assert [(each.scenario, each.value, each.unit) for each in report.results] == [
        ("MultiStream", 80.0, "ms"),
        ("Offline", 110.25, "samples/s"),
        ("SingleStream", 10.0, "ms"),
    ]
    assert {each.accuracy for each in report.results} == {76.456}


def test_an_open_submission_of_one_scenario_of_a_model_of_ones_own_passes(tmp_path: Path) -> None:
    tree = build(tmp_path, "v6.1", "open", benchmark="my-net", scenarios=("SingleStream",))
    write(tree.base / "model_mapping.json", '{"my-net": "resnet"}')
    report = check_submission(tmp_path)
    assert report.passed
    assert [each.benchmark for each in report.results] == ["resnet"]


def broken(fault: Fault, passing: Path, root: Path) -> Tree:
    """A copy of the passing tree with the fault in it."""
    shutil.copytree(passing / fault.round_name / fault.division / fault.benchmark, root, dirs_exist_ok=True)
    tree = Tree(root, fault.round_name, fault.division, fault.benchmark)
    fault.change(tree)
    return tree


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_under_its_own_rule(fault: Fault, passing: Path, tmp_path: Path) -> None:
    broken(fault, passing, tmp_path)
    report = check_submission(tmp_path, fault.round_name)
    mine = [each for each in report.findings if each.rule.id == fault.rule]
    assert mine, [f"{each.rule.id} {each.file}: {each.message}" for each in report.findings]
    assert {each.severity for each in mine} == {fault.severity}
    assert all(each.message for each in mine)
    assert not (report.passed and fault.severity == "error")


def test_every_rule_has_a_fault_that_breaks_it() -> None:
    assert {fault.rule for fault in FAULTS} == set(RULES)


def test_every_rule_says_where_it_comes_from_and_what_to_do() -> None:
    for name, rule in RULES.items():
        assert rule.id == name
        assert rule.text.endswith(".")
        assert rule.source
        assert rule.remedy
        assert not rule.remedy.endswith(".")


def test_an_accuracy_run_over_a_part_can_be_only_warned_of(tmp_path: Path) -> None:
    tree = build(tmp_path, "v6.1", "open")
    for scenario in SCENARIOS:
        tree.edit(tree.accuracy(scenario), effective_accuracy_sample_count=500)
        write(tree.accuracy(scenario) / "accuracy.txt", "accuracy=75.200%, good=376, total=500\n\nhash=abc\n")
    assert not check_submission(tmp_path).passed
    report = check_submission(tmp_path, skip_dataset_size=True)
    assert report.passed
    assert {each.rule.id for each in report.findings} == {"accuracy-samples"}


def test_errors_are_counted_for_the_results_that_they_are_about(tmp_path: Path) -> None:
    tree = build(tmp_path, "v5.1")
    tree.edit(tree.test_run("Offline", "TEST04"), result_validity="INVALID")
    (tree.measurements("MultiStream") / "user.conf").unlink()
    report = check_submission(tmp_path)
    assert list(errors_by_result(report).values()) == [1, 2, 0]  # MultiStream, Offline, SingleStream
    tree.edit_json(tree.system, cooling="")
    assert list(errors_by_result(check_submission(tmp_path)).values()) == [2, 3, 1]


@pytest.mark.parametrize(
    ("measured", "scenario", "value"),
    [("SingleStream", "MultiStream", 96.0), ("SingleStream", "Offline", 101.5), ("MultiStream", "Offline", 8000 / 78)],
)
def test_an_inferred_result_has_the_value_that_the_rules_give_it(
    measured: str, scenario: str, value: float, tmp_path: Path
) -> None:
    tree = build(tmp_path, "v6.1", "open", scenarios=(measured,))
    shutil.copytree(tree.result(measured), tree.result(scenario))
    report = check_submission(tmp_path)
    assert report.passed
    [result] = [each for each in report.results if each.scenario == scenario]
    assert result.inferred_from == measured
    assert result.value == pytest.approx(value)


def test_a_tree_of_two_rounds_is_told_from_its_first_log_with_seeds(tmp_path: Path) -> None:
    tree = build(tmp_path, "v6.0")
    assert check_submission(tmp_path).round.name == "v6.0"
    for path in tmp_path.rglob("mlperf_log_detail.txt"):
        path.unlink()
    with pytest.raises(UsageError, match=r"its round cannot be told.*give --round"):
        check_submission(tmp_path)
    assert not check_submission(tmp_path, tree.round_name).passed
    shutil.copytree(tree.root / "closed", tmp_path / "inference_results_v5.1" / "closed")
    assert check_submission(tmp_path / "inference_results_v5.1").round.name == "v5.1"


def test_what_is_no_submission_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        check_submission(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no submission.*closed \| network \| open"):
        check_submission(tmp_path)
    build(tmp_path)
    with pytest.raises(UsageError, match='no submitter "nobody"'):
        check_submission(tmp_path, submitter="nobody")


def test_a_submission_without_results_does_not_pass(tmp_path: Path) -> None:
    (tmp_path / "closed" / "acme").mkdir(parents=True)
    report = check_submission(tmp_path, "v6.1")
    assert not report.passed
    assert report_lines(report)[-1].startswith("v6.1: there are no results")


def test_one_submitter_of_several_can_be_checked_alone(tmp_path: Path) -> None:
    tree = build(tmp_path)
    shutil.copytree(tree.base, tree.base.parent / "other")
    assert check_submission(tmp_path, submitter="acme").passed
    assert not check_submission(tmp_path, submitter="other").passed  # its systems still name acme


def test_names_that_are_no_utf_8_can_be_written_as_json(tmp_path: Path) -> None:
    tree = build(tmp_path)
    write(tree.base / "src" / os.fsdecode(b"a\xff\n.py"), "x")
    text = json.dumps(report_json(check_submission(tmp_path)))
    assert r"a\\xff\\n.py" in text


_CHANGES = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from(["cut", "bytes", "gone", "folder", "empty", "number", "deep", "huge line"]),
        st.binary(max_size=40),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=_CHANGES, which=st.sampled_from(["v5.1", "v6.1"]))
def test_no_tree_is_so_broken_that_the_check_is(
    changes: list[tuple[int, str, bytes]], which: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("broken")
    build(root, which, scenarios=("SingleStream",))
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for index, how, data in changes:
        _spoil(files[index % len(files)], how, data)
    try:
        report = check_submission(root, which)
    except MlscopeError:
        return
    assert json.dumps(report_json(report))
    assert report_lines(report)


def _spoil(path: Path, how: str, data: bytes) -> None:
    if not path.is_file():
        return
    before = path.read_bytes()
    if how in {"gone", "folder"}:
        path.unlink()
        if how == "folder":
            path.mkdir()
        return
    path.write_bytes(
        {
            "cut": before[: len(before) // 2],
            "bytes": before[:20] + data + before[20 + len(data) :],
            "empty": b"",
            "number": before.replace(b'"value": ', b'"value": NaN, "x": ', 3).replace(b'"N', b'1e999, "N', 2),
            "deep": b"[" * 100_000,
            "huge line": before + b":::MLLOG " + b"x" * 1_000_000,
        }[how]
    )


def test_the_published_trees_of_v05_have_only_the_faults_that_they_have(shared_dir: Path) -> None:
    report = check_submission(shared_dir / "mlperf-results" / "v0.5")
    assert report.round.name == "v0.5"
    assert len(report.results) == 4
    assert {each.accuracy for each in report.results} == {76.442, 71.676}
    # The logs of 50,000 answers were left out of the sample, and so was the code.
    assert {each.rule.id for each in report.findings if each.severity == "error"} == {
        "accuracy-missing",
        "code-missing",
    }
