"""The flags of what is served: streams, batches that form as requests come, and the queue."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from mlscope.cli import _values
from mlscope.cli._declare import FlagGroup, flag, group

__all__ = ["ServingFlags"]


@group("Serving", 32)
@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingFlags(FlagGroup):
    """How waiting requests reach the model (Server, Offline, open loops)."""

    streams: Annotated[
        int | Literal["auto"] | None,
        flag(
            "Batches that run at once, each with --threads threads; auto: a short calibration finds how many, of how "
            "many threads and (Offline) of how many rows, unless these are given. Default: 1.",
            metavar="N|auto",
            converter=_values.whole_or_auto,
            show_choices=False,
        ),
    ] = None
    max_batch: Annotated[
        int | Literal["auto"] | None,
        flag(
            "Requests of one batch at most. Default: the batch size.",
            metavar="N|auto",
            converter=_values.whole_or_auto,
            show_choices=False,
        ),
    ] = None
    max_delay_s: Annotated[
        float,
        flag(
            "How long the first request of a batch waits for others: 2ms, 500us.",
            "--max-delay",
            metavar="TIME",
            converter=_values.seconds,
        ),
    ] = 0.0
    queue_capacity: Annotated[
        int | None,
        flag("Server, open loops: requests that may wait; more is overload. Default: 4 s of arrivals.", metavar="N"),
    ] = None
    pin: Annotated[bool, flag("Keep each stream's threads to cores of their own.")] = False
    recalibrate: Annotated[bool, flag("Calibrate anew, though an earlier calibration is known.")] = False
