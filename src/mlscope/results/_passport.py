"""The machine's passport: how quiet it was while something was measured."""

from __future__ import annotations

from typing import Literal

from mlscope._schema import Frozen

__all__ = ["Floor", "ForeignProcess", "MachineState", "Passport"]


class MachineState(Frozen):
    """What of the machine changes while it works; None where it does not tell."""

    load_average_1m: float | None = None
    frequency_min_khz: int | None = None
    """Of the slowest core at this moment."""
    frequency_max_khz: int | None = None
    throttled_periods: int | None = None
    """Scheduling periods in which the control group's limit held its processes back, since the group exists."""
    throttled_ns: int | None = None
    thermal_events: int | None = None
    """How often cores and packages slowed down because of heat, since the machine started."""


class ForeignProcess(Frozen):
    """The process of somebody else that used most CPU time."""

    name: str
    pid: int
    cores: float
    """CPUs' worth of time while it was looked at."""


class Passport(Frozen):
    """How quiet the machine was, with the evidence; the series lies in ``machine.jsonl`` of the run folder."""

    score: int | None
    """0 to 100, as docs/machine.md defines it; None where there was nothing to judge by."""
    disturbances: tuple[str, ...] = ()
    """What disturbed, one clause each; empty where the machine was quiet."""
    watched_ns: int | None = None
    """Time that was looked at; None where it was too short to tell, or the kernel does not count."""
    readings: int = 0
    own_cores: float | None = None
    """CPUs' worth of time that mlscope and its processes used, mean."""
    foreign_cores: float | None = None
    """The same of all other processes and the kernel."""
    foreign_cores_max: float | None = None
    """Of the worst interval."""
    foreign_process: ForeignProcess | None = None
    steal_cores: float | None = None
    """CPUs' worth of time that the hypervisor gave to others, mean."""
    throttled_periods: int | None = None
    throttled_ns: int | None = None
    thermal_events: int | None = None
    """Counted from before to after the run."""
    timer_cost_ns: float | None = None
    """Median time of one look at the clock."""
    timer_step_ns: float | None = None
    """Smallest step that the clock was seen to make."""
    sleep_overshoot_ns: float | None = None
    """By how much a sleep of 1 ms takes longer, median."""
    sleep_overshoot_max_ns: float | None = None
    sampler_cores: float | None = None
    """What watching cost, CPUs' worth of time; it counts as own."""
    before: MachineState = MachineState()
    after: MachineState = MachineState()


class Floor(Frozen):
    """What the harness itself costs: the same path with the ``null`` model, on this machine and stack."""

    of: Literal["sample", "query", "batch"]
    """What one latency belongs to."""
    count: int
    p50_ns: float
    p99_ns: float
    throughput_samples_per_s: float
    measured_at: str
    """UTC, ISO 8601; it is measured once and kept."""
    how: str
    """What was run, in words."""
    disturbances: tuple[str, ...] = ()
    """What disturbed that measurement; empty where the machine was quiet."""
