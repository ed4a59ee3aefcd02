"""The flags that the commands of ``mlscope submission`` share."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

from mlscope.cli import _values
from mlscope.cli._declare import FlagGroup, flag, group

if TYPE_CHECKING:
    from mlscope.submissions import Round

__all__ = ["SubmissionFlags"]


@group("Submission", 5)
@dataclasses.dataclass(frozen=True, kw_only=True)
class SubmissionFlags(FlagGroup):
    """Which submission."""

    round: Annotated[str, flag("Round of MLPerf Inference: v5.0, v5.1, v6.0, v6.1.", "--round", metavar="ROUND")] = (
        "v6.1"
    )
    division: Annotated[
        Literal["open", "closed"],
        flag("open: any model. closed: the benchmark's own model, with compliance tests.", converter=_values.choice),
    ] = "open"
    benchmark: Annotated[
        str | None,
        flag("Folder of the benchmark in the tree. Default: resnet50 (closed), or the model's name.", metavar="NAME"),
    ] = None

    def found_round(self) -> Round:
        """The round.

        Raises:
            UsageError: There is none of that name.
        """
        from mlscope.submissions import find_round

        return find_round(self.round)
