"""Recorded runs become the tree of a round."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from mlscope.errors import StoreError, UsageError
from mlscope.results import Filter, open_store
from mlscope.submissions import Exported, Wanted, export_runs, find_parts
from tests.submissions.own_runs import SYSTEM, make_run, small_round, whole_scenario
from tests.submissions.trees import matches

GOLDEN = Path(__file__).with_name("golden")
ALL = ("SingleStream", "MultiStream", "Offline")


def wanted(round_name: str = "v6.1", **changes: Any) -> Wanted:
    fields: dict[str, Any] = {"round": small_round(round_name), "division": "open", "system": SYSTEM}
    return Wanted(**{**fields, **changes})


def export(tree: Path, what: Wanted, *, overwrite: bool = False) -> tuple[list[Exported], list[str]]:
    return export_runs(find_parts(open_store(), Filter(experiment="mine")), what, tree, overwrite=overwrite)


@pytest.mark.parametrize("round_name", ["v5.1", "v6.1"])
def test_an_open_result_has_all_its_files(home: Path, tmp_path: Path, round_name: str) -> None:
    whole_scenario(home, tests=False, round_name=round_name)
    results, notes = export(tmp_path / "tree", wanted(round_name))
    assert [each.place.scenario for each in results] == ["SingleStream"]
    assert notes == []
    matches(GOLDEN / f"open-{round_name}.txt", tmp_path / "tree")


@pytest.mark.parametrize("round_name", ["v5.0", "v6.0"])
def test_a_closed_result_has_all_scenarios_and_tests(home: Path, tmp_path: Path, round_name: str) -> None:
    for scenario in ALL:
        whole_scenario(home, scenario, round_name=round_name)
    results, _ = export(tmp_path / "tree", wanted(round_name, division="closed"))
    assert [each.place.scenario for each in results] == list(ALL)
    counted = {each.place.scenario: (each.result.value, each.result.unit) for each in results if each.result}
    assert counted == {"SingleStream": (1e7, "ns"), "MultiStream": (8e7, "ns"), "Offline": (100.0, "samples/s")}
    assert results[0].result is not None
    assert results[0].result.name == "early-stopping estimate of the 90th percentile latency"
    matches(GOLDEN / f"closed-{round_name}.txt", tmp_path / "tree")


def test_scenarios_are_inferred_where_that_is_allowed(home: Path, tmp_path: Path) -> None:
    whole_scenario(home)
    results, _ = export(tmp_path, wanted(division="closed", infer=True))
    assert {each.place.scenario: each.inferred_from for each in results} == {
        "SingleStream": None,
        "MultiStream": "SingleStream",
        "Offline": "SingleStream",
    }
    folder = tmp_path / results[1].path
    assert '"effective_scenario", "value": "SingleStream"' in (
        (folder / "performance/run_1/mlperf_log_detail.txt").read_text()
    )
    assert "inferred from the runs of SingleStream" in (folder / "README.md").read_text()
    with pytest.raises(UsageError, match="edge systems only"):
        export(tmp_path / "other", wanted(infer=True, system={**SYSTEM, "system_type": "datacenter"}))


def test_long_accuracy_logs_are_cut_and_the_originals_stay(home: Path, tmp_path: Path) -> None:
    whole_scenario(home, tests=False)
    record = next(part for part in find_parts(open_store(), Filter()) if part.role == "accuracy").record
    original = home / "runs" / record.id / "loadgen" / "mlperf_log_accuracy.json"
    original.chmod(0o644)
    text = original.read_text()
    original.write_text(text.replace("[\n", "[\n" + " " * 20_000 + "\n"))
    before = original.read_bytes()
    results, _ = export(tmp_path, wanted())
    cut = tmp_path / results[0].path / "accuracy" / "mlperf_log_accuracy.json"
    assert cut.stat().st_size == 2 * 4096 + len("\n\n...\n\n")
    assert original.read_bytes() == before
    assert "\nhash=" in (cut.parent / "accuracy.txt").read_text()


def test_a_rehearsal_is_never_real(home: Path, tmp_path: Path) -> None:
    whole_scenario(home, kind="rehearsal", settings={"min_duration_ms": 2000})
    with pytest.raises(StoreError, match="is a rehearsal, which is too short for a submission"):
        export(tmp_path / "real", wanted())
    assert not list((tmp_path / "real").iterdir())
    results, _ = export(tmp_path / "tree", wanted(rehearsal=True))
    base = tmp_path / "tree" / "open" / "Acme"
    assert (base / "REHEARSAL.md").is_file()
    system = json.loads((base / "systems" / f"{results[0].place.system}.json").read_text())
    assert system["status"] == "rehearsal"
    assert results[0].place.system.endswith("-rehearsal")
    assert "must not be submitted" in (tmp_path / "tree" / results[0].path / "README.md").read_text()
    whole_scenario(home, number=9)
    with pytest.raises(StoreError, match="one of a rehearsal"):
        export(tmp_path / "tree", wanted())
    export(tmp_path / "other", wanted())
    with pytest.raises(StoreError, match="one of real results"):
        export(tmp_path / "other", wanted(rehearsal=True))


@pytest.mark.parametrize(
    ("traits", "division", "message"),
    [
        ({"round_name": "v6.0"}, "open", "used seeds that are those of v6.0, not v6.1's"),
        ({"settings": {"qsl_rng_seed": 1}}, "open", "of no round"),
        ({"validity": "INVALID"}, "open", "is INVALID: it was too short"),
        ({"settings": {"min_duration_ms": 10_000}}, "open", "was to run 10 s at least; v6.1 asks for 600 s"),
        ({"right": 15}, "closed", "reached 75.000 % accuracy; closed needs 75.6954 %"),
        ({"settings": {"performance_sample_count_override": 5}}, "closed", "drew from 5 samples"),
    ],
)
def test_what_the_rules_forbid_is_not_written(
    home: Path, tmp_path: Path, traits: dict[str, Any], division: str, message: str
) -> None:
    for scenario in ALL:
        whole_scenario(home, scenario, **traits)
    with pytest.raises(StoreError, match=message):
        export(tmp_path / "tree", wanted(division=division))
    assert not list((tmp_path / "tree").iterdir())


def test_a_closed_result_needs_its_scenarios_and_tests(home: Path, tmp_path: Path) -> None:
    whole_scenario(home, tests=False)
    make_run(home, "TEST01")
    with pytest.raises(StoreError, match="closed needs MultiStream and Offline; SingleStream has no TEST04"):
        export(tmp_path, wanted(division="closed"))


def test_a_failed_compliance_test_is_told(home: Path, tmp_path: Path) -> None:
    for scenario in ALL:
        whole_scenario(home, scenario)
    make_run(home, "TEST04", "Offline", number=9, score=1.5)
    with pytest.raises(StoreError, match=r"Offline failed TEST04 \(performance\)"):
        export(tmp_path, wanted(division="closed"))


def test_the_newest_valid_run_is_taken(home: Path, tmp_path: Path) -> None:
    whole_scenario(home, tests=False)
    better = make_run(home, "performance", number=5)
    make_run(home, "performance", number=9, validity="INVALID")
    results, _ = export(tmp_path, wanted())
    assert results[0].measured.performance.record.id == better.id


def test_runs_without_their_other_half_are_told(home: Path, tmp_path: Path) -> None:
    make_run(home, "performance")
    with pytest.raises(StoreError, match="SingleStream of Net has no accuracy run"):
        export(tmp_path, wanted())


def test_no_runs_at_all_are_told(home: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there are no runs"):
        export(tmp_path, wanted())


def test_a_result_is_replaced_only_where_that_is_wanted(home: Path, tmp_path: Path) -> None:
    whole_scenario(home, tests=False)
    results, _ = export(tmp_path, wanted())
    stray = tmp_path / results[0].path / "stray.txt"
    stray.write_text("")
    with pytest.raises(StoreError, match="--overwrite"):
        export(tmp_path, wanted())
    export(tmp_path, wanted(), overwrite=True)
    assert not stray.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_names_of_own_models_are_gathered_in_one_mapping(home: Path, tmp_path: Path) -> None:
    whole_scenario(home, tests=False)
    for name in ("mine", "yours"):
        export(tmp_path, wanted(benchmark=name))
    mapping = json.loads((tmp_path / "open" / "Acme" / "model_mapping.json").read_text())
    assert mapping == {"mine": "resnet", "yours": "resnet"}


def test_gaps_of_the_system_file_are_told(home: Path, tmp_path: Path) -> None:
    whole_scenario(home, tests=False)
    with pytest.raises(UsageError, match="does not say: cooling"):
        export(tmp_path, wanted(system={**SYSTEM, "cooling": None}))
    with pytest.raises(UsageError, match='status cannot be "someday"'):
        export(tmp_path, wanted(system={**SYSTEM, "status": "someday"}))
    with pytest.raises(UsageError, match="the submitter is the name of a folder"):
        export(tmp_path, wanted(system={**SYSTEM, "submitter": "../up"}))


def test_facts_that_the_manifest_does_not_tell_are_asked_for(home: Path, tmp_path: Path) -> None:
    whole_scenario(home, tests=False)
    parts = find_parts(open_store(), Filter())
    bare = [
        dataclasses.replace(
            part,
            plan=part.plan.model_copy(
                update={"model": part.plan.model.model_copy(update={"manifest": {"inputs": [{}], "weights": []}})}
            ),
        )
        for part in parts
    ]
    with pytest.raises(UsageError, match="--measurement weight_data_types=fp32"):
        export_runs(bare, wanted(), tmp_path)
    results, _ = export_runs(bare, wanted(facts={"weight_data_types": "int8"}), tmp_path)
    facts = json.loads((tmp_path / results[0].path / "measurements.json").read_text())
    assert facts["weight_data_types"] == "int8"
    with pytest.raises(UsageError, match="none of the facts"):
        export_runs(bare, wanted(facts={"colour": "red"}), tmp_path / "other")


def test_v05_is_not_for_own_runs(home: Path, tmp_path: Path) -> None:
    whole_scenario(home, tests=False)
    with pytest.raises(UsageError, match=r"does not write the logs of v0\.5"):
        export(tmp_path, wanted("v0.5"))
