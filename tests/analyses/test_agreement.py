"""Do evaluations give the same answers?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlscope.analyses import agreement, agreement_lines, comparison
from tests.analyses.records import record

Columns = dict[str, np.ndarray[Any, Any]]


def predictions(best: Sequence[int], failed: Sequence[int] = (), first: int = 0) -> Columns:
    rows = np.arange(first, first + len(best))
    return {
        "sample_index": rows,
        "file": np.array([f"{row}.png" for row in rows], dtype=object),
        "top1": np.array(best),
        "failed": np.isin(rows, failed),
    }


def test_each_is_compared_with_the_first_and_all_with_each_other() -> None:
    found = agreement([predictions([1, 2, 3, 4]), None, predictions([1, 2, 3, 5]), predictions([1, 0, 3, 4])])
    assert found is not None
    assert (found.samples, found.same_in_all) == (4, 2)
    assert found.same_as_first == (4, None, 3, 3)
    assert found.differing == (("1.png", (2, 2, 0)), ("3.png", (4, 5, 4)))
    assert agreement_lines(found) == [
        "All 3 have the same best class for 2 of 4 samples.",
        "  1.png: 2, 2, 0",
        "  3.png: 4, 5, 4",
    ]
    table = comparison([record(number) for number in range(1, 5)], found)
    assert [row["same_as_first"] for row in table.rows] == [4, None, 3, 3]


def test_a_failed_sample_agrees_with_nothing() -> None:
    found = agreement([predictions([1, 2], failed=[1]), predictions([1, 2], failed=[1])])
    assert found is not None
    assert (found.same_in_all, found.same_as_first) == (1, (1, 1))
    assert agreement_lines(found)[1] == "  1.png: failed, failed"


def test_only_samples_that_all_have_are_compared() -> None:
    found = agreement([predictions([1, 2, 3]), predictions([2, 9], first=1)])
    assert found is not None
    assert (found.samples, found.same_in_all) == (2, 1)
    assert agreement_lines(found)[0] == "Both have the same best class for 1 of 2 samples."
    assert agreement([predictions([1, 2]), predictions([1, 2], first=7)]) is None
    assert agreement([predictions([1, 2]), None]) is None
    assert agreement([]) is None


@given(st.integers(2, 4), st.integers(1, 30), st.integers(0, 2**32))
def test_counts_are_those_of_a_plain_loop(runs: int, samples: int, seed: int) -> None:
    best = np.random.default_rng(seed).integers(0, 3, (runs, samples))
    found = agreement([predictions(row.tolist()) for row in best])
    assert found is not None
    assert found.same_in_all == sum(len(set(column)) == 1 for column in best.T.tolist())
    assert found.same_as_first == tuple(int((row == best[0]).sum()) for row in best)
    assert found.same_in_all + len(found.differing) == found.samples == samples
