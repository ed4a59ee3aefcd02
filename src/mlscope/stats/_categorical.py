"""Right and wrong answers of two models on the same samples, and many tests at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

__all__ = ["McNemar", "holm", "mcnemar"]


@dataclasses.dataclass(frozen=True, slots=True)
class McNemar:
    """Where two models disagree about being right."""

    only_first: int
    """Samples that only the first has right."""
    only_second: int
    p: float


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """Exact test of whether two models are right equally often on the same samples.

    Where they are, each sample that only one has right is as likely to be the one's as the other's (McNemar,
    Psychometrika 12, 1947; exact by the binomial distribution). Samples that both have right or both have wrong
    say nothing.

    Args:
        only_first: Samples that only the first has right.
        only_second: Samples that only the second has right.

    Raises:
        ValueError: A negative count.
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"negative counts: {only_first}, {only_second}")
    n, fewer = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return McNemar(only_first, only_second, 1.0)
    # Terms relative to the largest of them, from there downwards: nothing overflows, small terms vanish.
    log_largest = math.lgamma(n + 1) - math.lgamma(fewer + 1) - math.lgamma(n - fewer + 1) - n * math.log(2)
    total, term = 0.0, 1.0
    for k in range(fewer, -1, -1):
        total += term
        term *= k / (n - k + 1)
        if term < 1e-18 * total:
            break
    return McNemar(only_first, only_second, min(1.0, 2 * math.exp(log_largest) * total))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for there being several, in the order of the input.

    Rejecting those below a level keeps the probability of any false alarm below it, whatever the tests have to do
    with each other (Holm, Scandinavian Journal of Statistics 6, 1979).

    Raises:
        ValueError: A p-value outside of 0 to 1.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("a p-value lies between 0 and 1")
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for place, position in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[position]))
        corrected[position] = largest
    return corrected
