"""How quiet a machine was: the sampler's series and the machine's counters as figures, clauses and one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["disturbances", "judge", "summarise"]

FOREIGN_CORES = 0.15
"""Mean CPU of other programs from which a machine is not quiet. Not a share: a model's threads wait for the one that
shares its core, however many cores there are."""
BURST_CORES = 0.5
BURST_SHARE = 0.05
"""Share of the time with a foreign load of BURST_CORES from which it is not quiet either."""
STEAL_SHARE = 0.01
"""Share of the CPUs' time."""
LONG_NS = 1_000_000_000
"""A shorter measurement is never called disturbed: the kernel counts in ticks of some milliseconds."""
SHORTEST_NS = 300_000_000
"""From less nothing is concluded at all."""

_FOREIGN_POINTS, _MOST_FOREIGN_POINTS = 40, 60
_STEAL_POINTS, _MOST_STEAL_POINTS = 200, 40
_THROTTLED_POINTS = 20
_THERMAL_POINTS = 20
_GOVERNOR_POINTS = 5
_TURBO_POINTS = 5

Row = Mapping[str, Any]


def summarise(rows: Sequence[Row], span: tuple[int, int] | None = None, *, others: bool = True) -> dict[str, Any]:
    """Means over the intervals that overlap a span of time.

    Args:
        rows: Intervals as :meth:`mlscope.stacks.Meter.interval` gives them.
        span: Begin and end on the same clock, nanoseconds; None: all.
        others: Whether own and foreign processes can be told apart.

    Returns:
        Fields of a passport, ``long`` (long enough to be called disturbed) and ``burst_ns``. Of a span shorter than a
        second all intervals count, those before and after it too.
    """
    begin, end = span or (0, 1 << 63)
    long = span is None or end - begin >= LONG_NS
    kept = [row for row in rows if not long or (row["end_ns"] > begin and row["start_ns"] < end)]
    watched = sum(_length(row) for row in kept)
    if watched < SHORTEST_NS:
        return {"readings": len(kept)}

    def mean(name: str) -> float:
        return float(round(sum(row[name] * _length(row) for row in kept) / watched, 4))

    busy = {
        "own_cores": mean("own_cores"),
        "foreign_cores": mean("foreign_cores"),
        "foreign_cores_max": max(row["foreign_cores"] for row in kept),
        "foreign_process": _busiest([*kept, rows[-1]]),
        "burst_ns": sum(_length(row) for row in kept if row["foreign_cores"] >= BURST_CORES),
    }
    return {
        "watched_ns": watched,
        "long": long,
        "readings": len(kept),
        **(busy if others else {}),
        "steal_cores": mean("steal_cores"),
        "sampler_cores": round(sum(row["sampler_ns"] for row in kept) / watched, 5),
        "throttled_periods": _total(kept, "throttled_periods"),
        "throttled_ns": _total(kept, "throttled_ns"),
    }


def _length(row: Row) -> int:
    return int(row["end_ns"] - row["start_ns"])


def _busiest(rows: Sequence[Row]) -> dict[str, Any] | None:
    """The last interval counts too: then the processes are looked through in any case."""
    named = [row["top"] for row in rows if row.get("top")]
    return max(named, key=lambda top: float(top["cores"]), default=None)


def _total(rows: Sequence[Row], name: str) -> int | None:
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) if known else None


def disturbances(found: Mapping[str, Any], cores: int) -> list[str]:
    """What disturbed, one clause each; empty for a quiet machine.

    Args:
        found: What :func:`summarise` gives, and ``thermal_events``.
        cores: CPUs that the measurement may use.
    """
    watched = found.get("watched_ns") or 0
    if not watched or not found["long"]:
        return []
    clauses = []
    foreign, burst = found.get("foreign_cores") or 0.0, found.get("burst_ns") or 0
    who = _who(found.get("foreign_process"))
    if foreign >= FOREIGN_CORES:
        clauses.append(f"other programs used {foreign:.2f} of {cores} cores{who}")
    elif burst >= BURST_SHARE * watched:
        times = f"{burst / 1e9:.1f} of {watched / 1e9:.1f} s"
        clauses.append(f"other programs used {BURST_CORES:g} cores or more for {times}{who}")
    steal = (found.get("steal_cores") or 0.0) / cores
    if steal >= STEAL_SHARE:
        clauses.append(f"the hypervisor gave {100 * steal:.1f} % of the CPU time to others (steal)")
    if found.get("throttled_periods"):
        blocked = (found.get("throttled_ns") or 0) / 1e9
        clauses.append(
            f"the control group's CPU limit held processes back {found['throttled_periods']} times ({blocked:.2f} s)"
        )
    if found.get("thermal_events"):
        clauses.append(f"the processor slowed down because of heat {found['thermal_events']} times")
    return clauses


def _who(process: Mapping[str, Any] | None) -> str:
    return f", most of all {process['name']} (pid {process['pid']}, {process['cores']:.2f} cores)" if process else ""


def judge(
    rows: Sequence[Row],
    span: tuple[int, int] | None,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    machine: Mapping[str, Any],
    *,
    others: bool = True,
) -> dict[str, Any]:
    """The passport: figures, disturbances and score.

    Args:
        rows: The series.
        span: When was measured; None: all the time.
        before: :func:`mlscope.stacks.machine_state` before.
        after: The same after.
        machine: :func:`mlscope.stacks.describe_machine`.
        others: Whether own and foreign processes can be told apart.
    """
    cores = int(machine["cpu_count"])
    found = summarise(rows, span, others=others)
    if "thermal_events" in before and "thermal_events" in after:
        found["thermal_events"] = max(after["thermal_events"] - before["thermal_events"], 0)
    clauses = disturbances(found, cores)
    score = _score(found, machine["details"].get("cpu", {}), cores) if "watched_ns" in found else None
    for name in ("burst_ns", "long"):
        found.pop(name, None)
    return {"score": score, "disturbances": tuple(clauses), **found, "before": dict(before), "after": dict(after)}


def _score(found: Mapping[str, Any], cpu: Mapping[str, Any], cores: int) -> int:
    """100 less what is written in docs/machine.md."""
    points = min(_FOREIGN_POINTS * (found.get("foreign_cores") or 0.0), _MOST_FOREIGN_POINTS)
    points += min(_STEAL_POINTS * (found.get("steal_cores") or 0.0) / cores, _MOST_STEAL_POINTS)
    points += _THROTTLED_POINTS if found.get("throttled_periods") else 0
    points += _THERMAL_POINTS if found.get("thermal_events") else 0
    points += _GOVERNOR_POINTS if set(cpu.get("governors", ())) - {"performance"} else 0
    points += _TURBO_POINTS if cpu.get("turbo") else 0
    return max(0, round(100 - points))
