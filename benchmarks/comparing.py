"""How often a comparison of two plans is wrong: of a plan with itself, and of a plan with one that is 3 % slower."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from benchmarks._pairs import Ratio
from mlscope import analyses, conductor
from mlscope.plan import Request

__all__ = ["alarms", "slowdowns"]

_CALL_MS = 3.0
_SLOWER = 1.03
_MARGIN = 0.01


def _session(first: Request, second: Request) -> tuple[str, float, float]:
    """Verdict on the median of the calls, its ratio, and the seconds that it took."""
    begin = time.perf_counter()
    sides, turns = conductor.compare_in_turns([first, second], conductor.TurnPlan(margin=_MARGIN))
    found = analyses.compare(*sides, analyses.Limits(margin=_MARGIN), looks=turns.looks, disturbed=turns.disturbed)
    metric = next(each for each in found.metrics if each.name == "p50")
    return metric.verdict, metric.ratio.value, time.perf_counter() - begin


def _spinning(milliseconds: float) -> Request:
    options = {"law": f"constant:{milliseconds}ms", "spin": True}
    return Request(command="compare", model_name="sleep", dataset_name="digits", options=options)


def _counted(name: str, first: Request, second: Request, *, sessions: int, wanted: set[str], limit: str) -> Ratio:
    """How many sessions gave one of these verdicts, as a share."""
    verdicts, ratios, seconds = [], [], []
    for _ in range(sessions):
        verdict, ratio, took = _session(first, second)
        verdicts.append(verdict)
        ratios.append(ratio)
        seconds.append(took)
    hits = sum(verdict in wanted for verdict in verdicts)
    counts = ", ".join(f"{verdicts.count(each)} {each}" for each in dict.fromkeys(verdicts))
    print(
        f"{name}: {counts}; a session took {np.median(seconds):.0f} s (longest {max(seconds):.0f} s)", file=sys.stderr
    )
    return Ratio(
        name, hits / sessions, None, None, sessions, 0, float(np.median(ratios)), 1.0, "(median ratio of p50)", limit
    )


def alarms(pairs: int, folder: Path) -> list[Ratio]:
    """Sessions that compare a plan with itself: a real model, and one that spins for a constant time."""
    real = Request(command="compare", model_name="Digits_CNN", dataset_name="digits", batch_size=32)
    plain = _spinning(_CALL_MS)
    sessions = max(2, pairs)
    wanted = {"faster", "slower"}
    return [
        _counted(
            "share of false alarms, a plan against itself, Digits_CNN, batches of 32",
            real, real, sessions=sessions, wanted=wanted, limit="<= 3 of 20",
        ),
        _counted(
            "share of false alarms, a plan against itself, a spinning model",
            plain, plain, sessions=sessions, wanted=wanted, limit="<= 3 of 20",
        ),
    ]  # fmt: skip


def slowdowns(pairs: int, folder: Path) -> list[Ratio]:
    """Sessions that compare a spinning model with one that spins 3 % longer."""
    return [
        _counted(
            "share of sessions that find a slowdown of 3 %",
            _spinning(_CALL_MS), _spinning(_CALL_MS * _SLOWER), sessions=max(2, pairs), wanted={"slower"},
            limit=">= 0.9, within 3 minutes each",
        )
    ]  # fmt: skip
