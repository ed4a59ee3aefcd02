"""Which of a few candidates is best, found by short blocks that take turns."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from mlscope.errors import MlscopeError

__all__ = ["KEPT", "Trial", "calibrate"]

Candidate = TypeVar("Candidate", bound=Hashable)

KEPT = (0.7, 0.85, 0.95)
"""A candidate whose best score is below this share of the best one's is out: after the first, second, later rounds."""
_LAST = 3
"""A score is the median of so many blocks, the last ones, which are the longest."""
_EQUAL = 0.99
"""Candidates whose scores are within this share of the best are as good: the first of them is taken."""


@dataclasses.dataclass(slots=True)
class Trial(Generic[Candidate]):
    """What was seen of one candidate."""

    candidate: Candidate
    scores: list[float] = dataclasses.field(default_factory=list)
    """Of each block; larger is better."""
    error: MlscopeError | None = None
    """Why it cannot be had."""

    @property
    def score(self) -> float:
        """The median of the last blocks."""
        return statistics.median(self.scores[-_LAST:]) if self.scores else float("-inf")


def calibrate(
    candidates: Sequence[Candidate],
    measure: Callable[[Candidate, int], float],
    *,
    budget_s: float = 60.0,
    rounds: int = 5,
    kept: Sequence[float] = KEPT,
    tell: Callable[[int, float], None] = lambda done, share: None,
) -> tuple[Candidate, list[Trial[Candidate]]]:
    """The best candidate by the median of its blocks, and the evidence.

    Every round measures one block of each candidate that is still in, forwards and backwards in turns, so that a
    machine that grows slower harms none more than others. Who is far behind after a round is out. It ends when one is
    left, after the last round, or when the time is over; candidates that had no turn until then are out.

    Args:
        candidates: Distinct, at least one; of equal ones the earlier is preferred.
        measure: Runs one block of a candidate, in the round of this number, from 0; a larger score is better. A
            candidate for which it raises a MlscopeError is out.
        budget_s: When this is over, no further block begins.
        rounds: At most.
        kept: A candidate whose best score is below this share of the best one's is out: after the first, the second,
            and so on, the last of them for all later rounds.
        tell: Hears how many blocks are through, and which share of the budget is spent.

    Raises:
        MlscopeError: What was wrong with the first candidate, when all failed.
    """
    trials = [Trial(candidate) for candidate in candidates]
    begin, blocks = time.monotonic(), 0
    left = list(trials)
    for number in range(rounds):
        for trial in left if number % 2 == 0 else reversed(left):
            spent = (time.monotonic() - begin) / budget_s
            if blocks and spent > 1:
                break
            try:
                trial.scores.append(measure(trial.candidate, number))
            except MlscopeError as problem:
                trial.error = problem
            blocks += 1
            tell(blocks, spent)
        left = [trial for trial in left if trial.error is None and trial.scores]
        best = max((max(trial.scores) for trial in left), default=0.0)  # what disturbs a block only makes it slower
        left = [trial for trial in left if max(trial.scores) >= best * kept[min(number, len(kept) - 1)]]
        if len(left) <= 1:
            break
    if not left:
        raise next(trial.error for trial in trials if trial.error is not None)
    best = max(trial.score for trial in left)
    return next(trial.candidate for trial in left if trial.score >= best * _EQUAL), trials
