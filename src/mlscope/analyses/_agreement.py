"""Whether evaluations of the same samples gave the same answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

__all__ = ["Agreement", "agreement", "agreement_lines"]

Predictions = Mapping[str, NDArray[Any]]
"""Columns of ``predictions.parquet``: ``sample_index``, ``file``, ``top1``, ``failed`` are looked at."""
_NAMED = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Agreement:
    """How far the best classes of several evaluations are the same."""

    samples: int
    """Samples that every evaluation has; only they are compared."""
    same_in_all: int
    """Samples with the same best class in every evaluation; one that failed somewhere is not among them."""
    same_as_first: tuple[int | None, ...]
    """Each evaluation's samples with the best class that the first one has; None: it holds no predictions."""
    differing: tuple[tuple[str, tuple[int | None, ...]], ...]
    """The other samples: file, and the best class in each evaluation that holds predictions (None: it failed)."""


def agreement(predictions: Sequence[Predictions | None]) -> Agreement | None:
    """Compare the best classes.

    Args:
        predictions: Of each evaluation; None where there are none.

    Returns:
        What they agree on; None where fewer than two have predictions of the same samples.
    """
    answers = [None if each is None else _answers(each) for each in predictions]
    held = [each for each in answers if each is not None]
    if len(held) < 2:
        return None
    common = [sample for sample in held[0] if all(sample in each for each in held[1:])]
    if not common:
        return None
    differing = [
        (file, classes)
        for index, file in common
        if len(set(classes := tuple(each[index, file] for each in held))) > 1 or None in classes
    ]
    first = held[0]
    return Agreement(
        samples=len(common),
        same_in_all=len(common) - len(differing),
        same_as_first=tuple(
            None if each is None else sum(each[sample] == first[sample] is not None for sample in common)
            for each in answers
        ),
        differing=tuple(differing),
    )


def _answers(columns: Predictions) -> dict[tuple[int, str], int | None]:
    """(place in the list, file) → best class; None for a sample that failed."""
    rows = zip(columns["sample_index"], columns["file"], columns["top1"], columns["failed"], strict=True)
    return {(int(index), str(file)): None if failed else int(best) for index, file, best, failed in rows}


def agreement_lines(found: Agreement) -> list[str]:
    """One sentence, and the first samples that differ."""
    held = sum(each is not None for each in found.same_as_first)
    who = "Both" if held == 2 else f"All {held}"
    lines = [f"{who} have the same best class for {found.same_in_all} of {found.samples} samples."]
    for file, classes in found.differing[:_NAMED]:
        lines.append(f"  {file}: {', '.join('failed' if best is None else str(best) for best in classes)}")
    if len(found.differing) > _NAMED:
        lines.append(f"  and {len(found.differing) - _NAMED} more")
    return lines
