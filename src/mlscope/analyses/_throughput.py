"""Throughput: how it grows with the batch size, and which batch is the best one."""

from __future__ import annotations

from collections.abc import Sequence

from mlscope.analyses._model import CallTimes, call_times_of
from mlscope.analyses._runs import Runs, View, setting, undisturbed
from mlscope.analyses._table import Column, Row, Table, build, to_us
from mlscope.results import Evaluation

__all__ = ["throughput"]

_GAIN = 1.05
"""What a larger batch must gain to be worth it."""

COLUMNS = (
    Column("runs", "runs"),
    Column("calls", "calls"),
    Column("duration_us", "duration", "us"),
    Column("latency_ms", "per input", "ms"),
    Column("throughput_inputs_per_s", "throughput", "inputs/s"),
    Column("throughput_low_inputs_per_s", "low", "inputs/s", "wide"),
    Column("throughput_high_inputs_per_s", "high", "inputs/s", "wide"),
    Column("gain", "gain"),
    Column("optimal", "optimal"),
)


def throughput(evaluations: Sequence[Evaluation], _: View) -> Table:
    """A row for each batch size of a model, the smallest first.

    ``gain`` is over the smallest batch. ``optimal`` is the smallest batch which no larger one beats by 5 % or more
    (XSP, arXiv 1908.06869, looks at doubled batches in the same way); it is empty where there is one size only.
    """
    settings: dict[object, list[Evaluation]] = {}
    for each in undisturbed(evaluations):
        settings.setdefault(setting(each, batch=False), []).append(each)
    rows: list[tuple[Runs, Row]] = []
    for found in settings.values():
        rows += _sizes(found)
    of = {id(runs): row for runs, row in rows}
    return build("throughput", COLUMNS, [runs for runs, _ in rows], lambda runs: [of[id(runs)]])


def _sizes(evaluations: Sequence[Evaluation]) -> list[tuple[Runs, Row]]:
    """A model's batch sizes, each with its runs."""
    sizes: dict[int, list[Evaluation]] = {}
    for each in evaluations:
        sizes.setdefault(each.record.batch_size, []).append(each)
    found = [
        (Runs(tuple(runs)), times) for _, runs in sorted(sizes.items()) if (times := call_times_of(runs)) is not None
    ]
    rates = [_rate(times) for _, times in found]
    best = next((at for at, rate in enumerate(rates) if max(rates[at:]) < _GAIN * rate), None)
    return [
        (
            runs,
            {
                "runs": times.runs,
                "calls": times.calls,
                "duration_us": to_us(times.trimmed),
                "latency_ms": times.trimmed / 1e6 / times.inputs,
                "throughput_inputs_per_s": rates[at],
                "throughput_low_inputs_per_s": 1e9 * times.inputs / times.high if times.high else None,
                "throughput_high_inputs_per_s": 1e9 * times.inputs / times.low if times.low and times.low > 0 else None,
                "gain": rates[at] / rates[0],
                "optimal": at == best if len(found) > 1 else None,
            },
        )
        for at, (runs, times) in enumerate(found)
    ]


def _rate(times: CallTimes) -> float:
    return 1e9 * times.inputs / times.trimmed
