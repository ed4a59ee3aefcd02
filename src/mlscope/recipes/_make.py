"""From a recipe to files in the cache.

::

    cache/recipes/
      1234…/files/digits_cnn.pt2    what the script left, read-only; 1234… is the digest of all that goes in
      1234…/recipe.json             where it comes from: digests of script, sources, lock and outputs
      1234…/lock.json               the stack that made it, whole
      1234…/log.txt                 what the script printed
      failed/1234….log              the same of a script that failed

Deleting the folder, or any part of it, only costs time.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from mlscope._files import digest
from mlscope._home import cache_dir
from mlscope._schema import canonical_digest
from mlscope.assets import Fetched, Progress, fetch_asset
from mlscope.errors import AssetError, UsageError
from mlscope.manifests import Asset, InputSpec, Recipe
from mlscope.recipes._confine import landlock_version
from mlscope.recipes._kept import FILES, LOCK, PROVENANCE, SCHEMA, intact, kept
from mlscope.recipes._once import build_once
from mlscope.recipes._run import JOB, run_script
from mlscope.recipes._samples import Samples, open_samples
from mlscope.recipes._stack import StackFinder, chosen_version, recipe_stack
from mlscope.stacks import Stack

__all__ = ["make"]

_SAMPLES = "samples.npy"


def make(
    recipe: Recipe,
    base: Path,
    *,
    seed: int | None = None,
    reader: tuple[str, str] | None = None,
    inputs: InputSpec | None = None,
    allow_code: bool = False,
    offline: bool = False,
    progress: Progress | None = None,
    stage: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
    find_stack: StackFinder | None = None,
) -> dict[str, Fetched]:
    """Have the files of a recipe: from the cache, or made now.

    What goes in decides: digests of script and sources, arguments, seed, names of the outputs, and the stack as the
    recipe names it. The lock of the stack that really made the files stands beside them.

    Args:
        recipe: The recipe of a model manifest.
        base: Folder of the manifest; relative ``file:`` sources count from it.
        seed: Seed of random weights; the script finds it in its job.
        reader: Framework and version that will read the files.
        inputs: The model's input, for a recipe with `samples`.
        allow_code: Run a script that does not ship with mlscope too.
        offline: Use only what is on this machine.
        progress: Hears of downloads.
        stage: Hears what is being done, a few words each.
        warn: Hears, one sentence each, what every user must know.
        find_stack: Finds the stack that runs the script; None: :func:`mlscope.stacks.find_stack`.

    Returns:
        Role → file, as the recipe's outputs name them.

    Raises:
        UsageError: The script does not ship with mlscope and `allow_code` is not set.
        AssetError: A source or the script cannot be had, or the script failed; its last words are in the message.
        StackError: There is no stack to run it.
        DataError: The samples cannot be had.
        ResourceError: The disk is full or the cache cannot be written.
    """
    say, tell = warn or _silent, stage or _silent

    def have(asset: Asset) -> Fetched:
        return fetch_asset(asset, base, offline=offline, progress=progress, warn=say)

    order = _Order(
        recipe=recipe,
        script=_script(recipe, have),
        sources={name: have(asset) for name, asset in recipe.sources.items()},
        samples=open_samples(recipe, base, inputs, offline=offline, progress=progress, warn=say),
        constraint=chosen_version(recipe, reader),
        seed=seed,
    )
    folder = cache_dir() / "recipes" / order.digest

    def build(partial: Path) -> None:
        if recipe.builtin is None and not allow_code:
            raise UsageError(
                f"the model's files are made by a script that its manifest brings, {order.script.path.name}",
                where=str(order.script.path),
                hint="read it, then allow it with --allow-hooks",
            )
        stack = recipe_stack(recipe, order.constraint, find_stack, offline=offline, stage=stage, warn=say)
        tell(f"make {order.names}")
        order.carry_out(stack, partial, failed_log=folder.parent / "failed" / f"{folder.name}.log")

    build_once(folder, build, whole=lambda found: intact(found, say), what=order.names, warn=say)
    return kept(folder)


def _silent(_: str) -> None:
    """Say nothing."""


def _script(recipe: Recipe, have: Callable[[Asset], Fetched]) -> Fetched:
    if recipe.builtin is None:
        return have(recipe.assets()["script",])
    if not recipe.builtin.is_file():
        raise AssetError(f"there is no {recipe.script}", hint="mlscope manifest check tells which there are")
    return have(Asset(source=f"file:{recipe.builtin}", sha256=recipe.sha256))


@dataclasses.dataclass(frozen=True, slots=True)
class _Order:
    """A recipe with everything that it takes at hand."""

    recipe: Recipe
    script: Fetched
    sources: Mapping[str, Fetched]
    samples: Samples | None
    constraint: str
    seed: int | None

    @property
    def names(self) -> str:
        return ", ".join(self.recipe.outputs.values())

    @property
    def wanted(self) -> dict[str, Any]:
        """All that decides what comes out, as far as it is known before."""
        return {
            "script": self.script.sha256,
            "sources": {name: source.sha256 for name, source in self.sources.items()},
            "samples": self.samples.key if self.samples else None,
            "outputs": self.recipe.outputs,
            "arguments": self.recipe.arguments,
            "seed": self.seed,
            "stack": {**self.recipe.stack.model_dump(mode="json"), "version": self.constraint},
        }

    @property
    def digest(self) -> str:
        return canonical_digest(self.wanted)

    def carry_out(self, stack: Stack, folder: Path, *, failed_log: Path) -> None:
        """Run the script and leave its files in the folder, with their provenance."""
        began = time.monotonic()
        sources = {name: source.path.absolute() for name, source in self.sources.items()}
        if self.samples:
            sources["samples"] = self.samples.write(folder / _SAMPLES)
        before = {name: digest(path) for name, path in sources.items()}
        job = {
            "sources": {name: str(path) for name, path in sources.items()},
            "outputs": self.recipe.outputs,
            "arguments": self.recipe.arguments,
            "seed": self.seed,
        }
        limit = self.recipe.timeout_s
        script = self.script.path.absolute()
        left = run_script(stack, script, job, folder, timeout_s=limit, failed_log=failed_log)
        for name, path in sources.items():
            if digest(path) != before[name]:
                raise AssetError(f"the recipe's script changed its source {name}, {path}", where=str(script))
        outputs = {role: _keep(path) for role, path in left.items()}
        for rest in {*(folder / FILES).iterdir(), folder / JOB, folder / _SAMPLES} - set(left.values()):
            shutil.rmtree(rest) if rest.is_dir() and not rest.is_symlink() else rest.unlink(missing_ok=True)
        (folder / LOCK).write_text(json.dumps(stack.lock(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        version = landlock_version()
        told = {
            "schema": SCHEMA,
            "script": self.recipe.script,
            "wanted": self.wanted,
            "sources": {name: {"file": path.name, "sha256": before[name]} for name, path in sources.items()},
            "outputs": outputs,
            "framework": {"name": self.recipe.stack.framework, "version": stack.framework_version},
            "lock_sha256": stack.lock_sha256,
            "confined": f"Landlock {version}" if version else None,
            "mlscope": metadata.version("mlscope"),
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - began, 3),
        }
        (folder / PROVENANCE).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _keep(path: Path) -> dict[str, Any]:
    """Make an output durable and read-only."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.chmod(0o444)
    return {"file": path.name, "sha256": digest(path), "bytes": path.stat().st_size}
