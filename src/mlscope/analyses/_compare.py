"""Two sides set against each other: speed with its uncertainty, accuracy, answers."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from mlscope import stats
from mlscope.analyses._answers import AccuracyComparison, PredictionComparison, compare_accuracy, compare_predictions
from mlscope.analyses._sides import Side, blocks_of, check_comparable, gaps_of, session_of, times_of
from mlscope.errors import StoreError
from mlscope.results import Evaluation, Record

__all__ = ["Comparison", "Limits", "MetricComparison", "compare", "process_allowance"]

Array = np.ndarray[Any, np.dtype[Any]]
Verdict = Literal["faster", "slower", "no difference", "not enough data"]

_PERCENTILES = (50.0, 90.0, 99.0)
_EFFECT_VALUES = 20_000
_LEVEL = 0.05
_PROCESS = 0.01
"""By so much may two processes of one plan differ: memory lies elsewhere in each."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What is too small to matter."""

    margin: float = 0.02
    """Of a ratio: 0.02 is 2 %."""
    accuracy_margin: float = 0.01
    """Of a share of right answers: 0.01 is one percentage point."""
    tolerance: float = 0.01
    """Of a divergence between two outputs."""


@dataclasses.dataclass(frozen=True, slots=True)
class MetricComparison:
    """One figure of both sides."""

    name: str
    unit: str
    """``ns`` or ``samples/s``."""
    first: float
    second: float
    ratio: stats.Ratio
    """Second over first."""
    p: float | None
    """After Holm's correction for all judged figures; None where there is no interval."""
    effect: float | None
    """Cliff's delta: how much more often the second side's value is the larger one, -1 to 1."""
    verdict: Verdict
    """Of the second side, as against the first."""
    more: int | None
    """Runs, or pairs, of each side to be added where there is not enough data and more of it would help."""


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """The second side as against the first."""

    first: Side
    second: Side
    limits: Limits
    method: Literal["runs", "pairs", "single runs"]
    metrics: tuple[MetricComparison, ...]
    accuracy: AccuracyComparison | None
    predictions: PredictionComparison | None
    notes: tuple[str, ...]
    """What every reader must know."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Figure:
    """What is known of one figure before it is judged."""

    name: str
    unit: str
    first: float
    second: float
    ratio: stats.Ratio
    effect: float | None = None


def compare(
    first: Side, second: Side, limits: Limits | None = None, *, looks: int = 1, disturbed: bool = False
) -> Comparison:
    """Compare two sides.

    Where their blocks were measured in turns in one session, pairs of blocks are the units. Else, where a side has
    several runs, runs are the units. With one run a side the samples of the two runs are compared by the block
    bootstrap; how runs of one plan differ is then guessed from the tenths of each run, and a difference up to the
    margin counts as none.

    Args:
        first: The side that is compared against.
        second: The side that is judged.
        limits: What is too small to matter.
        looks: How often the same data have been or will be looked at while they grow; the level is divided by it.
        disturbed: Other processes took part of the machine all the while: then no speed is judged.

    Raises:
        UsageError: The sides cannot be compared.
        StoreError: A side's samples are not there or damaged.
    """
    limits = limits or Limits()
    check_comparable(first, second)
    method: Literal["runs", "pairs", "single runs"] = "single runs"
    if session_of(first, second):
        method, figures = (
            "pairs",
            _paired(first, second, 1 - _LEVEL / looks, disturbed, process_allowance(limits.margin)),
        )
    elif len(first.runs) + len(second.runs) > 2:
        method, figures = "runs", _of_runs(first, second)
    else:
        figures = _single(first, second, limits.margin)
    metrics = _judged(figures, limits.margin, _LEVEL / looks, disturbed)
    return Comparison(
        first,
        second,
        limits,
        method,
        tuple(metrics),
        compare_accuracy(first.runs[0], second.runs[0], limits.accuracy_margin),
        compare_predictions(first.runs[0], second.runs[0], limits.tolerance),
        tuple(_notes(first, second, method, disturbed)),
    )


def _judged(figures: Sequence[_Figure], margin: float, level: float, disturbed: bool) -> list[MetricComparison]:
    known = [figure for figure in figures if figure.ratio.low is not None]
    corrected = dict(zip(map(id, known), stats.holm([figure.ratio.p for figure in known]), strict=True))
    found = []
    for figure in figures:
        p = corrected.get(id(figure))
        judgement = stats.judge(figure.ratio, margin, p, level)
        slower = "larger" if figure.unit == "ns" else "smaller"
        verdict: Verdict = "not enough data"
        if judgement.verdict == "no difference":
            verdict = "no difference"
        elif judgement.verdict != "not enough data":
            verdict = "slower" if judgement.verdict == slower else "faster"
        more = judgement.more
        if disturbed:
            verdict, more = "not enough data", None
        fields = (figure.name, figure.unit, figure.first, figure.second, figure.ratio, p, figure.effect)
        found.append(MetricComparison(*fields, verdict, more))
    return found


def _single(first: Side, second: Side, margin: float) -> list[_Figure]:
    """One run a side: percentiles and mean from the samples, the rest from the records."""
    one, two = first.runs[0], second.runs[0]
    times = times_of(one), times_of(two)
    figures: list[_Figure] = []
    if min(map(len, times)) >= 20:
        percentiles = list(_PERCENTILES)
        effect = stats.cliffs_delta(_thinned(times[0]), _thinned(times[1]))
        ratios = stats.ratios_of_series(*times, percentiles, allowance=margin, run_effect=True)
        ordered = [np.sort(side) for side in times]
        for share, ratio in zip(percentiles, ratios, strict=False):
            values = [stats.percentile_with_interval(side, share)[0] for side in ordered]
            figures.append(_Figure(f"p{share:g}", "ns", values[0], values[1], ratio, effect))
        means = [float(side.mean()) for side in times]
        figures.append(_Figure("mean", "ns", means[0], means[1], ratios[-1], effect))
        own = _loadgen(one.record), _loadgen(two.record)
        known = dict(zip(percentiles, ratios, strict=False)).get(_loadgen_percentile(one.record) or 0)
        if known and own[0] and own[1]:
            ratio = dataclasses.replace(known, value=own[1] / own[0])
            figures.append(_Figure("LoadGen metric", "ns", own[0], own[1], ratio))
    figures += _throughput(one, two, margin)
    for name, unit, read in _RECORDED:
        before, after = read(one.record), read(two.record)
        if before and after and name not in {figure.name for figure in figures}:
            unknown = stats.Ratio(after / before, None, None, 1.0, "run", 1, 1, allowance=margin)
            figures.append(_Figure(name, unit, before, after, unknown))
    return figures


def _throughput(one: Evaluation, two: Evaluation, margin: float) -> list[_Figure]:
    """By the mean time from one completion to the next, which is what a throughput is the inverse of."""
    gaps = gaps_of(one), gaps_of(two)
    if not (one.record.latency and two.record.latency) or min(map(len, gaps)) < 20:
        return []
    (costs,) = stats.ratios_of_series(*gaps, (), allowance=margin, run_effect=True)
    first, second = (each.record.latency[0].throughput_samples_per_s for each in (one, two))
    low, high = (None if bound is None else 1 / bound for bound in (costs.high, costs.low))
    return [
        _Figure(
            "throughput",
            "samples/s",
            first,
            second,
            dataclasses.replace(costs, value=second / first, low=low, high=high),
        )
    ]


def _of_runs(first: Side, second: Side) -> list[_Figure]:
    """Several runs: each gives one value of each figure."""
    figures = []
    for name, unit, read in (*_FROM_RECORDS, *_RECORDED):
        values = [[value for record in side.records if (value := read(record))] for side in (first, second)]
        if [len(each) for each in values] != [len(first.runs), len(second.runs)]:
            continue
        ratio = stats.ratio_of_runs(values[0], values[1])
        middle = [float(np.median(each)) for each in values]
        effect = stats.cliffs_delta(values[0], values[1])
        figures.append(_Figure(name, unit, middle[0], middle[1], ratio, effect))
    return figures


def process_allowance(margin: float) -> float:
    """What counts as no difference between two processes: 1 %, or the margin where that is smaller."""
    return min(_PROCESS, margin)


def _paired(first: Side, second: Side, confidence: float, disturbed: bool, allowance: float) -> list[_Figure]:
    """Blocks in turns: each pair gives one value a side of each figure."""
    sides = [_by_pair(side, disturbed) for side in (first, second)]
    pairs = sorted(set(sides[0]) & set(sides[1]))
    if not pairs:
        raise StoreError("no undisturbed pair of blocks was measured", where=first.label, hint="give it more time")
    figures = []
    measures: list[tuple[str, Callable[[Array], float]]] = [
        ("p50", lambda block: float(np.median(block))),
        ("p90", lambda block: float(np.quantile(block, 0.9, method="inverted_cdf"))),
        ("mean", lambda block: float(block.mean())),
    ]
    joined = [np.concatenate([side[pair] for pair in pairs]) for side in sides]
    effect = stats.cliffs_delta(_thinned(joined[0]), _thinned(joined[1]))
    for name, measure in measures:
        values = [np.array([measure(side[pair]) for pair in pairs]) for side in sides]
        middle = [float(np.median(each)) for each in values]
        ratio = stats.ratio_of_pairs(values[0], values[1], confidence, allowance)
        figures.append(_Figure(name, "ns", middle[0], middle[1], ratio, effect))
    if min(map(len, joined)) >= 20:
        (ratio, _) = stats.ratios_of_series(joined[0], joined[1], (99,), allowance=allowance, confidence=confidence)
        high = [stats.percentile_with_interval(np.sort(each), 99)[0] for each in joined]
        ratio = dataclasses.replace(ratio, unit="pair", first_units=len(pairs), second_units=len(pairs))
        figures.append(_Figure("p99", "ns", high[0], high[1], ratio, effect))
    return figures


def _by_pair(side: Side, disturbed: bool) -> dict[int, Array]:
    pair, times = blocks_of(side.runs[0], disturbed=disturbed)
    if not len(pair):
        return {}
    order = np.argsort(pair, kind="stable")
    names, begins = np.unique(pair[order], return_index=True)
    return dict(zip(names.tolist(), np.split(times[order], begins[1:]), strict=True))


def _thinned(values: Array) -> Array:
    return values[:: max(1, len(values) // _EFFECT_VALUES)]


def _percentile(share: float) -> Callable[[Record], float | None]:
    def read(record: Record) -> float | None:
        result = _times_result(record)
        found = result.percentiles if result else ()
        return next((each.value_ns for each in found if each.percentile == share), None)

    return read


def _times_result(record: Record) -> Any:
    """The distribution that :func:`times_of` gives the samples of."""
    wanted = {"Offline": "batch"}.get(record.scenario or "")
    fitting = (each for each in record.latency if wanted is None or each.of == wanted)
    return next(fitting, None)


def _loadgen(record: Record) -> float | None:
    return record.loadgen.metric_value if record.loadgen and record.loadgen.metric_unit == "ns" else None


def _loadgen_percentile(record: Record) -> float | None:
    """Which percentile LoadGen's metric is."""
    found = re.match(r"([\d.]+)th percentile", (record.loadgen and record.loadgen.metric) or "")
    return float(found[1]) if found else None


