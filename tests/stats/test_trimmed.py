"""The mean that MLModelScope took, without its fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.stats import trimmed_mean

VALUES = st.lists(st.integers(0, 10**9), min_size=1)


@given(VALUES)
def test_both_ends_are_cut_alike(values: list[int]) -> None:
    mirrored = [max(values) - value for value in values]
    assert trimmed_mean(values) == pytest.approx(max(values) - trimmed_mean(mirrored), abs=1e-3)
    assert min(values) - 1e-3 <= trimmed_mean(values) <= max(values) + 1e-3


@given(VALUES)
def test_the_order_does_not_matter(values: list[int]) -> None:
    assert trimmed_mean(values) == trimmed_mean(sorted(values, reverse=True))


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([7], 7),
        ([1, 4], 2.5),
        ([1, 2, 900], 2),
        ([1, 2, 3, 900], 226.5),  # the original cut 900 and left 1: 2
        ([-900, 2, 3, 4, 900], 3),
        ([1000, 1, 2, 3, 4, 5, 6, 7, 8, -900], 4.5),
    ],
)
def test_known_means(values: list[float], mean: float) -> None:
    assert trimmed_mean(values) == pytest.approx(mean)


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ValueError, match="at least one"):
        trimmed_mean([])
