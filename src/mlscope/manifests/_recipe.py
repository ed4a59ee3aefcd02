"""Recipes: how a model's files are made from others by a script."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mlscope.manifests._fields import (
    Asset,
    ConstraintText,
    Free,
    Name,
    Node,
    Positive,
    Sha256,
    Text,
    Whole,
    fault,
    single_source,
)
from mlscope.manifests._packages import RequirementText

__all__ = ["BUILTIN_RECIPES", "Recipe", "RecipeSamples", "RecipeStack"]

BUILTIN_RECIPES = Path(__file__).parent / "builtin" / "recipes"
"""Folder of the scripts that ``builtin:NAME.py`` names."""

_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_LONGEST_S = 24 * 3600


def _script(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("builtin:"):
        if not re.fullmatch(r"builtin:[A-Za-z0-9_-]+\.py", value):
            raise fault("a built-in script is written builtin:NAME.py")
        return value
    return single_source(value)


def _file_name(value: str) -> str:
    if not _FILE.fullmatch(value):
        raise fault("an output is a plain file name of letters, digits, '.', '_', '+' and '-'")
    return value


def _some_outputs(value: dict[str, str]) -> dict[str, str]:
    if "graph" not in value:
        raise fault("the outputs must have a 'graph', the model file")
    if len(set(value.values())) < len(value):
        raise fault("two outputs have the same file name")
    return _labelled(value)


def _labelled(value: dict[str, Any]) -> dict[str, Any]:
    for key in value:
        if not _LABEL.fullmatch(key):
            raise fault(f"'{key}' is no name of letters, digits, '.', '_' and '-'", key, key=True)
    return value


def _json(value: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise fault(f"the arguments are handed over as JSON, which cannot hold them: {error}") from error
    return value


class RecipeStack(Node):
    """The software that runs a recipe's script."""

    framework: Name
    """Name of a framework."""
    version: ConstraintText | None = None
    """Its versions; null: where the files are for the same framework, the version that will read them."""
    python: Text | None = None
    """Python version; null: any."""
    packages: tuple[RequirementText, ...] = ()
    """Further packages, for instance ``onnx==1.18.0``."""


class RecipeSamples(Node):
    """Pictures of a data set, prepared by the model's own input steps."""

    dataset: Text
    """Name of a built-in data set, or path of a dataset manifest relative to this one."""
    count: Positive = 100
    """How many: the first ones of its list."""


class Recipe(Node):
    """A script and what it takes; it runs once, in a folder of its own, and its files are kept in the cache.

    It is called as ``python SCRIPT job.json``, where the job holds ``sources`` and ``outputs`` (name → path),
    ``arguments`` and ``seed``.
    """

    script: Annotated[str, BeforeValidator(_script)]
    """``builtin:NAME.py`` (ships with mlscope), ``file:`` (relative to the manifest), ``https:`` or ``pypi:``. A
    script that does not ship with mlscope runs only with ``--allow-hooks``."""
    sha256: Sha256 | None = None
    """sha256 of the script; needed where the script comes over a network."""
    stack: RecipeStack
    """What runs it."""
    sources: Annotated[dict[str, Asset], AfterValidator(_labelled)] = {}
    """Files that it reads, by the name that it knows them by."""
    samples: RecipeSamples | None = None
    """Calibration data: it comes as the source ``samples``, a ``.npy`` file of the model's input tensors."""
    outputs: Annotated[dict[str, Annotated[Text, AfterValidator(_file_name)]], AfterValidator(_some_outputs)]
    """Files that it must leave, by role: ``graph`` and, where the framework has two files, ``params``."""
    arguments: Annotated[Free, AfterValidator(_json)] = {}
    """Anything that it takes beside files."""
    timeout_s: Annotated[Whole, Field(gt=0, le=_LONGEST_S)] = 600
    """Time limit in seconds."""

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.script.startswith(("https:", "http:", "pypi:")) and self.sha256 is None:
            raise fault("a script that comes over a network needs its sha256", "script")
        if self.samples is not None and "samples" in self.sources:
            raise fault("the name 'samples' is taken by the prepared pictures", "sources", "samples", key=True)
        return self

    @property
    def builtin(self) -> Path | None:
        """The script's file where it ships with mlscope (or would, if there were one of this name)."""
        name = self.script.removeprefix("builtin:")
        return BUILTIN_RECIPES / name if name != self.script else None

    def assets(self) -> dict[tuple[str | int, ...], Asset]:
        """Every file that it names but for a built-in script, by its place in the recipe."""
        found: dict[tuple[str | int, ...], Asset] = {("sources", name): asset for name, asset in self.sources.items()}
        if self.builtin is None:
            found["script",] = Asset(source=self.script, sha256=self.sha256)
        return found
