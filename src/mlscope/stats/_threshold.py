"""The search for the largest value that still meets a bound: how many samples a query, how many requests a second.

Pure: it sees only what runs have shown, and the next value follows from that alone. So a search that was interrupted
goes on from the list of its observations.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Literal

from mlscope.stats._root import falling_root

__all__ = ["Observation", "ThresholdSearch", "Verdict"]

_GROWTH = 4.0
"""How far one step may go beyond what has passed."""
_STEP = 0.04
"""How far from the limit it is measured, on either side."""
_CERTAIN = 2.0
"""A margin of so many standard errors is no accident."""
_NEAR = 0.5
"""Smaller margins tell where the limit is; larger ones lie where the margin bends."""
_CLOSE = 0.05
"""A short run whose margin is smaller is no evidence of its own: one query may have decided."""
_ENOUGH, _PLENTY = 6, 12
"""Runs of full length near the limit: so many before their scatter is believed, and so many are taken at most."""

Seen = Sequence[tuple[float, "Observation"]]
Outcome = Literal["found", "nothing", "everything", "unfinished"]


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """What one run at a value has shown."""

    passed: bool
    margin: float | None = None
    """How far from the bound, relative to it: 0 or more where it passed; about linear in the value near the limit."""
    error: float | None = None
    """Standard error of the margin; None: there is no noise worth speaking of."""
    full: bool = False
    """Whether the run had its full length."""
    note: str = ""
    """For people."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What a search has found."""

    outcome: Outcome
    best: float | None
    """The largest value that passed; once there is one, that a run of full length has confirmed."""
    first_failing: float | None
    """The smallest value above it that failed."""
    low: float | None
    high: float | None
    """The limit lies between the two: the last values that passed and failed, or an interval of 95 % where there is
    noise."""
    confirmed: bool
    runs: int
    nearest_miss: tuple[float, Observation] | None
    """Where nothing passed: the value that came closest, and how."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Point:
    """All runs at one value taken together."""

    value: float
    passed: bool
    certain: bool
    margin: float | None
    runs: int
    full: bool
    noisy: bool = False


class ThresholdSearch:
    """Finds the largest value that passes, where what passes lies below what fails, but for noise.

    ::

        search = ThresholdSearch(start=8, low=1, integer=True)
        for value in search:
            search.tell(value, measure(value, full_length=search.full))
        print(search.verdict().best)

    From `start` it goes up or down until a value has passed and one has failed; the margins tell how far. Between the
    two it interpolates, and halves where that is slow. A margin within two standard errors is neither: a whole number
    is then measured again, up to `repeats` times; on a real axis a straight line through all margins near the limit
    tells where that is, and how well it is known. The winner is confirmed by a run of full length, and so is the value
    beyond it where it failed by little; these count like any other: if they say otherwise, the search goes on.

    Args:
        start: The first value.
        low: The smallest value that makes sense; over 0.
        high: The largest one, the cap.
        integer: Whether only whole numbers make sense.
        tolerance: On a real axis: of the limit, relative.
        repeats: Runs at one whole number at most.
        most: Runs at most.
        observations: What was seen before.

    Raises:
        ValueError: The values contradict each other.
    """

    def __init__(
        self,
        *,
        start: float,
        low: float,
        high: float = math.inf,
        integer: bool = False,
        tolerance: float = 0.01,
        repeats: int = 3,
        most: int = 30,
        observations: Seen = (),
    ) -> None:
        if not 0 < low <= start <= high or not tolerance > 0:
            raise ValueError(f"0 < {low} <= {start} <= {high}, tolerance {tolerance}: these contradict each other")
        self._start, self._low, self._high = start, low, high
        self._integer, self._tolerance, self._repeats, self._most = integer, tolerance, repeats, most
        self.observations: list[tuple[float, Observation]] = list(observations)
        self.full = False
        """Whether the run that is asked for shall have its full length."""

    def tell(self, value: float, seen: Observation) -> None:
        """What the run at a value has shown."""
        self.observations.append((value, seen))

    def __iter__(self) -> Iterator[float]:
        while len(self.observations) < self._most:
            value, self.full = self._next()
            if value is None:
                return
            told = len(self.observations)
            yield value
            if len(self.observations) == told:
                raise RuntimeError("the search was not told what the run has shown")

    def verdict(self) -> Verdict:
        """What is known so far."""
        points = self._points(self.observations)
        passing, failing = _bracket(points)
        winner = self._winner()
        best = winner if winner is not None else self._largest(passing, failing)
        above = [point.value for point in points if not point.passed and (best is None or point.value > best)]
        misses = [each for each in self.observations if not each[1].passed]
        nearest = max(misses, key=lambda each: (_or(each[1].margin, -math.inf), -each[0]), default=None)
        root = self._root()
        low, high = passing.value if passing else None, failing.value if failing else None
        if root is not None and not self._closed(passing, failing):
            low, high = root[0] - 1.96 * root[1], root[0] + 1.96 * root[1]
        return Verdict(
            outcome=self._outcome(passing, winner),
            best=best,
            first_failing=min(above, default=None),
            low=low,
            high=high,
            confirmed=winner is not None,
            runs=len(self.observations),
            nearest_miss=nearest if best is None else None,
        )

    def _outcome(self, passing: _Point | None, winner: float | None) -> Outcome:
        if self._next()[0] is not None:
            return "unfinished"
        if winner is None and passing is None:
            return "nothing"
        return "everything" if (winner or 0) >= self._high else "found"

    def _largest(self, passing: _Point | None, failing: _Point | None) -> float | None:
        """Of what has passed, below what has certainly failed and not above where the limit is believed to be."""
        root = self._root()
        roof = min(failing.value if failing else math.inf, root[0] if root else math.inf)
        passed = [value for value, seen in self.observations if seen.passed and value <= roof]
        return max(passed, default=passing.value if passing else None)

    def _next(self) -> tuple[float | None, bool]:
        """The next value, and whether it needs the full length; None when there is nothing left to find out."""
        points = self._points(self.observations)
        passing, failing = _bracket(points)
        if not points:
            return self._start, False
        if not self._integer and (self._doubtful() is not None or self._near()):
            return self._next_real(passing, failing)
        if passing is None or failing is None:
            return self._widen(points, passing, failing)
        if self._integer:
            return self._next_whole(points, passing, failing)
        return self._next_real(passing, failing)

    def _widen(
        self, points: Sequence[_Point], passing: _Point | None, failing: _Point | None
    ) -> tuple[float | None, bool]:
        """One end of the bracket is missing."""
        if passing is None:
            lowest = min(points, key=lambda point: point.value)
            if lowest.value <= self._low:
                again = not lowest.certain and lowest.runs < self._repeats
                return (lowest.value, True) if again else (None, False)
            return max(self._whole(self._shrunk(points, lowest)), self._low), False
        if passing.value >= self._high:
            return self._confirm(passing.value)
        return min(self._grown(points, passing), self._high), False

    def _shrunk(self, points: Sequence[_Point], lowest: _Point) -> float:
        """Below what has failed: of whole numbers to where the margins of the lowest two meet zero, within reason."""
        above = next((point for point in points if point.value > lowest.value), None)
        if self._integer and above and above.margin is not None and lowest.margin is not None:
            rise = lowest.margin - above.margin
            if rise > 0:
                zero = lowest.value + lowest.margin * (above.value - lowest.value) / rise
                return min(max(zero, lowest.value / _GROWTH**2), lowest.value / 2.0)
        return lowest.value / (2.0 if _or(lowest.margin, -1.0) > -0.5 else _GROWTH)

    def _grown(self, points: Sequence[_Point], passing: _Point) -> float:
        """Beyond what has passed: to where the margins of the last two will be used up, within reason."""
        before = [point for point in points if point.value < passing.value and point.margin is not None]
        far = 2.0 * passing.value
        if before and passing.margin is not None:
            last = max(before, key=lambda point: point.value)
            fall = _or(last.margin, 0.0) - passing.margin
            far = _GROWTH * passing.value
            if fall > 0:
                far = passing.value + passing.margin * (passing.value - last.value) / fall
        if self._integer:
            return float(
                max(math.floor(min(far, _GROWTH * passing.value)) + (far < _GROWTH * passing.value), passing.value + 1)
            )
        return min(max(1.05 * far, 1.1 * passing.value), _GROWTH * passing.value)

    def _next_whole(self, points: Sequence[_Point], passing: _Point, failing: _Point) -> tuple[float | None, bool]:
        doubtful = [point for point in points if not point.certain and passing.value < point.value < failing.value]
        if doubtful:
            return doubtful[-1].value, True
        gap = failing.value - passing.value
        if gap <= 1:
            return (failing.value, True) if self._hasty(failing) else self._confirm(passing.value)
        value = math.floor(self._between(passing, failing))
        return float(min(max(value, passing.value + 1), failing.value - 1)), False

    def _next_real(self, passing: _Point | None, failing: _Point | None) -> tuple[float | None, bool]:
        """Where noise hides the limit every run has the full length, on either side of where it is believed to be.

        Until a line through them falls, they go up from what passed and down from what failed (up and down method;
        Dixon and Mood, JASA 43, 1948, pages 109 to 126).
        """
        if self._winner() is not None:
            return None, False
        if passing and failing and self._closed(passing, failing):
            return (failing.value, True) if self._hasty(failing) else self._confirm(passing.value)
        root = self._root()
        if self._known(root):
            assert root is not None
            return self._confirm(root[0] - root[1])
        if root is not None:
            side = 1 if len(self.observations) % 2 else -1
            return self._allowed(root[0] * (1 + side * _STEP)), True
        return self._towards(passing, failing)

    def _towards(self, passing: _Point | None, failing: _Point | None) -> tuple[float | None, bool]:
        """Nearer to the limit, as long as no line tells where it is."""
        last = next(((v, seen) for v, seen in reversed(self.observations) if seen.full), None)
        if last is not None and abs(_or(last[1].margin, 1.0)) <= _NEAR:
            return self._allowed(last[0] * (1 + (_STEP if last[1].passed else -_STEP))), True
        doubtful = self._doubtful()
        if doubtful is not None:
            return doubtful, True
        if passing is None or failing is None:
            return self._widen(self._points(self.observations), passing, failing)
        return self._between(passing, failing), failing.value < 1.3 * passing.value

    def _allowed(self, value: float) -> float:
        return min(max(value, self._low), self._high)

    def _doubtful(self) -> float | None:
        """A value whose margin may as well be on the other side."""
        return next((point.value for point in self._points(self.observations) if not point.certain), None)

    def _known(self, root: tuple[float, float] | None) -> bool:
        """Whether a noisy limit is known well enough, or as well as it will be."""
        near = len(self._near())
        return root is not None and (near >= _PLENTY or (near >= _ENOUGH and root[1] <= self._tolerance * root[0]))

    def _confirm(self, value: float) -> tuple[float | None, bool]:
        """One run of full length, unless there was one."""
        return (None, False) if self._winner() is not None else (value, True)

    def _winner(self) -> float | None:
        """The largest value at which a run of full length has passed, once nothing is left to find out."""
        passing, failing = _bracket(self._points(self.observations))
        if passing is not None and passing.full:
            settled = failing is not None and not self._hasty(failing)
            if passing.value >= self._high or (settled and self._closed(passing, failing)):
                return passing.value
        root = self._root()
        if root is None or not self._known(root):
            return None
        passed = [value for value, seen in self.observations if seen.full and seen.passed]
        below = max(root[1], self._tolerance * root[0] / 2)
        return max((value for value in passed if root[0] - below <= value <= root[0]), default=None)

    def _hasty(self, failing: _Point) -> bool:
        """Whether a value failed in short runs only, and might not in one of full length."""
        close = self._integer and failing.margin is not None and -failing.margin <= _CLOSE
        return not failing.full and (failing.noisy or close)

    def _closed(self, passing: _Point | None, failing: _Point | None) -> bool:
        """Whether nothing lies between the two ends."""
        if passing is None or failing is None:
            return False
        gap = failing.value - passing.value
        return gap <= 1 if self._integer else gap <= self._tolerance * passing.value

    def _between(self, passing: _Point, failing: _Point) -> float:
        """Where the margins cross zero; the middle where that has not halved the bracket in two steps."""
        low, high = passing.value, failing.value
        earlier = _bracket(self._points(self.observations[:-2]))
        slow = earlier[0] and earlier[1] and high - low > (earlier[1].value - earlier[0].value) / 2
        if passing.margin is None or failing.margin is None or slow or passing.margin <= failing.margin:
            return math.sqrt(low * high) if high > 2 * low else (low + high) / 2
        share = passing.margin / (passing.margin - failing.margin)
        edge = 0.0 if self._integer else max(0.1, self._tolerance / 3)
        return low + (high - low) * min(max(share, edge), 1 - edge)

    def _root(self) -> tuple[float, float] | None:
        """The limit by a line through all margins near it, and its error; of runs of full length that have errors.

        The errors are those of the same measurement and are taken to be equal: a run's own is smaller where its
        margin happens to be, and would draw the line there.
        """
        near = self._near()
        if self._integer or not near:
            return None
        error = statistics.median(error for _, _, error in near)
        root = falling_root([(value, margin, error) for value, margin, _ in near])
        if root is None or not self._low < root[0] < self._high or root[1] > 0.1 * root[0]:
            return None
        return root

    def _near(self) -> list[tuple[float, float, float]]:
        return [
            (value, seen.margin, seen.error)
            for value, seen in self.observations
            if seen.full and seen.margin is not None and seen.error and abs(seen.margin) <= _NEAR
        ]

    def _points(self, observations: Seen) -> list[_Point]:
        """By value, ascending."""
        values = sorted({value for value, _ in observations})
        return [self._point(value, [seen for at, seen in observations if at == value]) for value in values]

    def _point(self, value: float, seen: Sequence[Observation]) -> _Point:
        """Runs of full length count alone, where there are some; margins are weighted by their errors."""
        full = any(each.full for each in seen)
        counted = [each for each in seen if each.full or not full]
        margins = [each.margin for each in counted if each.margin is not None]
        errors = [each.error for each in counted if each.error]
        if len(margins) < len(counted):
            good = sum(each.passed for each in counted)
            return _Point(value, 2 * good > len(counted), True, None, len(seen), full)
        if len(errors) < len(counted):
            margin = sum(margins) / len(margins)
            return _Point(value, margin >= 0, True, margin, len(seen), full)
        weights = [error**-2 for error in errors]
        margin = sum(w * m for w, m in zip(weights, margins, strict=True)) / sum(weights)
        settled = self._integer and len(seen) >= self._repeats
        certain = settled or abs(margin) > min(_CERTAIN / math.sqrt(sum(weights)), _NEAR)
        return _Point(value, margin >= 0, certain, margin, len(seen), full, noisy=True)

    def _whole(self, value: float) -> float:
        return float(math.floor(value)) if self._integer else value


def _bracket(points: Sequence[_Point]) -> tuple[_Point | None, _Point | None]:
    """The smallest value that certainly fails, and the largest below it that certainly passes."""
    failing = next((point for point in points if point.certain and not point.passed), None)
    below = [point for point in points if failing is None or point.value < failing.value]
    return next((point for point in reversed(below) if point.certain and point.passed), None), failing


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
