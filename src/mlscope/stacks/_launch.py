"""Run as a script: starts a container whose worker talks over the engine's stdin and stdout.

``_launch.py ENGINE run … IMAGE -- PYTHON … --commands FD --answers FD``: the two descriptors become stdin and stdout of
the engine, which is all that it carries into the container; in there they get numbers of their own again, so that what
a framework prints goes to stderr and not between the answers.
"""

from __future__ import annotations

import os
import sys

__all__ = ["inside", "main"]

_SHELL = 'exec 3<&0 4>&1 0</dev/null 1>&2; exec "$@"'


def inside(words: list[str]) -> tuple[list[str], int, int]:
    """The engine's command line, and the two descriptors.

    Args:
        words: ``ENGINE run … IMAGE -- PYTHON … --commands FD --answers FD``.
    """
    *command, first, commands, second, answers = words
    if (first, second) != ("--commands", "--answers"):
        raise SystemExit("the worker's command line must end with --commands FD --answers FD")
    cut = command.index("--")
    worker = [*command[cut + 1 :], "--commands", "3", "--answers", "4"]
    return [*command[:cut], "sh", "-c", _SHELL, "worker", *worker], int(commands), int(answers)


def main(words: list[str]) -> None:
    """Become the engine."""
    command, commands, answers = inside(words)
    os.dup2(commands, 0)
    os.dup2(answers, 1)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
