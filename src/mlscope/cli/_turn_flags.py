"""The flags of ``mlscope compare`` that say what is measured anew."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from mlscope.cli import _values
from mlscope.cli._declare import FlagGroup, flag, group
from mlscope.errors import UsageError

__all__ = ["TurnFlags"]


@group("Measure anew", 15)
@dataclasses.dataclass(frozen=True, kw_only=True)
class TurnFlags(FlagGroup):
    """What is measured anew."""

    a: Annotated[
        tuple[str, ...],
        flag(
            "Plan A of two that are measured side by side, beyond what other flags say of both: "
            "framework=onnxruntime==1.20.1, threads=1, batch-size=8, option.KEY=VALUE. May be repeated.",
            "--a",
            metavar="KEY=VALUE",
        ),
    ] = ()
    b: Annotated[tuple[str, ...], flag("The same for plan B.", "--b", metavar="KEY=VALUE")] = ()
    pairs: Annotated[
        int | None,
        flag(
            "Measure side by side, both models loaded, in so many pairs of short blocks, and up to four times as many "
            "where that decides nothing. Default with --a or --b: 20.",
            metavar="N",
        ),
    ] = None
    block: Annotated[int, flag("Calls of the model in one block.", metavar="N")] = 50
    max_time: Annotated[
        float,
        flag("Longest time of measuring side by side.", metavar="TIME", converter=_values.seconds),
    ] = 180.0
    interleave: Annotated[
        int | None, flag("Repeat the runs A and B so often, in turns, and compare the repetitions.", metavar="N")
    ] = None

    @property
    def side_by_side(self) -> bool:
        """Whether both plans are measured in one session."""
        return bool(self.a or self.b or self.pairs is not None)

    def plans(self) -> list[tuple[str, tuple[str, ...]]]:
        """Flag and what it says, for each side; none where recorded runs are meant."""
        return [("--a", self.a), ("--b", self.b)] if self.a or self.b else []

    def check(self, first: str | None, second: str | None) -> None:
        """Whether the flags go together.

        Raises:
            UsageError: They do not.
        """
        planned = bool(self.a or self.b)
        if planned and (first or second):
            raise UsageError(f"two ways of naming sides: {first} and --a, --b", hint="leave one of them out")
        if not planned and (first is None or second is None):
            raise UsageError("two sides are needed", hint="mlscope compare A B, or --a KEY=VALUE --b KEY=VALUE")
        if self.interleave is not None and self.side_by_side:
            raise UsageError("--interleave repeats whole runs, --pairs short blocks", hint="leave one of them out")
        for name in ("pairs", "block", "interleave"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{value} is too few", where=f"--{name}", hint="give a number from 1")
        if self.max_time <= 0:
            raise UsageError(f"{self.max_time:g} s is no time", where="--max-time")
