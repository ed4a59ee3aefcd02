"""Comparisons of runs whose latencies and answers are known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from mlscope.analyses import (
    Comparison,
    Limits,
    MetricComparison,
    Side,
    compare,
    compare_json,
    compare_lines,
    compare_table,
    to_text,
)
from mlscope.analyses import run as analyse
from mlscope.errors import UsageError
from tests.analyses.runs import run
from tests.stats.series import latencies


def side(*runs: object) -> Side:
    return Side("side", tuple(runs))  # type: ignore[arg-type]


def metric(found: Comparison, name: str) -> MetricComparison:
    return next(each for each in found.metrics if each.name == name)


def test_the_same_latencies_are_no_difference_and_say_that_runs_may_differ(home: Path) -> None:
    found = compare(side(run(home, latencies(3000, 1))), side(run(home, latencies(3000, 2))))
    assert found.method == "single runs"
    assert metric(found, "p50").verdict == "no difference"
    assert not {"faster", "slower"} & {each.verdict for each in found.metrics}
    assert any("one run a side" in note for note in found.notes)


def test_a_clear_slowdown_of_single_runs_is_slower_in_time_and_in_throughput(home: Path) -> None:
    found = compare(side(run(home, latencies(3000, 1))), side(run(home, 1.2 * latencies(3000, 2))))
    for name in ("p50", "mean", "throughput"):
        assert metric(found, name).verdict == "slower", name
    assert metric(found, "p50").ratio.value == pytest.approx(1.2, abs=0.01)
    assert metric(found, "throughput").ratio.value == pytest.approx(1 / 1.2, abs=0.02)
    assert (metric(found, "p50").effect or 0) > 0.5


def test_a_run_that_wanders_as_much_as_the_sides_differ_decides_nothing(home: Path) -> None:
    """A neighbour came and went during the second run: its tenths differ as the runs do."""
    disturbed = latencies(3000, 2)
    disturbed[1200:2400] *= 1.3
    found = compare(side(run(home, latencies(3000, 1))), side(run(home, disturbed)))
    assert metric(found, "mean").verdict == "not enough data"
    assert (metric(found, "mean").more or 0) > 1


def test_several_runs_are_the_units_however_many_samples_they_have(home: Path) -> None:
    random = np.random.default_rng(3)

    def several(factor: float) -> Side:
        runs = (run(home, factor * math.exp(random.normal(0, 0.05)) * latencies(500, n)) for n in range(3))
        return side(*runs)

    found = compare(several(1.0), several(1.03))
    assert found.method == "runs"
    assert metric(found, "p50").ratio.first_units == 3
    assert metric(found, "p50").verdict == "not enough data"
    assert (metric(found, "p50").more or 0) > 3
    assert metric(compare(several(1.0), several(2.0)), "p50").verdict == "slower"


def test_pairs_of_one_session_find_three_per_cent(home: Path) -> None:
    times = latencies(2000, 5).reshape(40, 50)
    pairs = np.repeat(np.arange(20), 50)
    first = run(home, times[::2].reshape(-1), pairs=pairs)
    slower = run(home, 1.03 * times[1::2].reshape(-1), pairs=pairs)
    found = compare(side(first), side(slower), looks=3)
    assert found.method == "pairs"
    assert metric(found, "p50").verdict == "slower"
    assert metric(found, "p50").ratio.value == pytest.approx(1.03, abs=0.01)
    same = compare(side(first), side(run(home, times[1::2].reshape(-1), pairs=pairs)), looks=3)
    assert metric(same, "p50").verdict == "no difference"
    assert [note for note in same.notes if "one process a side" not in note] == []
    troubled = compare(side(first), side(slower), disturbed=True)
    assert {each.verdict for each in troubled.metrics} == {"not enough data"}


def test_disturbed_pairs_do_not_count(home: Path) -> None:
    times = latencies(2000, 6).reshape(40, 50)
    pairs = np.repeat(np.arange(20), 50)
    bad = times[1::2].copy()
    bad[:8] *= 3
    marked = np.where(pairs < 8, -2 - pairs, pairs)
    found = compare(
        side(run(home, times[::2].reshape(-1), pairs=marked)), side(run(home, bad.reshape(-1), pairs=marked))
    )
    assert metric(found, "p50").ratio.first_units == 12
    assert metric(found, "mean").ratio.value == pytest.approx(1, abs=0.03)


def answers(home: Path, flipped: int, n: int = 1000) -> Side:
    labels = np.arange(n) % 10
    predicted = labels.copy()
    predicted[:flipped] = (predicted[:flipped] + 1) % 10
    outputs = np.full((n, 10), 0.01)
    outputs[np.arange(n), predicted] = 0.91
    return side(run(home, latencies(100, 1), predicted=predicted, labels=labels, outputs=outputs))


def test_accuracy_is_compared_on_the_same_samples(home: Path) -> None:
    found = compare(answers(home, 0), answers(home, 60))
    assert found.accuracy is not None
    assert (found.accuracy.only_first, found.accuracy.only_second) == (60, 0)
    assert found.accuracy.verdict == "less accurate"
    assert found.accuracy.difference == pytest.approx(-0.06)
    few = compare(answers(home, 0), answers(home, 8), Limits(accuracy_margin=0.005)).accuracy
    assert few is not None
    assert few.verdict == "less accurate"  # eight against none is beyond chance
    unsure = compare(answers(home, 0, 200), answers(home, 2, 200)).accuracy
    assert unsure is not None
    assert unsure.verdict == "not enough data"
    assert (unsure.more or 0) > 100


def test_answers_are_compared_sample_by_sample(home: Path) -> None:
    same = compare(answers(home, 0), answers(home, 0)).predictions
    assert same is not None
    assert same.identical
    assert not same.different
    found = compare(answers(home, 0), answers(home, 30)).predictions
    assert found is not None
    assert (found.same_class, found.samples, found.different) == (970, 1000, True)
    names = {each.name: each for each in found.divergences}
    assert set(names) == {
        "KL divergence",
        "Jensen-Shannon divergence",
        "Hellinger distance",
        "Bhattacharyya distance",
        "covariance",
        "correlation",
    }
    assert names["Hellinger distance"].beyond == 30
    assert names["KL divergence"].worst == pytest.approx(0.9 * math.log(91), rel=1e-6)


def test_what_cannot_be_compared_is_told(home: Path) -> None:
    one = run(home, latencies(100, 1))
    with pytest.raises(UsageError, match="no complete run"):
        compare(side(), side(one))
    with pytest.raises(UsageError, match="2 different plans"):
        compare(side(one, run(home, latencies(100, 2), plan_id="f" * 16)), side(one))
    with pytest.raises(UsageError, match="different scenarios"):
        compare(side(one), side(run(home, latencies(100, 2), scenario="Server")))


def test_a_comparison_is_text_and_json(home: Path) -> None:
    found = compare(answers(home, 0), answers(home, 30))
    text = to_text(compare_table(found)) + "\n".join(compare_lines(found))
    assert "McNemar" in text
    assert "970 of 1000 best classes" in text
    plain = json.loads(json.dumps(compare_json(found), allow_nan=False))
    assert plain["accuracy"]["only_first"] == 30
    assert {each["name"] for each in plain["metrics"]} >= {"p50", "p90", "mean", "throughput"}


def test_stability_tells_of_warm_up_drift_and_outliers(home: Path) -> None:
    steady = latencies(3000, 1)
    warm = latencies(3000, 2)
    warm[:300] *= 2
    slower = latencies(3000, 3) * np.linspace(1, 1.2, 3000)
    (table,) = analyse("stability", [run(home, steady), run(home, warm), run(home, slower), run(home, steady[:10])])
    assert [row["verdict"] for row in table.rows] == ["steady", "warming up", "slower over time", "too few"]
    cut = table.rows[1]["warmup_cut"]
    assert isinstance(cut, int)
    assert 300 <= cut <= 450
    assert str(table.rows[1]["course"]).startswith("█")
    assert float(str(table.rows[2]["drift"])) == pytest.approx(0.18, abs=0.04)
    assert table.rows[0]["early_stopping_p99_needs"] == 662
    assert len(str(table.rows[0]["block_medians_ns"]).split()) == 3000 // int(str(table.rows[0]["block"]))
