"""The flags about the machine: how quiet it must be, and whether the harness floor is wanted."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from mlscope.cli import _values
from mlscope.cli._declare import FlagGroup, flag, group

__all__ = ["QuietFlags"]


@group("Machine", 45)
@dataclasses.dataclass(frozen=True, kw_only=True)
class QuietFlags(FlagGroup):
    """How quiet the machine must be."""

    require_quiet: Annotated[
        bool, flag("Measure only while nothing else disturbs; otherwise exit code 11 (docs/machine.md).")
    ] = False
    quiet_timeout_s: Annotated[
        float,
        flag(
            "With --require-quiet: wait at most this long, 500ms, 10s, 2m.",
            "--quiet-timeout",
            metavar="TIME",
            converter=_values.seconds,
        ),
    ] = 60
    no_floor: Annotated[bool, flag("Do not measure what the harness itself costs.")] = False

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`."""
        values = super().values()
        values["floor"] = not values.pop("no_floor")
        return values
