"""What framework manifests say of packages: requirements, Pythons, and endings of files."""

from __future__ import annotations

from typing import Annotated

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator

from mlscope.manifests._fields import NOT_EMPTY, ConstraintText, Node, Text, fault

__all__ = ["Pythons", "RequirementText", "Requires", "Suffix"]


def _requirement(value: str) -> str:
    try:
        parsed = Requirement(value)
    except InvalidRequirement as error:
        raise fault(f"'{value}' is no requirement as pip writes them; write numpy or numpy<2") from error
    if parsed.url:
        raise fault("packages come from the configured indexes, not from addresses")
    return value


def _pythons(value: str) -> str:
    try:
        SpecifierSet(value)
    except InvalidSpecifier as error:
        raise fault(f"'{value}' names no Python versions; write them as >=3.9,<3.12") from error
    return value


def _suffix(value: str) -> str:
    if not value.startswith("."):
        raise fault(f"an ending begins with a dot; did you mean '.{value}'?")
    return value


RequirementText = Annotated[Text, AfterValidator(_requirement)]
"""A package as pip writes it: ``numpy``, ``numpy<2``, ``package; platform_machine == 'x86_64'``."""
Pythons = Annotated[Text, AfterValidator(_pythons)]
"""Versions of Python: ``>=3.9,<3.12``."""
Suffix = Annotated[Text, AfterValidator(_suffix)]
"""The ending of a file, with its dot."""


class Requires(Node):
    """What some versions of a framework need beside what their own packages say."""

    when: ConstraintText = "*"
    """For which versions of the framework."""
    packages: Annotated[tuple[RequirementText, ...], NOT_EMPTY]
    """What they need."""