_FROM_RECORDS: tuple[tuple[str, str, Callable[[Record], float | None]], ...] = (
    *((f"p{share:g}", "ns", _percentile(share)) for share in _PERCENTILES),
    ("mean", "ns", lambda record: result.mean_ns if (result := _times_result(record)) else None),
    (
        "throughput",
        "samples/s",
        lambda record: record.latency[0].throughput_samples_per_s if record.latency else None,
    ),
)
_RECORDED: tuple[tuple[str, str, Callable[[Record], float | None]], ...] = (
    ("LoadGen metric", "ns", _loadgen),
    (
        "LoadGen metric",
        "samples/s",
        lambda record: (
            record.loadgen.metric_value if record.loadgen and record.loadgen.metric_unit == "samples/s" else None
        ),
    ),
    ("pre-processing", "ns", lambda record: record.timings.preprocess_mean_ns),
    ("load", "ns", lambda record: record.timings.load_ns),
)


def _notes(first: Side, second: Side, method: str, disturbed: bool) -> list[str]:
    notes = []
    if disturbed:
        notes.append("other processes disturbed the machine all the while, so speed is not judged")
    if method == "single runs":
        notes.append(
            "one run a side: how much runs of the same plan differ is unknown (it is guessed from how the tenths of "
            "each run differ), and only differences beyond the margin count; --interleave 5 repeats both in turns, "
            "--pairs 20 measures them side by side"
        )
    if method == "pairs" and not disturbed:
        notes.append(
            "one process a side: up to 1 % counts as no difference, since two processes of one plan differ too"
        )
    for name, what in (("hostname", "machine"), ("cpu_name", "processor")):
        seen = {getattr(record.system, name) for side in (first, second) for record in side.records}
        if len(seen) > 1:
            notes.append(f"the {what}s differ: {', '.join(sorted(seen))}")
    created = [sorted(record.created_at for record in side.records) for side in (first, second)]
    if method == "runs" and (created[0][-1] < created[1][0] or created[1][-1] < created[0][0]):
        notes.append("all runs of one side were made before those of the other: a machine that changed looks the same")
    weights = {record.effective.get("precision") for record in itertools.chain(first.records, second.records)}
    if len(weights - {None}) > 1:
        notes.append(f"the precisions differ: {', '.join(sorted(str(each) for each in weights - {None}))}")
    return notes
