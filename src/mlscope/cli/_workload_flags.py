"""The flags of ``mlscope predict workload`` and ``mlscope predict max-qps`` that describe the requests."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from mlscope.cli import _values
from mlscope.cli._declare import FlagGroup, flag, group

__all__ = ["MaxQpsFlags", "WorkloadFlags"]


@group("Requests", 15)
@dataclasses.dataclass(frozen=True, kw_only=True)
class _Requests(FlagGroup):
    """When requests come, and how long they may wait."""

    initial_qps: Annotated[float, flag("Mean rate, requests a second.", metavar="RATE")] = 16.0
    arrival: Annotated[
        str,
        flag(
            "When requests come: constant, poisson, gamma:cv=2, pareto:alpha=1.5, weibull:shape=1.5, uniform:spread=1, "
            "onoff:on=1,off=1 (seconds) or ramp:from=0.1,to=1.9 (of the mean rate).",
            metavar="LAW",
        ),
    ] = "poisson"
    percentile: Annotated[float, flag("Of the latency that is compared with the bound.", metavar="P")] = 95.0
    min_duration_ms: Annotated[
        float,
        flag(
            "Requests come at least so long: milliseconds, or 10s, 2m.",
            "--min-duration",
            metavar="TIME",
            converter=_values.milliseconds,
        ),
    ] = 100.0
    min_queries: Annotated[int, flag("At least so many requests.", metavar="N")] = 512
    latency_bound_ms: Annotated[
        float,
        flag(
            "Largest latency at the percentile: milliseconds, or 500us, 1s.",
            "--latency-bound",
            metavar="TIME",
            converter=_values.milliseconds,
        ),
    ] = 100.0
    dataset_size: Annotated[int | None, flag("Samples of the data set that are used. Default: all.", metavar="N")] = (
        None
    )
    random_inputs: Annotated[bool, flag("Seeded random tensors: no manifest, labels or pictures are needed.")] = False
    shapes: Annotated[
        tuple[str, ...],
        flag("Shape of an input with dynamic dimensions; may be repeated.", "--shape", metavar="NAME:1x3x224x224"),
    ] = ()
    warmup: Annotated[
        int,
        flag("Warm-up calls before the first request.", "--warmup", "--warmup-num-file-parts", metavar="N"),
    ] = 1

    def values(self) -> dict[str, Any]:
        """Fields of :class:`mlscope.plan.WorkloadRequest`."""
        values = super().values()
        del values["warmup"]
        values["shapes"] = _values.shapes("--shape", self.shapes)
        return values


@group("Requests", 15)
@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkloadFlags(_Requests):
    """One schedule of requests."""

    trace: Annotated[
        Path | None,
        flag("Replay recorded arrivals: CSV or Parquet with a column of times, perhaps one of inputs.", metavar="FILE"),
    ] = None
    trace_unit: Annotated[
        Literal["s", "ms", "us", "ns"],
        flag("Of times whose column does not name one.", converter=_values.choice),
    ] = "s"
    time_scale: Annotated[
        float, flag("The trace's times are multiplied by it; 0.5 replays twice as fast.", metavar="X")
    ] = 1.0


@group("Requests", 15)
@dataclasses.dataclass(frozen=True, kw_only=True)
class MaxQpsFlags(_Requests):
    """The search for a rate."""

    initial_qps: Annotated[float, flag("The first rate that is tried, requests a second.", metavar="RATE")] = 8.0
    min_duration_ms: Annotated[
        float,
        flag(
            "Requests of a full run come at least so long: milliseconds, or 10s, 2m.",
            "--min-duration",
            metavar="TIME",
            converter=_values.milliseconds,
        ),
    ] = 1000.0
    min_queries: Annotated[int, flag("At least so many requests in a full run.", metavar="N")] = 4096
    cap_qps: Annotated[float, flag("No higher rate is tried.", metavar="RATE")] = 10_000.0
