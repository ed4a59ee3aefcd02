"""Whether two evaluations of the same samples gave the same answers, and were right equally often."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, Literal

import numpy as np

from mlscope import stats
from mlscope.errors import StoreError
from mlscope.results import Evaluation

__all__ = ["AccuracyComparison", "Divergence", "PredictionComparison", "compare_accuracy", "compare_predictions"]

Array = np.ndarray[Any, np.dtype[Any]]
_CHUNK = 4096
_DISTANCES = {
    "KL divergence": stats.kullback_leibler,
    "Jensen-Shannon divergence": stats.jensen_shannon,
    "Hellinger distance": stats.hellinger,
    "Bhattacharyya distance": stats.bhattacharyya,
}
_MAIN = "Jensen-Shannon divergence"


@dataclasses.dataclass(frozen=True, slots=True)
class AccuracyComparison:
    """Right answers on the same samples."""

    samples: int
    first: float
    """Share of right answers, 0 to 1."""
    second: float
    only_first: int
    """Samples that only the first side has right."""
    only_second: int
    difference: float
    low: float
    """95 % interval of second minus first."""
    high: float
    p: float
    verdict: Literal["more accurate", "less accurate", "no difference", "not enough data"]
    more: int | None
    """Further samples that would decide, where there is not enough data."""


@dataclasses.dataclass(frozen=True, slots=True)
class Divergence:
    """One measure over all samples."""

    name: str
    mean: float
    worst: float
    beyond: int | None
    """Samples beyond the tolerance; None for a measure without a natural one."""


@dataclasses.dataclass(frozen=True, slots=True)
class PredictionComparison:
    """How far the answers to the same samples are apart."""

    samples: int
    same_class: int
    identical: bool
    """Whether the outputs are the same, bit by bit."""
    tolerance: float
    different: bool
    """Whether a best class differs, or a sample's Jensen-Shannon divergence lies beyond the tolerance."""
    divergences: tuple[Divergence, ...]


def compare_accuracy(first: Evaluation, second: Evaluation, margin: float) -> AccuracyComparison | None:
    """McNemar's test on the samples that both sides have; None where there are none with labels.

    Args:
        first: One evaluation.
        second: The other one.
        margin: What is too small to matter, as a share of right answers: 0.01 is one percentage point.
    """
    joined = _joined(first, second)
    if joined is None:
        return None
    one, two = joined
    label = one["label"]
    if not len(label) or (label < 0).all() or (label != two["label"]).any():
        return None
    if not (first.record.accuracy and second.record.accuracy):
        return None
    right, left = ((side["top1"] == label) & ~side["failed"].astype(bool) for side in (one, two))
    n = len(label)
    test = stats.mcnemar(int((right & ~left).sum()), int((left & ~right).sum()))
    disagree = test.only_first + test.only_second
    difference = (test.only_second - test.only_first) / n
    # Wald's interval of a difference of paired shares; one disagreement more keeps it from closing on nothing.
    half = 1.96 * math.sqrt(disagree + 1 - (test.only_second - test.only_first) ** 2 / n) / n
    low, high = difference - half, difference + half
    verdict: Literal["more accurate", "less accurate", "no difference", "not enough data"] = "not enough data"
    if max(-low, high) <= margin or disagree == 0:
        verdict = "no difference"
    elif test.p < 0.05:
        verdict = "more accurate" if difference > 0 else "less accurate"
    more = max(1, math.ceil(n * (half / (margin / 2)) ** 2) - n) if verdict == "not enough data" else None
    return AccuracyComparison(
        n,
        float(right.mean()),
        float(left.mean()),
        test.only_first,
        test.only_second,
        difference,
        low,
        high,
        test.p,
        verdict,
        more,
    )


