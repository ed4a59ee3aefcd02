"""How flags are declared."""

from __future__ import annotations

import dataclasses
from typing import Any

from cyclopts import Group, Parameter

__all__ = ["FlagGroup", "flag", "group"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlagGroup:
    """Flags that belong together."""

    def values(self) -> dict[str, Any]:
        """Field → value, under the names of :class:`mlscope.plan.Request`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def group(title: str, order: int) -> Parameter:
    """Decorates a group of flags: its title on help pages, and its place there."""
    return Parameter(name="*", group=Group(title, sort_key=order))


def flag(text: str, *names: str, metavar: str | None = None, **more: Any) -> Parameter:
    """Declares one flag: what it means, its names (default: the field's), what stands for its value."""
    return Parameter(name=names or None, help=text, metavar=metavar, **more)
