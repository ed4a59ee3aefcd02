"""``mlscope verify``."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mlscope.cli._declare import flag, group
from mlscope.cli._flags import FormatFlags, Globals
from mlscope.cli._limits import LimitFlags, share
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._terminal import clean, emit
from mlscope.errors import NOT_REPRODUCED, UNDECIDED, UsageError

if TYPE_CHECKING:
    from mlscope.conductor import Verification

__all__ = ["verify"]


@group("Limits", 20)
@dataclasses.dataclass(frozen=True, kw_only=True)
class _Limits(LimitFlags):
    margin: Annotated[float, flag("By how much a speed may be off, either way.", metavar="SHARE", converter=share)] = (
        0.05
    )


_LIMITS = _Limits()
_FORMAT = FormatFlags()
_GLOBALS = Globals()
_CODES = {"not reproduced": NOT_REPRODUCED, "not enough data": UNDECIDED}


def verify(
    target: Annotated[str, Parameter(name="ID|ZIP", help="A run's id, or its first digits, or a zipped run folder.")],
    /,
    *,
    repetitions: Annotated[int, Parameter(help="Repeat it so often.", metavar="N")] = 1,
    trust: Annotated[
        bool, Parameter(help="Run the code that a ZIP brings: hooks, --worker-prefix, --env. Read it first.")
    ] = False,
    limits: _Limits = _LIMITS,
    output: FormatFlags = _FORMAT,
    flags: Globals = _GLOBALS,
) -> int:
    """Repeat a recorded run and judge whether it is reproduced.

    Answers and accuracy must be the same within the limits, speed within the margin, with both runs' uncertainty
    counted. On other hardware speed is shown as a ratio and not judged. Exit code 0: reproduced; 21: not
    reproduced; 22: not enough data.
    """
    from mlscope import conductor

    if repetitions < 1:
        raise UsageError(f"{repetitions} is too few", where="--repetitions", hint="give a number from 1")
    wanted = limits.limits()
    with TerminalObserver(flags.verbose) as observer:
        found = conductor.verify(target, wanted, observer, repetitions=repetitions, trust=trust, offline=flags.local)
    emit(_json(found) if output.format == "json" else _text(found))
    return _CODES.get(found.verdict, 0)


def _text(found: Verification) -> str:
    then, now = found.original, found.again[0]
    lines = [
        f"Then  {then.id}, {then.created_at:%Y-%m-%d %H:%M} UTC on {then.system.hostname}, {then.system.cpu_name}",
        f"Now   {', '.join(record.id for record in found.again)} on {now.system.hostname}, {now.system.cpu_name}",
        "",
        *(f"{check.name:<18}{check.verdict:<17}{check.detail}" for check in found.checks),
        "",
        *(f"Note: {note}." for note in found.comparison.notes if not note.startswith("one run a side")),
        f"The run is {found.verdict}." if found.verdict != "not enough data" else "There is not enough data to judge.",
    ]
    return "\n".join(map(clean, lines))


def _json(found: Verification) -> str:
    from mlscope.analyses import compare_json

    return json.dumps(
        {
            "verdict": found.verdict,
            "original": found.original.id,
            "repetitions": [record.id for record in found.again],
            "same_machine": found.same_machine,
            "checks": [dataclasses.asdict(check) for check in found.checks],
            "comparison": compare_json(found.comparison),
        },
        indent=2,
        ensure_ascii=False,
    )
