"""Recipes of manifests that tests write, and a stack that is this very interpreter."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlscope.assets import Fetched
from mlscope.manifests import FrameworkManifest, Recipe
from mlscope.recipes import make
from mlscope.stacks._stack import LaunchHere

COPY = """
import json, pathlib, sys
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
text = pathlib.Path(job["sources"]["words"]).read_text() + json.dumps(job["arguments"]) + str(job["seed"])
pathlib.Path(job["outputs"]["graph"]).write_text(text)
print("done")
"""


class Here(LaunchHere):
    """The running interpreter, or another one, as a stack."""

    def __init__(self, python: Path = Path(sys.executable)) -> None:
        self.python = python

    framework_version = "1.2.3"
    lock_sha256 = "0" * 64
    kind = "host"

    def lock(self) -> dict[str, Any]:
        return {"kind": "host"}

    def environment(self) -> dict[str, str]:
        return {"FROM_STACK": "yes"}


@dataclasses.dataclass
class Kitchen:
    """A folder with a manifest's files, and what the recipe runner said and asked."""

    base: Path
    asked: list[tuple[str, str, tuple[str, ...]]] = dataclasses.field(default_factory=list)
    said: list[str] = dataclasses.field(default_factory=list)
    stages: list[str] = dataclasses.field(default_factory=list)

    def find_stack(
        self,
        framework: FrameworkManifest,
        constraint: str,
        *,
        python: str | None,
        extra: Sequence[str],
        offline: bool,
        progress: Callable[[str], None] | None,
        warn: Callable[[str], None] | None,
    ) -> Here:
        self.asked.append((framework.name, constraint, tuple(extra)))
        return Here()

    def recipe(self, script: str = COPY, **changes: Any) -> Recipe:
        """A recipe with the source ``words`` and the output ``made.txt``."""
        (self.base / "script.py").write_text(textwrap.dedent(script), encoding="utf-8")
        words = self.base / "words.txt"
        if not words.exists():
            words.write_text("hello ", encoding="utf-8")
        values: dict[str, Any] = {
            "script": "file:script.py",
            "stack": {"framework": "onnxruntime", "version": ">=1"},
            "sources": {"words": {"source": "file:words.txt"}},
            "outputs": {"graph": "made.txt"},
        }
        return Recipe.model_validate(values | changes)

    def make(self, script: str = COPY, **changes: Any) -> dict[str, Fetched]:
        """Make a recipe's files; keys of `make` and of the recipe may be mixed."""
        own = {key: changes.pop(key) for key in ("seed", "reader", "inputs", "allow_code", "offline") if key in changes}
        return make(
            self.recipe(script, **changes),
            self.base,
            **{"allow_code": True, **own},
            warn=self.said.append,
            stage=self.stages.append,
            find_stack=self.find_stack,
        )


@pytest.fixture
def kitchen(home: Path, tmp_path: Path) -> Kitchen:
    base = tmp_path / "manifest"
    base.mkdir()
    return Kitchen(base)


@pytest.fixture
def made(home: Path) -> Callable[[], list[str]]:
    """Names of everything that is kept in the cache of recipes but for locks and logs of failures."""

    def find() -> list[str]:
        root = home / "cache" / "recipes"
        paths = [path for path in root.rglob("*") if path.is_file()] if root.exists() else []
        return sorted(path.name for path in paths if path.parent.name not in {".locks", "failed"})

    return find
