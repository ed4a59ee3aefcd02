import math

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import Ratio, equivalent, holm, judge, ratio_of_pairs, ratio_of_runs, ratios_of_series, units_needed
from tests.stats.series import Array, latencies

POSITIVE = st.lists(st.floats(0.1, 1e6), min_size=2, max_size=12)


def blocks(seed: int, pairs: int = 20, size: int = 50) -> tuple[Array, Array]:
    """Medians of interleaved blocks of the same model, shape [pairs] each."""
    medians = np.median(latencies(2 * pairs * size, seed).reshape(2 * pairs, size), axis=1)
    return medians[::2], medians[1::2]


@given(first=POSITIVE, second=POSITIVE)
def test_ratio_of_runs_is_welch_on_logarithms(first: list[float], second: list[float]) -> None:
    one, two = np.log(first), np.log(second)
    if min(one.std(), two.std()) < 1e-6:
        return
    found = ratio_of_runs(first, second)
    theirs = scipy.stats.ttest_ind(two, one, equal_var=False)
    assert found.value == pytest.approx(math.exp(two.mean() - one.mean()))
    # Degrees of freedom are rounded down, so the interval is as wide or a little wider.
    freedom = max(1, math.floor(float(theirs.df) + 1e-9))
    error = abs(float(two.mean() - one.mean()) / float(theirs.statistic)) if theirs.statistic else None
    if error is not None:
        half = float(scipy.stats.t.ppf(0.975, freedom)) * error
        assert found.low == pytest.approx(math.exp(two.mean() - one.mean() - half), rel=1e-6)
        assert found.p == pytest.approx(2 * float(scipy.stats.t.sf(abs(theirs.statistic), freedom)), rel=1e-6)


def test_a_single_run_is_judged_by_how_the_others_runs_differ() -> None:
    found = ratio_of_runs([100.0], [101.0, 103.0, 105.0])
    theirs = scipy.stats.ttest_ind(np.log([101.0, 103.0, 105.0]), np.log([100.0]))
    assert found.p == pytest.approx(float(theirs.pvalue))
    assert (found.first_units, found.second_units, found.unit) == (1, 3, "run")
    with pytest.raises(ValueError, match="one run a side"):
        ratio_of_runs([1.0], [1.0])


def test_the_same_plan_twice_is_no_difference_in_19_of_20_comparisons() -> None:
    """200 pairs of runs of the same model, one run a side, all metrics of a comparison together."""
    alarms = 0
    for seed in range(200):
        first, second = latencies(300, 2 * seed), latencies(300, 2 * seed + 1)
        ratios = ratios_of_series(first, second, (50, 90), allowance=0.02, run_effect=True)
        corrected = holm([ratio.p for ratio in ratios])
        verdicts = [judge(ratio, 0.02, p).verdict for ratio, p in zip(ratios, corrected, strict=True)]
        alarms += "larger" in verdicts or "smaller" in verdicts
    assert alarms <= 10


def test_runs_that_differ_among_themselves_raise_no_more_alarms_than_promised() -> None:
    random = np.random.default_rng(7)
    alarms = 0
    for _ in range(400):
        first, second = (np.exp(random.normal(0, 0.05, 4)) for _ in range(2))
        alarms += judge(ratio_of_runs(first, second), 0.02).verdict in {"larger", "smaller"}
    assert alarms <= 28


def test_interleaved_blocks_raise_no_false_alarms_and_find_three_per_cent() -> None:
    alarms = found = 0
    for seed in range(200):
        first, second = blocks(seed)
        alarms += judge(ratio_of_pairs(first, second), 0.01).verdict in {"larger", "smaller"}
        found += judge(ratio_of_pairs(first, 1.03 * second), 0.01).verdict == "larger"
    assert alarms <= 10
    assert found >= 180


def test_an_allowance_moves_the_test_and_not_the_interval() -> None:
    first, second = blocks(3)
    plain = ratio_of_pairs(first, 1.03 * second)
    found = ratio_of_pairs(first, 1.03 * second, allowance=0.01)
    assert (found.value, found.low, found.high) == (plain.value, plain.low, plain.high)
    assert found.p == ratio_of_pairs(1.01 * first, 1.03 * second).p
    assert ratio_of_pairs(first, 1.03 * second, allowance=0.1).p == 1


def test_a_slowdown_in_single_runs_is_found() -> None:
    found = 0
    for seed in range(30):
        first, second = latencies(1000, 2 * seed), 1.03 * latencies(1000, 2 * seed + 1)
        (median, mean) = ratios_of_series(first, second, (50,), allowance=0.02)
        assert median.low is not None
        found += judge(median, 0.02).verdict == "larger"
        assert mean.unit == "sample"
    assert found >= 27


