"""Explanations: sentences drawn from a run's data, each only when its data support it.

A rule is a function from :class:`Evidence` to a sentence without a full stop, or None; :data:`RULES` names them all.
The thresholds are the constants of this module, of ``_tail.py`` and of ``_explain_layers.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlscope.analyses._evidence import Evidence
from mlscope.analyses._explain_layers import explain_between, explain_bounds, explain_layers
from mlscope.analyses._tail import TIMES, explain_tail

__all__ = ["RULES", "explain"]

WAITING = 0.25
"""Share of the wall time in which the model waited for pictures."""
FLOOR_SHARE = 0.05
"""Share of the harness floor in what was measured."""
FIRST = 5.0
"""First inference / median call,"""
FIRST_NS = 1_000_000
"""and by how much it took longer."""
QUEUEING = 0.5
"""Share of the slowest requests' time in which they waited for their turn."""
FASTER = 1.05
"""Gain of the chosen layout over the one that is named beside it."""
_HALF = ("bf16", "fp16", "tf32")


def explain(evidence: Evidence) -> list[str]:
    """Every sentence that the data support, the most telling rules first."""
    return [sentence for rule in RULES if (sentence := rule(evidence)) is not None]


def _waiting(evidence: Evidence) -> str | None:
    timings = evidence.record.timings
    if timings.wait_share is None or not timings.preprocess_mean_ns or timings.wait_share < WAITING:
        return None
    data = evidence.record.data
    advice = "" if data and data.preprocess == "cached" else " (prepared pictures, --preprocess cached, take it away)"
    return f"Pre-processing takes {100 * timings.wait_share:.0f} % of the wall time; the model waits{advice}"


def _queueing(evidence: Evidence) -> str | None:
    record, calls = evidence.record, evidence.calls
    if not record.latency or record.latency[0].clock != "scheduled" or calls is None or record.scenario == "Offline":
        return None
    latency = calls.latency_ns
    slow = latency >= np.percentile(latency, 99, method="inverted_cdf")
    total = int(latency[slow].sum())
    share = float((calls.start_ns - calls.begin_ns)[slow].sum() / total) if total > 0 else 0.0
    if share < QUEUEING:
        return None
    return f"The slowest 1 % of the requests waited {100 * share:.0f} % of their time for their turn, not for the model"


def _floor(evidence: Evidence) -> str | None:
    record, floor = evidence.record, evidence.record.floor
    if floor is None or not record.latency or floor.throughput_samples_per_s <= 0:
        return None
    measured = record.latency[0]
    doubt = ", though that was measured on a disturbed machine" if floor.disturbances else ""
    if record.scenario == "Offline":
        share = measured.throughput_samples_per_s / floor.throughput_samples_per_s
        unit = "the time of a sample"
    else:
        p50 = _percentile(evidence, 50)
        if measured.of != floor.of or not p50:
            return None
        share, unit = floor.p50_ns / p50, "p50"
    if share < FLOOR_SHARE:
        return None
    return (
        f"The harness floor is {100 * min(share, 1.0):.0f} % of {unit}: so much of it is mlscope, not the model{doubt}"
    )


def _first(evidence: Evidence) -> str | None:
    first, call = evidence.record.timings.first_inference_ns, _call_ns(evidence)
    if first is None or not call or first < FIRST * call or first - call < FIRST_NS:
        return None
    return (
        f"The first inference took {first / call:.0f} {TIMES} the median call ({first / 1e6:.1f} ms): warm-up matters"
    )


def _precision(evidence: Evidence) -> str | None:
    precision = str(evidence.record.effective.get("precision", ""))
    if evidence.takes != "float32" or not any(half in precision for half in _HALF):
        return None
    return f"Effective precision is {precision} although the model takes fp32: compare it only with its like"


def _layout(evidence: Evidence) -> str | None:
    """The chosen streams and threads against the plainest ones: one stream, or else the next best."""
    found = evidence.calibration or {}
    chosen = found.get("chosen")
    tried = [row for row in found.get("tried", ()) if row.get("median")]
    own = next((row for row in tried if chosen and all(row[key] == chosen[key] for key in chosen)), None)
    others = [row for row in tried if own and (row["streams"], row["threads"]) != (own["streams"], own["threads"])]
    if own is None or not others:
        return None
    plain = [row for row in others if row["streams"] == 1 and row.get("batch") == own.get("batch")]
    other = max(plain or others, key=lambda row: float(row["median"]))
    gain = own["median"] / other["median"]
    if gain < FASTER:
        return None
    batches = own.get("batch") != other.get("batch")
    return f"{_called(own, batches)} is {gain:.2g} {TIMES} faster than {_called(other, batches)}"


def _called(row: Mapping[str, Any], batches: bool) -> str:
    streams, threads = row["streams"], row["threads"]
    text = f"{streams} stream{'s' * (streams != 1)} {TIMES} {threads} thread{'s' * (threads != 1)}"
    return f"{text} (batch {row.get('batch')})" if batches else text


def _percentile(evidence: Evidence, percentile: float) -> float | None:
    ranks = {each.percentile: each.value_ns for each in evidence.record.latency[0].percentiles}
    return ranks.get(percentile)


def _call_ns(evidence: Evidence) -> float | None:
    """Median time in the model's call, without any wait before it."""
    calls, latency = evidence.calls, evidence.record.latency
    if calls is not None and evidence.record.scenario != "Offline":
        return float(np.median(calls.end_ns - calls.start_ns))
    return _percentile(evidence, 50) if latency and evidence.record.scenario in (None, "SingleStream") else None


RULES: tuple[Callable[[Evidence], str | None], ...] = (
    _waiting,
    explain_tail,
    _queueing,
    _floor,
    _first,
    _precision,
    _layout,
    explain_layers,
    explain_bounds,
    explain_between,
)
"""Every rule, in the order in which the sentences are shown."""