def compare_predictions(first: Evaluation, second: Evaluation, tolerance: float) -> PredictionComparison | None:
    """The measures of MLModelScope's `database divergence`, sample by sample; None where outputs are missing.

    Outputs that are no distributions (negative, or not summing to 1) go through softmax first; covariance and
    correlation are those of the outputs as they are.

    Args:
        first: One evaluation.
        second: The other one.
        tolerance: Up to here a divergence (for the correlation: what it lacks to 1) counts as none.
    """
    joined = _joined(first, second)
    before, after = _output(first), _output(second)
    if joined is None or before is None or after is None or before.shape[1] != after.shape[1]:
        return None
    one, two = joined
    answered = ~(one["failed"].astype(bool) | two["failed"].astype(bool))
    rows = one["sample_index"][answered]
    if not len(rows):
        return None
    found: dict[str, list[Array]] = {}
    identical = before.dtype == after.dtype
    for begin in range(0, len(rows), _CHUNK):
        chunk = rows[begin : begin + _CHUNK]
        a, b = before[chunk], after[chunk]
        identical = identical and bool(np.array_equal(a, b))
        for name, values in _measures(a.astype(np.float64), b.astype(np.float64)).items():
            found.setdefault(name, []).append(values)
    same = int((one["top1"] == two["top1"])[answered].sum())
    divergences = tuple(_summary(name, np.concatenate(parts), tolerance) for name, parts in found.items())
    beyond = next((each.beyond or 0 for each in divergences if each.name == _MAIN), 0)
    different = same < len(rows) or beyond > 0
    return PredictionComparison(len(rows), same, identical, tolerance, different, divergences)


def _measures(a: Array, b: Array) -> dict[str, Array]:
    p, q = _distributions(a), _distributions(b)
    found = {name: measure(p, q) for name, measure in _DISTANCES.items()}
    if a.shape[1] > 1:
        found |= {"covariance": stats.covariance(a, b), "correlation": stats.correlation(a, b)}
    return found


def _summary(name: str, values: Array, tolerance: float) -> Divergence:
    if name == "covariance":
        return Divergence(name, float(values.mean()), float(values.min()), None)
    if name == "correlation":
        known = values[~np.isnan(values)]
        lowest, mean = (float(known.min()), float(known.mean())) if len(known) else (math.nan, math.nan)
        return Divergence(name, mean, lowest, int((1 - known > tolerance).sum()))
    return Divergence(name, float(values.mean()), float(values.max()), int((values > tolerance).sum()))


def _distributions(values: Array) -> Array:
    sums = values.sum(axis=1)
    if (values >= 0).all() and np.allclose(sums, 1, atol=1e-3):
        return values
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _joined(first: Evaluation, second: Evaluation) -> tuple[dict[str, Array], dict[str, Array]] | None:
    """Predictions of the samples that both have, in the same order; None where a side has none."""
    try:
        one, two = first.predictions(), second.predictions()
    except StoreError:
        return None
    if any(not {"sample_index", "file", "top1", "failed"} <= side.keys() for side in (one, two)):
        return None
    keys = [list(zip(side["sample_index"].tolist(), side["file"].tolist(), strict=True)) for side in (one, two)]
    place = {key: number for number, key in enumerate(keys[1])}
    both = [(number, place[key]) for number, key in enumerate(keys[0]) if key in place]
    if not both:
        return None
    rows = np.array(both)
    return (
        {name: values[rows[:, 0]] for name, values in one.items()},
        {name: values[rows[:, 1]] for name, values in two.items()},
    )


def _output(run: Evaluation) -> Array | None:
    """The output that the manifest reads, shape [samples, numbers]; None where it was not kept."""
    try:
        with run.open("plan.json") as file:
            outputs = json.load(file)["model"]["manifest"].get("outputs") or [{}]
        with run.open(f"outputs-{outputs[0].get('index', 0)}.npy") as file:
            values: Array = np.load(file, allow_pickle=False)
    except (StoreError, KeyError, ValueError):
        return None
    return values.reshape(len(values), -1) if values.dtype.kind in "fiu" else None
