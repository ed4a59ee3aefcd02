"""The harness floor: measured once for each way of measuring, kept, and never in the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import mlscope
from mlscope.conductor import SilentObserver, _floor
from mlscope.errors import WorkerError
from mlscope.results import Floor, Record

QUICK: dict[str, Any] = {"model": "sleep", "options": {"law": "constant:1ms"}}


class Heard(SilentObserver):
    """Counts the measurements of a floor."""

    def __init__(self) -> None:
        self.measured = 0
        self.notes: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        """Count it."""
        self.measured += name == "measure the harness floor"

    def note(self, text: str) -> None:
        """Remember it."""
        self.notes.append(text)


@pytest.fixture(autouse=True)
def _on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(_floor.OFF)


def predict(heard: Heard, **changes: Any) -> Record:
    return mlscope.evaluate(**{**QUICK, "num_file_parts": 5, "observer": heard, **changes}).record


def test_a_floor_is_measured_once_and_stands_in_every_record(home: Path) -> None:
    heard = Heard()
    first, second = predict(heard), predict(heard)
    assert heard.measured == 1
    assert first.floor is not None
    assert first.floor == second.floor
    assert (first.floor.of, first.floor.count) == ("batch", 5)
    assert 0 < first.floor.p50_ns <= first.floor.p99_ns
    assert first.floor.p50_ns < 1e6 < first.latency[0].percentiles[0].value_ns
    assert first.floor.how == "predict dataset with the null model, batch size 1, 5 samples"
    assert len(list((home / "cache" / "floors").iterdir())) == 1
    assert {path.name for path in (home / "runs").iterdir() if path.is_dir()} == {first.id, second.id}
    assert predict(heard, batch_size=2).floor != first.floor
    assert heard.measured == 2


@pytest.mark.parametrize("scenario", ["SingleStream", "MultiStream", "Server", "Offline"])
def test_every_scenario_has_its_own(scenario: str) -> None:
    load = {"count_override": 20, "min_duration_s": 0.05, "target_qps": 100 if scenario == "Server" else None}
    record = mlscope.evaluate(**QUICK, scenario=scenario, load=load).record
    assert record.floor is not None
    assert record.floor.how.startswith(scenario)
    assert record.floor.of == record.latency[0].of
    assert record.floor.throughput_samples_per_s > 100


def test_models_with_the_same_inputs_share_the_floor_of_a_load_test(home: Path) -> None:
    heard = Heard()
    load = {"count_override": 5, "min_duration_s": 0.05}
    for options in ({"law": "constant:1ms"}, {"law": "constant:2ms"}):
        mlscope.evaluate(
            "sleep", options=options, scenario="SingleStream", load=load, seed=heard.measured, observer=heard
        )
    mlscope.evaluate("Digits_CNN", scenario="SingleStream", load=load, threads=1, observer=heard)
    assert heard.measured == len(list((home / "cache" / "floors").iterdir())) == 1


@pytest.mark.parametrize(
    "changes",
    [{"floor": False}, {"model": "null", "options": {}}, {"scenario": "SingleStream", "mode": "AccuracyOnly"}],
    ids=["not wanted", "the null model", "accuracy"],
)
def test_there_is_none_where_it_is_not_wanted_or_has_no_meaning(changes: dict[str, Any]) -> None:
    heard = Heard()
    if "scenario" in changes:
        changes = {**changes, "num_file_parts": -1, "load": {"dataset_size": 5}}
    assert predict(heard, **changes).floor is None
    assert heard.measured == 0


def test_the_environment_can_switch_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_floor.OFF, "1")
    assert predict(Heard()).floor is None


@pytest.mark.parametrize(
    ("age", "disturbances", "measured"),
    [(timedelta(days=300), [], 0), (timedelta(minutes=5), ["noise"], 0), (timedelta(hours=2), ["noise"], 1)],
    ids=["old and quiet", "new and disturbed", "old and disturbed"],
)
def test_what_was_measured_on_a_disturbed_machine_is_measured_again_later(
    home: Path, age: timedelta, disturbances: list[str], measured: int
) -> None:
    predict(Heard())
    (path,) = (home / "cache" / "floors").iterdir()
    kept = json.loads(path.read_text())
    then = (datetime.now(UTC) - age).isoformat()
    path.write_text(json.dumps({**kept, "measured_at": then, "disturbances": disturbances}))
    heard = Heard()
    floor = predict(heard).floor
    assert heard.measured == measured
    assert floor is not None
    assert (floor.measured_at == then) == (not measured)


def test_a_damaged_file_is_measured_again(home: Path) -> None:
    predict(Heard())
    (path,) = (home / "cache" / "floors").iterdir()
    path.write_text('{"p50_ns": "fast"}')
    heard = Heard()
    assert predict(heard).floor is not None
    assert heard.measured == 1
    assert Floor.model_validate_json(path.read_bytes())


def test_a_floor_that_cannot_be_measured_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise WorkerError("no")

    monkeypatch.setattr(_floor, "_measured", fail)
    heard = Heard()
    record = predict(heard)
    assert (record.status, record.floor) == ("complete", None)
    assert heard.notes[-1:] == ["the harness floor was not measured: no"]
