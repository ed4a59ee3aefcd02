"""``mlscope submission system init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mlscope.cli._declare import flag
from mlscope.cli._flags import Globals
from mlscope.cli._terminal import clean, emit, note, say
from mlscope.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from mlscope.results import System

__all__ = ["init"]

_GLOBALS = Globals()


def init(
    file: Annotated[Path, Parameter(name="FILE", help="The system file; what it says already is kept.")],
    /,
    *,
    answers: Annotated[
        tuple[str, ...], flag("Answer to a field; may be repeated.", "--set", metavar="FIELD=TEXT")
    ] = (),
    run: Annotated[
        str | None, flag("Describe the machine of this recorded run. Default: this machine.", metavar="ID")
    ] = None,
    flags: Globals = _GLOBALS,
) -> None:
    """Write a system file: found on the machine, asked for, and kept.

    What only a person knows is asked for on a terminal, once; elsewhere it is left null, and --set answers it. Export
    takes the file.
    """
    del flags
    from mlscope.submissions import QUESTIONS, answer, machine_fields, read_system, unanswered, write_system

    given = {}
    for text in answers:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f'"{text}" is no answer', where="--set", hint="write --set cooling=air")
        given[key.strip()] = answer(key.strip(), value)
    known = read_system(file) if file.exists() else {}
    found: dict[str, str | None] = {**machine_fields(_machine(run))}
    found |= {key: value for key, value in known.items() if value is not None}
    found |= given
    asked = [key for key in unanswered(found) if key in QUESTIONS]
    if sys.stdin.isatty() and sys.stderr.isatty():
        for key in asked:
            found[key] = _ask(key)
    write_system(file, found)
    emit(f"wrote {file}")
    left = unanswered(found)
    if left:
        note(f"still to be answered, in the file or by --set FIELD=TEXT: {', '.join(left)}")


def _machine(run: str | None) -> System:
    from mlscope.results import System, open_store
    from mlscope.stacks import describe_machine

    return open_store().get(run).system if run is not None else System(**describe_machine())


def _ask(key: str) -> str:
    """The answer to a question; what cannot be is asked for again."""
    from mlscope.submissions import QUESTIONS, answer

    question = QUESTIONS[key]
    choices = f" [{', '.join(question.choices)}]" if question.choices else ""
    while True:
        say(f"{question.text}{choices}: ", end="")
        try:
            return answer(key, clean(input()))
        except UsageError as error:
            say(str(error))
        except EOFError as error:
            raise Interrupted("there are no more answers; nothing was written") from error
