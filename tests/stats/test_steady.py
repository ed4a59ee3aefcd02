import numpy as np
import pytest

from mlscope.stats import block_medians, change_point, drift, warm_up
from tests.stats.series import autoregressive, latencies


def test_a_change_of_level_is_found_where_it_is() -> None:
    values = np.random.default_rng(1).normal(size=200)
    values[:60] += 3
    found = change_point(values)
    assert abs(found.index - 60) <= 2
    assert found.p < 1e-6
    assert found.curve.shape == (199,)
    assert int(np.argmax(found.curve)) + 1 == found.index


def test_no_change_is_seen_where_there_is_none_as_often_as_promised() -> None:
    alarms = sum(change_point(autoregressive(200, 0.3, seed)).p < 0.05 for seed in range(300))
    assert alarms <= 25  # 5 % of 300, and twice the standard error and a little for the estimated long-run variance


@pytest.mark.parametrize(("n", "slow"), [(120, 30), (5000, 700)])
def test_the_warm_up_is_cut_where_it_ends(n: int, slow: int) -> None:
    values = latencies(n, 3)
    values[:slow] *= 1.5
    found = warm_up(values)
    assert slow <= found.cut <= slow + max(4 * found.block, 0.1 * n)
    assert found.ratio == pytest.approx(1.5, abs=0.1)
    assert found.medians.size == n // found.block


def test_a_warm_up_that_fades_out_is_cut_until_little_of_it_is_left() -> None:
    values = latencies(5000, 4) * (1 + 0.5 * np.exp(-np.arange(5000) / 300))
    found = warm_up(values)
    assert 600 <= found.cut <= 2000


def test_a_steady_run_is_not_cut() -> None:
    assert sum(warm_up(latencies(1500, seed)).cut > 0 for seed in range(100)) <= 6


def test_a_change_in_the_second_half_is_no_warm_up() -> None:
    values = latencies(2000, 5)
    values[1500:] *= 1.3
    assert warm_up(values).cut == 0


def test_a_model_that_gets_slower_over_time_drifts() -> None:
    values = latencies(3000, 6) * np.linspace(1, 1.1, 3000)
    found = drift(values)
    assert found.p < 1e-6
    assert found.low <= 0.1 / 1.05 <= found.high
    assert found.relative == pytest.approx(0.1 / 1.05, abs=0.015)


def test_a_steady_run_does_not_drift_more_often_than_promised() -> None:
    alarms = sum(drift(latencies(1500, seed)).p < 0.05 for seed in range(200))
    assert alarms <= 16


def test_equal_values_neither_change_nor_drift() -> None:
    assert change_point(np.ones(40)).p == 1
    assert warm_up(np.ones(40)).cut == 0
    assert (drift(np.ones(40)).relative, drift(np.ones(40)).p) == (0, 1)


def test_blocks_are_equally_long_and_a_rest_is_left_out() -> None:
    medians, block = block_medians(np.arange(1000.0), 30)
    assert block == 34
    assert medians.tolist() == [34 * i + 16.5 for i in range(29)]
    assert block_medians(np.arange(10.0), 30)[1] == 1


def test_too_short_a_series_is_refused() -> None:
    for check in (change_point, warm_up, drift):
        with pytest.raises(ValueError, match="at least 20"):
            check(np.arange(19.0))
