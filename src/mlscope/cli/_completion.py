"""``mlscope completion SHELL``."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from mlscope.cli._flags import Globals
from mlscope.cli._terminal import emit

__all__ = ["completion"]

_GLOBALS = Globals()


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(name="SHELL", help="Which shell.")],
    /,
    *,
    flags: Globals = _GLOBALS,
) -> None:
    """Print a completion script for a shell."""
    from mlscope.cli._app import build

    emit(build().generate_completion(prog_name="mlscope", shell=shell))
