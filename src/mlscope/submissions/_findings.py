"""What a check of a submission finds."""

from __future__ import annotations

import dataclasses
from pathlib import PurePath
from typing import Literal

__all__ = ["Finding", "Findings", "Official", "Rule", "Severity", "shown"]

Severity = Literal["error", "warning", "note"]
"""`error`: a rule is broken, or the official checker fails. `warning`: look at it. `note`: so that you know."""

Official = Literal["fails", "passes", "crashes", "prints"]
"""What the official checker does about it: fails the result, says nothing, ends in a traceback, prints a message."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One rule that submissions are checked against."""

    id: str
    severity: Severity
    official: Official
    text: str
    """What is asked for."""
    source: str
    """Where that stands."""
    remedy: str
    """What to do when it is broken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One place where a rule is broken."""

    rule: Rule
    severity: Severity
    file: str
    """Path below the root of the submission."""
    message: str
    """What was found there."""


class Findings:
    """Collects what is found.

    Args:
        rules: By id.
    """

    def __init__(self, rules: dict[str, Rule]) -> None:
        self._rules = rules
        self._found: dict[Finding, None] = {}

    def add(self, rule: str, file: PurePath | str, message: str, severity: Severity | None = None) -> None:
        """Note a finding; the same one is kept once.

        Args:
            rule: Its id.
            file: The file or folder at fault, below the root.
            message: What was found there.
            severity: Where it is not that of the rule.
        """
        known = self._rules[rule]
        self._found[Finding(known, severity or known.severity, shown(file), shown(message))] = None

    def sorted(self) -> tuple[Finding, ...]:
        """All findings: errors first, then by file."""
        order = {"error": 0, "warning": 1, "note": 2}
        return tuple(sorted(self._found, key=lambda each: (order[each.severity], each.file, each.rule.id)))


def shown(text: PurePath | str) -> str:
    """Text that can be printed: bytes of a name that are no UTF-8, and control characters, are escaped."""
    plain = str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in plain)
