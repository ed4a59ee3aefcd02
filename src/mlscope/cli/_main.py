"""The process boundary: help of groups at once, everything else through cyclopts, errors as one line."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sys
import traceback
from collections.abc import Sequence

from mlscope.cli._terminal import Context, emit, note, width
from mlscope.errors import Interrupted, MlscopeError, ResourceError

__all__ = ["main"]

_HELP = ("--help", "-h")
_READER_GONE = 141  # what a shell reports of a program that SIGPIPE ended
_OBJECTS_A_COLLECTION = 50_000
"""New objects before Python looks for cycles; imports and tables make many that live until the end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The command line without the program's name; None: this process'.

    Returns:
        The exit code: 0, or that of :data:`mlscope.errors.EXIT_CODES`.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    context = Context()
    gc.set_threshold(_OBJECTS_A_COLLECTION)
    try:
        code = _run(argv, context)
        sys.stdout.flush()
        return code
    except MlscopeError as error:
        note(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        note("interrupted")
        return Interrupted.exit_code
    except BrokenPipeError:
        _forget_output()  # whoever read it has had enough (``| head``)
        return _READER_GONE
    except Exception as error:  # noqa: BLE001 - the process boundary: the user gets a line, not a traceback
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            note(f"error: {error.filename or 'standard output'}: no space left on the disk")
            _forget_output()
            return ResourceError.exit_code
        if context.debug:
            traceback.print_exc()
        hint = "" if context.debug else "; --debug shows where"
        note(f"error: {type(error).__name__}: {' '.join(str(error).split())}{hint}")
        return 1


def _run(argv: Sequence[str], context: Context) -> int:
    page = _quick_page(argv)
    if page is not None:
        emit(page)
        return 0
    from mlscope.cli._app import run

    return run(argv, context)


def _forget_output() -> None:
    """Python would try to write what is left at its end, and complain."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _quick_page(argv: Sequence[str]) -> str | None:
    """Help of the root or a group without loading the parser; None when that is not what is asked for."""
    from mlscope.cli._pages import COMMANDS, children, group_page, resolve

    words = [each for each in argv if each not in _HELP]
    if words[:1] == ["help"]:
        del words[0]
    path: tuple[str, ...] = ()
    for word in words:
        found = resolve(path, word)
        if found is None:
            return None
        path = found
    if not children(path) or (path and COMMANDS[path].target):
        return None
    return group_page(path, width(sys.stdout))
