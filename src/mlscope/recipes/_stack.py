"""The stack that runs a recipe's script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mlscope.manifests import FrameworkManifest, Recipe, load_framework
from mlscope.stacks import Stack

__all__ = ["StackFinder", "chosen_version", "recipe_stack"]


class StackFinder(Protocol):
    """What :func:`mlscope.stacks.find_stack` is called with here."""

    def __call__(
        self,
        framework: FrameworkManifest,
        constraint: str,
        *,
        python: str | None,
        extra: Sequence[str],
        offline: bool,
        progress: Callable[[str], None] | None,
        warn: Callable[[str], None] | None,
    ) -> Stack:
        """The stack for a framework with further packages."""


def chosen_version(recipe: Recipe, reader: tuple[str, str] | None) -> str:
    """The constraint on the framework's version.

    Where the recipe leaves it open, files for a framework are made by the very version that will read them.
    """
    if recipe.stack.version is not None:
        return recipe.stack.version
    same = reader is not None and reader[0] == recipe.stack.framework
    return f"=={reader[1]}" if same and reader is not None else "*"


def recipe_stack(
    recipe: Recipe,
    constraint: str,
    find_stack: StackFinder | None,
    *,
    offline: bool,
    stage: Callable[[str], None] | None,
    warn: Callable[[str], None],
) -> Stack:
    """Have the stack.

    Raises:
        StackError: There is none.
    """
    if find_stack is None:
        from mlscope import stacks

        find_stack = stacks.find_stack
    return find_stack(
        load_framework(recipe.stack.framework).manifest,
        constraint,
        python=recipe.stack.python,
        extra=recipe.stack.packages,
        offline=offline,
        progress=stage,
        warn=warn,
    )
