"""What was imported is written again: CK's experiments as a v0.5 tree, results of a round as they came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlscope.errors import StoreError, UsageError
from mlscope.results import Filter, open_store
from mlscope.submissions import (
    Wanted,
    export_ck,
    export_official,
    export_runs,
    find_ck,
    find_official,
    find_parts,
    find_round,
    import_experiments,
    import_results,
    read_system,
)
from tests.submissions.own_runs import SYSTEM, small_round, whole_scenario
from tests.submissions.trees import shown

FACTS = {
    "input_data_types": "fp32",
    "retraining": "no",
    "starting_weights_filename": "https://zenodo.org/record/2535873/files/resnet50_v1.pb",
    "weight_data_types": "fp32",
    "weight_transformations": "TF -> TFLite",
}
ARCHIVES = {
    "firefly": ("firefly.armnn-v19.08.neon", "firefly-armnn-v19.08-neon"),
    "rpi4": ("rpi4.tflite-v1.15", "rpi4-tflite-v1.15"),
}
PERSONAL = {"submission_checklist.txt", "README.md", "user.conf", "mlperf.conf"}
"""Written by a person, or not in CK's records: their texts may differ."""


def never(text: str) -> None:
    raise AssertionError(text)


def files_of(root: Path) -> dict[str, Path]:
    return {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}


def asked(system: dict[str, str | None], **changes: Any) -> Wanted:
    fields: dict[str, Any] = {"round": find_round("v0.5"), "division": "closed", "system": system, "facts": FACTS}
    return Wanted(**{**fields, **changes})


@pytest.mark.parametrize("platform", ["firefly", "rpi4"])
def test_experiments_of_ck_become_the_published_tree(
    home: Path, tmp_path: Path, shared_dir: Path, platform: str
) -> None:
    archive, name = ARCHIVES[platform]
    import_experiments(shared_dir / f"ck-experiments/mlperf.closed.image-classification.{archive}.zip", warn=never)
    published = shared_dir / "mlperf-results" / "v0.5"
    answers = read_system(published / f"closed/dividiti/systems/{name}.json")
    done = export_ck(find_ck(open_store(), Filter(hostname=platform)), asked(answers), tmp_path / "tree")
    assert [(place.benchmark, place.scenario) for place, _ in done] == [
        ("mobilenet", "singlestream"),
        ("resnet", "singlestream"),
    ]
    there = {path: file for path, file in files_of(published).items() if name in path}
    made = files_of(tmp_path / "tree")
    for path, file in there.items():
        if Path(path).name == "submission_checklist.txt":
            assert path not in made  # a submitter signs it
        elif Path(path).name in PERSONAL or (file.suffix == ".json" and "/measurements/" in path):
            assert made[path].stat().st_size > 0
        else:
            assert made[path].read_bytes() == file.read_bytes(), path
    extra = {path for path in made if path not in there}
    assert {Path(path).name for path in extra} <= {"mlperf_log_accuracy.json"}  # too large for the sample data


def test_facts_and_runs_that_are_missing_are_told(home: Path, tmp_path: Path, shared_dir: Path) -> None:
    archive = shared_dir / "ck-experiments" / "mlperf.closed.image-classification.rpi4.tflite-v1.15.zip"
    import_experiments(archive, warn=never)
    points = find_ck(open_store(), Filter())
    answers = read_system(shared_dir / "mlperf-results/v0.5/closed/dividiti/systems/rpi4-tflite-v1.15.json")
    with pytest.raises(UsageError, match="do not tell the input_data_types"):
        export_ck(points, asked(answers, facts={}), tmp_path)
    with pytest.raises(StoreError, match="has no performance run"):
        export_ck([each for each in points if each.record.mode == "AccuracyOnly"], asked(answers), tmp_path)
    with pytest.raises(UsageError, match="does not say: system_name"):
        export_ck(points, asked({**answers, "system_name": None}), tmp_path)
    assert not list(tmp_path.glob("closed"))


def test_no_experiments_are_told(home: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no experiments of CK"):
        export_ck([], asked(SYSTEM), tmp_path)


@pytest.fixture
def own_tree(home: Path, tmp_path: Path) -> Path:
    """A closed tree of own runs."""
    for scenario in ("SingleStream", "MultiStream", "Offline"):
        whole_scenario(home, scenario, round_name="v5.1")
    wanted = Wanted(round=small_round("v5.1"), division="closed", system=SYSTEM)
    export_runs(find_parts(open_store(), Filter()), wanted, tmp_path / "own")
    return tmp_path / "own"


def test_a_tree_that_is_imported_is_exported_as_it_was(own_tree: Path, tmp_path: Path) -> None:
    """Export, import, export: a fixed point."""
    import_results(own_tree, round_name="v5.1", warn=never)
    found = find_official(open_store(), Filter(), find_round("v5.1"), "closed")
    places = [place.scenario for place, _ in export_official(found, find_round("v5.1"), tmp_path / "again")]
    assert sorted(places) == ["MultiStream", "Offline", "SingleStream"]
    first, again = files_of(own_tree), files_of(tmp_path / "again")
    assert set(first) == set(again)
    assert all(first[path].read_bytes() == file.read_bytes() for path, file in again.items())
    with pytest.raises(StoreError, match="--overwrite"):
        export_official(found, find_round("v5.1"), tmp_path / "again")
    before = shown(tmp_path / "again")
    export_official(found, find_round("v5.1"), tmp_path / "again", overwrite=True)
    assert shown(tmp_path / "again") == before
