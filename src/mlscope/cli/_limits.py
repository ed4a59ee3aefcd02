"""Flags and conditions of commands that compare: margins, and what ends a comparison with an error."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Annotated, Any

from mlscope.cli._declare import FlagGroup, flag, group
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlscope.analyses import Comparison, Limits

__all__ = ["LimitFlags", "failures", "parse_conditions", "share"]

_SHARE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(%?)\s*")
_CONDITIONS = ("slower", "less-accurate", "different", "undecided")


def share(_: Any, tokens: Sequence[Any]) -> float:
    """A share of one: ``3%`` or ``0.03``."""
    return _share(tokens[0].value)


def _share(text: str) -> float:
    match = _SHARE.fullmatch(text)
    value = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0 < value < 1:
        raise ValueError(f'"{text}" is no share between 0 and 100 %; write 3% or 0.03')
    return value


@group("Limits", 20)
@dataclasses.dataclass(frozen=True, kw_only=True)
class LimitFlags(FlagGroup):
    """What is too small to matter."""

    margin: Annotated[float, flag("Difference in speed that does not matter.", metavar="SHARE", converter=share)] = 0.02
    accuracy_margin: Annotated[
        float, flag("Difference in accuracy that does not matter: 1% is one point.", metavar="SHARE", converter=share)
    ] = 0.01
    tolerance: Annotated[float, flag("Divergence of two outputs that does not matter.", metavar="NUMBER")] = 0.01

    def limits(self) -> Limits:
        """As the analysis takes them.

        Raises:
            UsageError: The tolerance is negative.
        """
        from mlscope.analyses import Limits

        if not self.tolerance >= 0:
            raise UsageError(f"{self.tolerance:g} is no tolerance, a number from 0", where="--tolerance")
        return Limits(self.margin, self.accuracy_margin, self.tolerance)


def parse_conditions(texts: Sequence[str]) -> list[tuple[str, float]]:
    """``slower:3%``, ``less-accurate``, … as names and shares; 0 where none is given.

    Raises:
        UsageError: A condition that is not known.
    """
    found = []
    for text in (part.strip() for each in texts for part in each.split(",")):
        name, colon, amount = text.partition(":")
        if name not in _CONDITIONS or (colon and name not in ("slower", "less-accurate")):
            raise UsageError(
                f'"{text}" is no condition', where="--fail-if", hint=f"there are {', '.join(_CONDITIONS)}; slower:3%"
            )
        try:
            found.append((name, _share(amount) if colon else 0.0))
        except ValueError as error:
            raise UsageError(str(error), where="--fail-if") from error
    return found


def failures(found: Comparison, conditions: Sequence[tuple[str, float]]) -> list[str]:
    """One sentence for each condition that holds."""
    lines = []
    for name, amount in conditions:
        lines += _CHECKS[name](found, amount)
    return lines


def _slower(found: Comparison, amount: float) -> list[str]:
    lines = []
    for metric in found.metrics:
        factor = metric.ratio.value if metric.unit == "ns" else 1 / metric.ratio.value
        if metric.verdict == "slower" and factor >= 1 + amount:
            lines.append(f"B is slower: {metric.name} by {100 * (factor - 1):.1f} %")
    return lines


def _less_accurate(found: Comparison, amount: float) -> list[str]:
    accuracy = found.accuracy
    if accuracy is None or accuracy.verdict != "less accurate" or -accuracy.difference < amount:
        return []
    return [f"B is less accurate by {-100 * accuracy.difference:.2f} points"]


def _different(found: Comparison, _: float) -> list[str]:
    answers = found.predictions
    if answers is None:
        return ["the answers cannot be compared, because a side keeps none"]
    if not answers.different:
        return []
    return [f"the answers are different: {answers.samples - answers.same_class} best classes differ"]


def _undecided(found: Comparison, _: float) -> list[str]:
    open_metrics = [
        metric.name for metric in found.metrics if metric.verdict == "not enough data" and metric.p is not None
    ]
    return [f"there is not enough data to decide on {', '.join(open_metrics)}"] if open_metrics else []


_CHECKS = {
    "slower": _slower,
    "less-accurate": _less_accurate,
    "different": _different,
    "undecided": _undecided,
}