def test_a_hundred_times_that_hang_together_raise_no_alarms_and_still_show_a_threefold_time() -> None:
    """So few and so dependent that they make three to ten blocks: a busy machine under short runs."""
    random = np.random.default_rng(11)
    alarms = found = 0
    for _ in range(200):
        first, second = (np.exp(0.1 * scipy.signal.lfilter([0.3], [1, -0.95], random.normal(size=100))) for _ in "ab")
        same, slower = (
            judge(ratios_of_series(first, factor * second, (50,), allowance=0.02, run_effect=True)[0], 0.02).verdict
            for factor in (1, 3)
        )
        alarms += same in {"larger", "smaller"}
        found += slower == "larger"
    assert alarms <= 10
    assert found >= 190


def test_a_disturbed_pair_moves_a_ratio_of_pairs_little() -> None:
    first, second = blocks(3)
    quiet = ratio_of_pairs(first, second)
    second[4] *= 10
    assert ratio_of_pairs(first, second).value == pytest.approx(quiet.value, abs=0.003)


def test_a_percentile_with_too_few_values_beyond_it_has_no_interval() -> None:
    ratios = ratios_of_series(latencies(400, 1), latencies(400, 2), (50, 99.9))
    assert ratios[0].low is not None
    assert (ratios[1].low, ratios[1].p) == (None, 1.0)
    assert judge(ratios[1], 0.02).verdict == "not enough data"


def test_equal_series_have_the_ratio_one() -> None:
    (median, mean) = ratios_of_series(np.full(100, 7.0), np.full(100, 7.0), (50,))
    assert (median.value, median.low, median.high, median.p) == pytest.approx((1, 1, 1, 1))
    assert judge(mean, 0.001).verdict == "no difference"


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_a_ratio_of_what_is_not_positive_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        ratio_of_pairs([1.0, bad], [1.0, 1.0])
    with pytest.raises(ValueError, match="positive"):
        ratio_of_runs([1.0, 1.0], [1.0, bad])
    with pytest.raises(ValueError, match="positive"):
        ratios_of_series([bad] * 20, [1.0] * 20, (50,))


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        ratio_of_pairs([1.0], [1.0, 2.0])


def ratio(value: float, low: float | None, high: float | None, p: float, units: int = 10) -> Ratio:
    return Ratio(value, low, high, p, "run", units, units)


def test_verdicts_follow_interval_and_p_value() -> None:
    assert judge(ratio(1.05, 1.03, 1.07, 0.001), 0.02).verdict == "larger"
    assert judge(ratio(0.95, 0.93, 0.97, 0.001), 0.02).verdict == "smaller"
    assert judge(ratio(1.05, 1.03, 1.07, 0.001), 0.02, p=0.06).verdict == "not enough data"
    assert judge(ratio(1.01, 1.005, 1.015, 0.001), 0.02).verdict == "no difference"
    assert judge(ratio(1.01, 0.97, 1.05, 0.4), 0.02).verdict == "not enough data"
    assert not equivalent(ratio(1.0, None, None, 1), 0.02)
    with pytest.raises(ValueError, match="margin"):
        judge(ratio(1.0, 0.9, 1.1, 1), 0)


def test_needed_units_grow_with_the_square_of_the_width() -> None:
    half = math.log1p(0.02) / 2
    wide = ratio(1.0, math.exp(-2 * half), math.exp(2 * half), 1, 10)
    assert units_needed(wide, 0.02) == 30  # twice as wide as it may be: four times as many
    assert units_needed(ratio(1.0, None, None, 1, 1), 0.02) == 4


def test_adding_the_needed_units_decides() -> None:
    random = np.random.default_rng(3)
    decided = 0
    for _ in range(100):
        first, second = list(random.normal(100, 3, 4)), list(random.normal(100, 3, 4))
        for _ in range(4):
            verdict = judge(ratio_of_runs(first, second), 0.03)
            if verdict.more is None:
                break
            first += list(random.normal(100, 3, verdict.more))
            second += list(random.normal(100, 3, verdict.more))
        decided += verdict.more is None
    assert decided >= 90


@pytest.mark.parametrize("spread", [0.02, 0.034])
def test_three_looks_at_growing_pairs_raise_few_alarms_and_find_three_per_cent(spread: float) -> None:
    """The rule of a session: 20, 40 or 80 pairs at a third of the level, one per cent allowed to processes."""
    random = np.random.default_rng(1)
    verdicts: dict[float, list[str]] = {1.0: [], 1.03: []}
    for factor, found in verdicts.items():
        for _ in range(200):
            first, second = (np.exp(random.normal(0, spread / math.sqrt(2), 80)) for _ in range(2))
            for pairs in (20, 40, 80):
                ratio = ratio_of_pairs(first[:pairs], factor * second[:pairs], 1 - 0.05 / 3, 0.01)
                verdict = judge(ratio, 0.02, level=0.05 / 3).verdict
                if verdict != "not enough data":
                    break
            found.append(verdict)
    assert sum(verdict in {"larger", "smaller"} for verdict in verdicts[1.0]) <= 10
    assert verdicts[1.03].count("larger") >= 180
