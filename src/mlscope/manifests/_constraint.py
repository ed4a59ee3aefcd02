"""Version constraints as manifests write them.

======================  ===========================================================================
``*`` or nothing        any version
``^1.3``                ``>=1.3,<2`` (the first part that is not 0 stays: ``^0.3`` is ``>=0.3,<0.4``)
``~1.2``, ``~1.2.3``    ``>=1.2,<1.3``; ``>=1.2.3,<1.3`` (``~1`` is ``>=1,<2``)
``1``, ``1.2``          that release line: ``==1.*``, ``==1.2.*``
``1.4.0``               exactly that version (three parts or more)
``1.2.*``, ``1.2.x``    ``==1.2.*``
``>=1.1.0``, ``!=2.0``  as in PEP 440, all of ``>= > <= < == != ~= =``
``>=1,<2``              both; a blank does for the comma
======================  ===========================================================================

Versions compare as PEP 440 says: 1.0 equals 1.0.0, and ``<2`` admits no pre-release of 2.
"""

from __future__ import annotations

import dataclasses
import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

__all__ = ["Constraint", "same_version"]

_TERM = re.compile(r"\s*(?P<operator>~=|===|==|!=|>=|<=|>|<|=|\^|~)?\s*v?(?P<version>[^\s,<>=!^~]+)\s*,?")
_EXAMPLE = "write it as ^1.3, ~1.2, >=1,<2, 1.2, 1.4.0 or *"


@dataclasses.dataclass(frozen=True, slots=True)
class Constraint:
    """Which versions of a framework a model is made for."""

    text: str
    """As it was written."""
    specifiers: SpecifierSet
    """The same in PEP 440."""

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read a constraint.

        Raises:
            ValueError: It is none; the message says why.
        """
        return cls(text, SpecifierSet(",".join(_translate(text))))

    def admits(self, version: str) -> bool:
        """Whether a version meets the constraint; a text that is no version meets only ``*``."""
        try:
            return self.specifiers.contains(Version(version), prereleases=True)
        except InvalidVersion:
            return not len(self.specifiers)

    @property
    def satisfiable(self) -> bool:
        """Whether any version at all could meet it.

        The bounds cut the versions into intervals; it is enough to try each bound and a version just above it.
        """
        bounds = [specifier.version.removesuffix(".*") for specifier in self.specifiers]
        # "9999" lies in no release line that anybody names, "0.0.0.0.1" right above a bound.
        tried = ["0", *bounds, *(f"{Version(bound).base_version}.0.0.0.1" for bound in bounds)]
        return not bounds or any(self.admits(version) for version in tried)

    def __str__(self) -> str:
        return self.text


def same_version(one: str, other: str) -> bool:
    """Whether two versions are equal: 1.0 and 1.0.0 are."""
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _translate(text: str) -> list[str]:
    """PEP 440 specifiers of a constraint's terms."""
    if text.strip() in ("", "*"):
        return []
    if "||" in text:
        raise ValueError("alternatives (||) are not understood; give the one that is used")
    found, position = [], 0
    while position < len(text):
        match = _TERM.match(text, position)
        if not match:
            raise ValueError(f"'{text}' is no version constraint; {_EXAMPLE}")
        try:
            found += _term(match["operator"] or "", match["version"])
        except (InvalidVersion, InvalidSpecifier) as error:
            raise ValueError(f"'{match[0].strip()}' is no version constraint; {_EXAMPLE}") from error
        position = match.end()
    return found


def _term(operator: str, version: str) -> list[str]:
    line = re.sub(r"\.[*xX]$", "", version)
    parsed = Version(line)
    if line != version:
        if operator not in ("", "=", "==", "!="):
            raise InvalidVersion(version)
        return [f"{'!=' if operator == '!=' else '=='}{parsed}.*"]
    if operator == "^":
        return [f">={parsed}", f"<{_raised(parsed, _first_significant(parsed))}"]
    if operator == "~":
        return [f">={parsed}", f"<{_raised(parsed, min(1, len(parsed.release) - 1))}"]
    if operator in ("", "="):
        plain = len(parsed.release) < 3 and str(parsed) == parsed.base_version
        return [f"=={parsed}.*" if plain and not operator else f"=={parsed}"]
    specifiers = SpecifierSet(f"{operator}{parsed}")  # raises for ~=1 and its like
    return [str(specifiers)]


def _first_significant(version: Version) -> int:
    """Position of the part that ``^`` keeps: the first that is not 0, or the last."""
    release = version.release
    return next((index for index, part in enumerate(release) if part), len(release) - 1)


def _raised(version: Version, position: int) -> str:
    """The first release after all that agree with `version` up to a position."""
    release = version.release
    raised = ".".join(str(part) for part in (*release[:position], release[position] + 1))
    return f"{version.epoch}!{raised}" if version.epoch else raised
