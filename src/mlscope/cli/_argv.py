"""Old spellings: what MLModelScope's scripts write becomes what today's parser reads.

The originals wrote ``--num_file_parts=100``, ``--gpu=false`` and put flags before or after the sub-command.
Only the *names* of flags are rewritten here: words that are no flags, values of flags and everything after
``--`` stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mlscope.cli._pages import Path, children, resolve
from mlscope.cli._spellings import TWO_WORDS

__all__ = ["Flags", "Line", "normalise", "rewrite"]

_NUMBER = re.compile(r"-(\d|\.\d|inf$)")
_README_TYPO = re.compile(r"--tracer[_-]address-(?P<value>.+)")  # "=" forgotten, in MLModelScope's own README


class Flags(NamedTuple):
    """Names of flags, with their dashes."""

    switches: frozenset[str] = frozenset()
    """Flags without a value."""
    valued: frozenset[str] = frozenset()
    """Flags that need one."""


class Line(NamedTuple):
    """A command line in today's spelling."""

    path: Path
    """The command's words, as far as they are known."""
    arguments: tuple[str, ...]
    """Everything else; what stood before the command's last word comes first."""
    warnings: tuple[str, ...]

    @property
    def tokens(self) -> list[str]:
        """The whole line for the parser."""
        return [*self.path, *self.arguments]


def normalise(argv: Sequence[str], flags_below: Callable[[Path], Flags]) -> Line:
    """Find the command's words between the flags and rewrite old spellings.

    Args:
        argv: The command line without the program's name.
        flags_below: All flags that a command, or any command below a group, knows.
    """
    path, early, rest, wants_help = _split(argv, flags_below)
    warnings: list[str] = []
    flags = flags_below(path) if early or any(each.startswith("-") for each in rest) else Flags()
    early = list(rewrite(early, flags, warnings))
    rest = list(rewrite(rest, flags, warnings))
    if children(path) and rest and not rest[0].startswith("-"):
        # An unknown command, or an argument of a group that is a command too: it keeps its place.
        arguments = [rest[0], *early, *rest[1:]]
    else:
        arguments = [*early, *rest]
    if wants_help:
        arguments.insert(0, "--help")
    return Line(path, tuple(arguments), tuple(warnings))


def rewrite(words: Sequence[str], flags: Flags, warnings: list[str]) -> Iterator[str]:
    """Today's spelling of flags; a flag and its separate value become one ``--flag=value``."""
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            yield from words[position - 1 :]
            return
        if not word.startswith("-"):
            yield word
            continue
        name, equals, value = _canonical(word, flags, warnings)
        if name in flags.valued and not equals and position < len(words) and _is_value(words[position]):
            equals, value = "=", words[position]
            position += 1
        yield f"{name}{equals}{value}"


def _canonical(word: str, flags: Flags, warnings: list[str]) -> tuple[str, str, str]:
    """Name, ``=`` or nothing, and value of one flag."""
    if not word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, equals, value
    typo = _README_TYPO.fullmatch(word)
    if typo and "--tracer-address" in flags.valued:
        warnings.append(f"{word} is read as --tracer-address={typo['value']}")
        return "--tracer-address", "=", typo["value"]
    name, equals, value = word.partition("=")
    return name.replace("_", "-"), equals, value


def _is_value(word: str) -> bool:
    """Whether a word can be the value of the flag before it: no flag, unless it is a negative number."""
    return not word.startswith("-") or word == "-" or _NUMBER.match(word) is not None


def _split(argv: Sequence[str], flags_below: Callable[[Path], Flags]) -> tuple[Path, list[str], list[str], bool]:
    """The command's words, the flags among them, what follows, and whether ``help`` was asked by word."""
    path: Path = ()
    early: list[str] = []
    position = 0
    wants_help = bool(argv) and argv[0] == "help"
    if wants_help:
        position = 1
    while position < len(argv) and children(path):
        word = argv[position]
        if word == "--":
            break
        if word.startswith("-"):
            count = 1 + _takes_next(word, flags_below(path), argv[position + 1 :])
            early += argv[position : position + count]
            position += count
            continue
        both = TWO_WORDS.get((*path, *argv[position : position + 2]))
        if both is not None:
            path, implied = both
            return path, [*implied, *early], list(argv[position + 2 :]), wants_help
        found = resolve(path, word)
        if found is None:
            break
        path = found
        position += 1
    return path, early, list(argv[position:]), wants_help


def _takes_next(word: str, flags: Flags, following: Sequence[str]) -> bool:
    """Whether the word after a flag is its value."""
    name, equals, _ = word.partition("=")
    name = name.replace("_", "-") if name.startswith("--") else name
    return name in flags.valued and not equals and bool(following) and _is_value(following[0])
