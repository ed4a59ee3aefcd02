"""Two sides of a comparison: which figures they have, and how these can be set against each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mlscope.errors import StoreError, UsageError
from mlscope.results import ACCURACY_PART, Evaluation, Record

__all__ = [
    "SESSION_TAG",
    "Calls",
    "Side",
    "blocks_of",
    "call_times",
    "calls_of",
    "check_comparable",
    "gaps_of",
    "session_of",
    "times_of",
]

Array = np.ndarray[Any, np.dtype[Any]]

SESSION_TAG = "session-"
"""Tag of two runs whose blocks were measured in turns, in one session."""
_PAIR = "pair"
"""Column of the samples of such a run: the pair of blocks that a sample belongs to.

-1: none; -2, -3, …: a pair that was disturbed and measured again.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Side:
    """Runs of one plan."""

    label: str
    runs: tuple[Evaluation, ...]

    @property
    def records(self) -> tuple[Record, ...]:
        """Their records."""
        return tuple(run.record for run in self.runs)


def check_comparable(first: Side, second: Side) -> None:
    """Whether it makes sense to compare.

    Raises:
        UsageError: A side has no complete run or runs of several plans, or the sides were loaded differently.
    """
    for side in (first, second):
        if not side.runs:
            raise UsageError("no complete run to compare", where=side.label)
        plans = {record.plan_id for record in side.records}
        if len(plans) > 1:
            raise UsageError(
                f"its {len(side.runs)} runs have {len(plans)} different plans ({', '.join(sorted(plans))})",
                where=side.label,
                hint="name a run by its id",
            )
    one, two = first.records[0], second.records[0]
    for name in ("command", "scenario"):
        if getattr(one, name) != getattr(two, name):
            raise UsageError(
                f"different {name}s cannot be compared: {getattr(one, name)} and {getattr(two, name)}",
                hint="compare runs of the same kind",
            )


def session_of(first: Side, second: Side) -> str | None:
    """The session in which both sides were measured in turns; None where there is none."""
    if len(first.runs) != 1 or len(second.runs) != 1:
        return None
    one, two = ({tag for tag in side.records[0].tags if tag.startswith(SESSION_TAG)} for side in (first, second))
    return next(iter(one & two), None)


def times_of(run: Evaluation) -> Array:
    """Times of a run in the order in which they were measured, nanoseconds: one a query, or one a call of the model.

    A query's time is its latency. Where all queries are there from the beginning (Offline), or there are none
    (``predict``), the time of a call is taken, since a latency would tell the length of the run. Warm-up, failures
    and the accuracy part of a SubmissionRun are left out.
    """
    if run.record.command == "predict dataset" or run.record.scenario == "Offline":
        return call_times(run)
    return run.latencies_ns("query")


def call_times(run: Evaluation) -> Array:
    """Times of the calls of the model, nanoseconds, in their order."""
    calls = calls_of(run)
    return np.asarray(calls.end_ns - calls.start_ns)


@dataclasses.dataclass(frozen=True, slots=True)
class Calls:
    """Calls of the model in the order of their begin, shape [n] each."""

    start_ns: Array
    end_ns: Array
    rows: Array
    """Samples of each call."""
    pair: Array | None
    """Which pair of blocks each belongs to, of a run that was measured so."""


def gaps_of(run: Evaluation) -> Array:
    """Time from each call's end to the next one's, nanoseconds, at least 1; their mean is what a call costs."""
    ends = np.sort(calls_of(run).end_ns)
    return np.maximum(np.diff(ends), 1)


def blocks_of(run: Evaluation, *, disturbed: bool = False) -> tuple[Array, Array]:
    """Pair and time of each call of a run that was measured in blocks.

    Args:
        run: The run.
        disturbed: Whether pairs during which others took part of the machine are given too.

    Raises:
        StoreError: The run was not measured in blocks.
    """
    calls = calls_of(run)
    pair = calls.pair
    if pair is None:
        raise StoreError("this run was not measured in blocks", where=run.record.id)
    kept = (pair >= 0) | ((pair < -1) & disturbed)
    return pair[kept], (calls.end_ns - calls.start_ns)[kept]


def calls_of(run: Evaluation) -> Calls:
    """The measured calls; warm-up, failures and the accuracy part of a SubmissionRun are left out.

    Raises:
        StoreError: The samples are not at hand.
    """
    table = run.samples()
    good = ~(table["warmup"].to_numpy(zero_copy_only=False) | table["failed"].to_numpy(zero_copy_only=False))
    if ACCURACY_PART in table.column_names:
        good &= ~table[ACCURACY_PART].to_numpy(zero_copy_only=False)
    batch, start, end = (table[name].to_numpy()[good] for name in ("batch", "start_ns", "end_ns"))
    stream = table["stream"].to_numpy()[good] if "stream" in table.column_names else np.zeros(len(batch), np.int32)
    _, first, rows = np.unique(np.stack([stream, batch]), axis=1, return_index=True, return_counts=True)
    order = np.argsort(start[first], kind="stable")
    first, rows = first[order], rows[order]
    pair = table[_PAIR].to_numpy()[good][first] if _PAIR in table.column_names else None
    return Calls(start[first], end[first], rows, pair)
