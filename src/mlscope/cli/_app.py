"""The cyclopts app, made from the table of commands, and the way from a command line to a call."""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cyclopts import App, CycloptsError, Group, Parameter, UnknownCommandError, UnknownOptionError

from mlscope.cli._argv import Flags, normalise
from mlscope.cli._config import Configuration
from mlscope.cli._flags import Globals
from mlscope.cli._help import command_page
from mlscope.cli._pages import COMMANDS, EXPLORED, INTRODUCTION, Path, children, group_page
from mlscope.cli._terminal import Context, emit, note, warn, width
from mlscope.cli._values import did_you_mean
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclopts.argument import ArgumentCollection

    from mlscope.cli._evaluate import Measurement

__all__ = ["build", "flags_below", "help_page", "measurement", "run"]

_HELP = ("--help", "-h")
_PARAMETER = Parameter(negative=(), allow_repeating=True)


def build(configuration: Configuration | None = None) -> App:
    """The app with every command of the table; their modules are imported when they are needed."""
    app = App(
        name="mlscope",
        help=INTRODUCTION,
        help_format="plaintext",
        config=configuration,
        group_parameters=Group("Options", sort_key=5),
        version=_version,
        default_parameter=_PARAMETER,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    groups: dict[Path, App] = {(): app}
    for path, command in COMMANDS.items():
        parent = groups[path[:-1]]
        below = any(each[:-1] == path for each in COMMANDS)
        if command.target is None or below:
            group = App(name=path[-1], help=command.summary)
            if command.target is not None:
                group.default(_load(command.target))
            parent.command(group)
            groups[path] = group
        else:
            parent.command(command.target, name=path[-1])
    return app


def _load(target: str) -> Callable[..., Any]:
    """The function of a command that is a group too; cyclopts knows no lazy default."""
    import importlib

    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _version() -> str:
    from mlscope.cli._version import version_line

    return version_line()


def command_at(app: App, path: Path) -> App:
    """The app of one command."""
    return functools.reduce(lambda parent, word: parent[word], path, app)


def arguments_of(command: App) -> ArgumentCollection:
    """Arguments and flags of one command."""
    return command.assemble_argument_collection(default_parameter=_PARAMETER)


def flags_below(app: App, path: Path) -> Flags:
    """Flags of the command at `path`, or of all commands below it; `explore` knows those of what it runs too."""
    switches = set(_HELP)
    valued: set[str] = set()
    for each, command in COMMANDS.items():
        wanted = each[: len(path)] == path or (path == ("explore",) and each in EXPLORED)
        if command.target is None or not wanted:
            continue
        for argument in arguments_of(command_at(app, each)):
            names = {name for name in argument.names if name.startswith("-")}
            (switches if argument.hint is bool else valued).update(names)
    return Flags(frozenset(switches), frozenset(valued))


def help_page(app: App, path: Path, columns: int) -> str:
    """The help page of a command or a group."""
    if not path or COMMANDS[path].target is None:
        return group_page(path, columns)
    command = command_at(app, path)
    return command_page(command, path, arguments_of(command), columns)


def run(argv: Sequence[str], context: Context) -> int:
    """Parse a command line and do what it says.

    Args:
        argv: The command line without the program's name.
        context: Is told what the process boundary must know.

    Returns:
        The command's exit code.

    Raises:
        MlscopeError: Whatever is wrong; UsageError when the command line itself is.
    """
    known = functools.cache(lambda path: flags_below(app, path))
    configuration = Configuration(flags_below=known)
    app = build(configuration)
    if argv[:1] == ["__complete"]:  # the shell asks for words; nothing is to be rewritten
        app(argv)
        return 0
    line = normalise(argv, known)
    if _asks_for_help(line.arguments):
        emit(help_page(app, line.path, width(sys.stdout)))
        return 0
    try:
        command, bound, _ = app.parse_args(line.tokens, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        raise _explained(error, line.path) from error
    flags = next((each for each in bound.arguments.values() if isinstance(each, Globals)), Globals())
    context.debug = flags.debug
    for text in (*line.warnings, *configuration.warnings):
        warn(text)
    for text in configuration.notes if flags.verbose else ():
        note(text)
    call = functools.partial(_call, command, bound)
    return _profiled(call) if flags.profile else call()


def measurement(tokens: Sequence[str], secret: str | None) -> Measurement:
    """What a command line that measures asks for, without carrying it out.

    Args:
        tokens: In today's spelling, without the program's name.
        secret: Password for a database address.

    Raises:
        UsageError: It is wrong.
    """
    configuration = Configuration(flags_below=functools.cache(lambda path: flags_below(app, path)))
    app = build(configuration)
    path = next(each for each in EXPLORED if tuple(tokens[: len(each)]) == each)
    try:
        command, bound, _ = app.parse_args(
            [*tokens, *([f"--secret={secret}"] if secret else [])], print_error=False, exit_on_error=False
        )
    except CycloptsError as error:
        raise _explained(error, path) from error
    asked: Measurement = command(*bound.args, **bound.kwargs)
    return asked


def _call(command: Callable[..., Any], bound: inspect.BoundArguments) -> int:
    """Call a command and carry out what it asks for."""
    from mlscope.cli._evaluate import Measurement

    result = command(*bound.args, **bound.kwargs)
    if isinstance(result, Measurement):
        result = result.carry_out()
    return result if isinstance(result, int) else 0


def _asks_for_help(arguments: Sequence[str]) -> bool:
    for argument in arguments:
        if argument == "--":
            return False
        if argument in _HELP:
            return True
    return False


def _explained(error: CycloptsError, path: Path) -> UsageError:
    """The parser's complaint as one line of ours."""
    words = " ".join(("mlscope", *path))
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        word = error.unused_tokens[0]
        known = [each[-1] for each in children(path)]
        if word.startswith("-"):
            return UsageError(f"{word} stands without a command", hint=f"{words} {'|'.join(known)}")
        return UsageError(f'"{word}" is no command of {words}', hint=did_you_mean(word, known))
    if isinstance(error, UnknownOptionError):
        name = error.token.keyword or error.token.value
        flags = [each for argument in error.argument_collection for each in argument.names if each.startswith("--")]
        near = difflib.get_close_matches(name, flags, n=1, cutoff=0.6)
        return UsageError(f"{words} has no flag {name}", hint=f"did you mean {near[0]}?" if near else f"see {words} -h")
    text = " ".join(str(error).split()).rstrip(".")
    return UsageError(text[:1].lower() + text[1:], hint=f"see {words} --help")


def _profiled(call: Callable[[], int]) -> int:
    """Call under cProfile; the profile is written however the call ends."""
    import cProfile
    from pathlib import Path as FilePath

    from mlscope._files import explain_os_errors

    target = FilePath("mlscope-profile.pstats").absolute()
    profiler = cProfile.Profile()
    try:
        return profiler.runcall(call)
    finally:
        with explain_os_errors(target):
            profiler.dump_stats(target)
        note(f"profile written to {target}")
