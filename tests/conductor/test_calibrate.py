"""Candidates whose scores are known: the best is found, in turns, and the evidence is kept."""

from __future__ import annotations

import time

import pytest

from mlscope.conductor._calibrate import calibrate
from mlscope.errors import ModelError


def test_the_best_is_chosen_and_who_is_far_behind_is_measured_once() -> None:
    scores, order = {"a": 100.0, "b": 97.0, "c": 50.0}, list[str]()

    def measure(name: str, _round: int) -> float:
        order.append(name)
        return scores[name]

    best, trials = calibrate(list("cba"), measure, rounds=3)
    assert best == "a"
    assert order == ["c", "b", "a", "a", "b", "b", "a"], "rounds go forwards and backwards"
    assert [(trial.candidate, len(trial.scores)) for trial in trials] == [("c", 1), ("b", 3), ("a", 3)]


def test_one_disturbed_block_does_not_decide() -> None:
    blocks = {"slow": iter([90.0] * 5), "quick": iter([75.0, 100.0, 100.0, 100.0, 100.0])}
    assert calibrate(["slow", "quick"], lambda name, _: next(blocks[name]))[0] == "quick"


def test_who_begins_badly_stays_in_as_long_as_is_wanted() -> None:
    blocks = {"steady": iter([60.0] * 5), "lucky": iter([100.0, 30.0, 30.0, 30.0, 30.0])}
    best, trials = calibrate(["steady", "lucky"], lambda name, _: next(blocks[name]), kept=(0.0, 0.4))
    assert best == "steady"
    assert [len(trial.scores) for trial in trials] == [5, 5]


def test_of_equals_the_first_is_taken() -> None:
    assert calibrate(["small", "large"], lambda name, _: {"small": 99.5, "large": 100.0}[name])[0] == "small"


def test_a_candidate_that_cannot_be_had_is_out_with_its_reason() -> None:
    def measure(name: str, _round: int) -> float:
        if name == "broken":
            raise ModelError("the model's batch is fixed at 1")
        return 1.0

    best, trials = calibrate(["broken", "fine"], measure)
    assert best == "fine"
    assert [str(trial.error) for trial in trials if trial.error] == ["the model's batch is fixed at 1"]
    with pytest.raises(ModelError, match="fixed at 1"):
        calibrate(["broken"], measure)


def test_no_block_begins_when_the_time_is_over() -> None:
    def measure(number: int, _round: int) -> float:
        time.sleep(0.05)
        return float(number)

    begin = time.monotonic()
    best, trials = calibrate(list(range(100)), measure, budget_s=0.2)
    assert time.monotonic() - begin < 2
    measured = [trial.candidate for trial in trials if trial.scores]
    assert 2 <= len(measured) <= 5
    assert best == measured[-1]
