"""Help pages of commands, from the same declarations that parse their flags.

cyclopts would render them with rich, which takes longer to import than all the rest.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from cyclopts import Group

from mlscope.cli._layout import example_lines, rows, wrap
from mlscope.cli._pages import COMMANDS, Path, children

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import Argument, ArgumentCollection

__all__ = ["command_page"]

_FIRST = -1  # arguments stand before all flags


def command_page(app: App, path: Path, arguments: ArgumentCollection, width: int) -> str:
    """Help page of one command.

    Args:
        app: The command's own app.
        path: Its words.
        arguments: Its arguments and flags.
        width: Columns.
    """
    shown = [each for each in arguments if each.show]
    positional = [each for each in shown if each.index is not None]
    words = [*path, *(["[COMMAND]"] if children(path) else []), *map(_usage, positional), "[OPTIONS]"]
    lines = [f"Usage: mlscope {' '.join(words)}", ""]
    for paragraph in (inspect.getdoc(app.default_command) or "").split("\n\n"):
        lines += [*wrap(paragraph, width), ""]
    lines += [*example_lines(COMMANDS[path].examples), ""]
    if children(path):
        lines += ["Commands:", *rows([(each[-1], COMMANDS[each].summary) for each in children(path)], width), ""]
    for (_, title), members in sorted(_groups(shown).items()):
        lines += [f"{title}:", *rows([(_names(each), _text(each)) for each in members], width), ""]
    return "\n".join(lines[:-1]) + "\n"


def _groups(arguments: list[Argument]) -> dict[tuple[int, str], list[Argument]]:
    """Arguments by the place and title of their group."""
    groups: dict[tuple[int, str], list[Argument]] = {}
    for argument in arguments:
        own = argument.parameter.group
        group = own if isinstance(own, Group) else next(each for each in own or () if isinstance(each, Group))
        place = _FIRST if argument.index is not None else group.sort_key
        groups.setdefault((place, group.name), []).append(argument)
    return groups


def _usage(argument: Argument) -> str:
    name = argument.name
    if argument.field_info.kind is argument.field_info.VAR_POSITIONAL:
        return f"[{name}...]"
    return name if argument.required else f"[{name}]"


def _names(argument: Argument) -> str:
    """``-b, --batch-size N``."""
    if argument.index is not None:
        return argument.name
    names = ", ".join(sorted(argument.names, key=lambda name: name.startswith("--")))
    return names if argument.hint is bool else f"{names} {_metavar(argument)}"


def _metavar(argument: Argument) -> str:
    return argument.parameter.metavar or "|".join(argument.get_choices() or ("VALUE",))


def _text(argument: Argument) -> str:
    """What it means, what there is to choose, what it is without the flag."""
    parts = [argument.parameter.help or ""]
    choices = argument.get_choices()
    if choices and (argument.index is not None or argument.parameter.metavar) and argument.parameter.show_choices:
        parts.append(f"One of {', '.join(choices)}.")
    default = _default(argument.field_info.default)
    if default and argument.parameter.show_default is not False:
        parts.append(f"Default: {default}.")
    return " ".join(parts)


def _default(value: Any) -> str:
    nothing = value is None or value is False or value is inspect.Parameter.empty or value in ((), "")
    return "" if nothing else str(value)
