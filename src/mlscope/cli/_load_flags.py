"""The flags of ``mlscope benchmark`` that describe the LoadGen test."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from mlscope.cli import _values
from mlscope.cli._declare import FlagGroup, flag, group

__all__ = ["LoadFlags"]


@group("Load", 15)
@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadFlags(FlagGroup):
    """The LoadGen test."""

    scenario: Annotated[
        Literal["SingleStream", "MultiStream", "Server", "Offline"],
        flag("How queries arrive.", converter=_values.choice),
    ] = "SingleStream"
    mode: Annotated[
        Literal["AccuracyOnly", "PerformanceOnly", "SubmissionRun", "FindPeakPerformance"],
        flag("What is tested.", converter=_values.choice),
    ] = "PerformanceOnly"
    samples_per_query: Annotated[
        int | None, flag("MultiStream: samples of a query. Default: LoadGen's 8.", metavar="N")
    ] = None
    dataset_size: Annotated[int | None, flag("Samples of the data set that are used. Default: all.", metavar="N")] = (
        None
    )
    buffer_size: Annotated[
        int | None,
        flag("Samples kept in memory in performance mode. Default: 1024, or all if fewer.", metavar="N"),
    ] = None
    count_override: Annotated[int | None, flag("Exactly this many queries.", metavar="N")] = None
    min_duration_s: Annotated[
        float | None,
        flag(
            "Run at least this long: seconds, or 500ms, 10s, 2m.",
            "--min-duration",
            metavar="TIME",
            converter=_values.seconds,
        ),
    ] = None
    max_duration_s: Annotated[
        float | None,
        flag("Run at most this long.", "--max-duration", metavar="TIME", converter=_values.seconds),
    ] = None
    target_qps: Annotated[
        float | None, flag("Server: arrival rate. Offline: expected rate. Per second.", metavar="RATE")
    ] = None
    target_latency_ms: Annotated[
        float | None,
        flag(
            "SingleStream, MultiStream: expected latency. Server: the bound. Milliseconds.",
            "--target-latency",
            metavar="MS",
        ),
    ] = None
    multistream: Annotated[
        Literal["v0.5"] | None,
        flag(
            "MultiStream as MLPerf v0.5 had it: a query every --interval, none while one is under way. Default: "
            "LoadGen's, one query after the other.",
            converter=_values.choice,
        ),
    ] = None
    interval_ms: Annotated[
        float,
        flag(
            "MultiStream of v0.5: time from query to query.",
            "--interval",
            metavar="TIME",
            converter=_values.milliseconds,
        ),
    ] = 50.0
    user_conf: Annotated[Path | None, flag("LoadGen's user.conf.", metavar="FILE")] = None
    mlperf_conf: Annotated[
        Path | None, flag("LoadGen's mlperf.conf. Default: the one inside LoadGen.", metavar="FILE")
    ] = None
    audit_conf: Annotated[Path | None, flag("LoadGen's audit.config.", metavar="FILE")] = None
    settings: Annotated[
        tuple[str, ...],
        flag(
            "Any other field of LoadGen's TestSettings; may be repeated (docs/loadgen-settings.md).",
            "--setting",
            metavar="NAME=VALUE",
        ),
    ] = ()
    random_inputs: Annotated[bool, flag("Seeded random tensors: no manifest, labels or pictures are needed.")] = False
    shapes: Annotated[
        tuple[str, ...],
        flag(
            "Shape of an input with dynamic dimensions; may be repeated.",
            "--shape",
            metavar="NAME:1x3x224x224",
        ),
    ] = ()
    warmup: Annotated[
        int,
        flag("Warm-up queries before the test.", "--warmup", "--warmup-num-file-parts", metavar="N"),
    ] = 1

    def values(self) -> dict[str, Any]:
        """Fields of :class:`mlscope.plan.LoadRequest`."""
        values = super().values()
        del values["warmup"]
        values["settings"] = _values.settings("--setting", self.settings)
        values["shapes"] = _values.shapes("--shape", self.shapes)
        return values
