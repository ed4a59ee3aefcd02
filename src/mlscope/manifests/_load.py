"""Any manifest file: which kind and dialect it is, what it says, and what is doubtful about it."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Literal

from mlscope.errors import StackError
from mlscope.manifests._fields import Asset
from mlscope.manifests._finding import BrokenManifest, Finding
from mlscope.manifests._model import ModelManifest, Weights
from mlscope.manifests._original import OriginalManifest
from mlscope.manifests._others import DatasetManifest, FrameworkManifest
from mlscope.manifests._recipe import BUILTIN_RECIPES
from mlscope.manifests._suggest import did_you_mean
from mlscope.manifests._translate import translate
from mlscope.manifests._validate import Origins, original_place, validate
from mlscope.manifests._yaml import Document, YamlPath, read_document

__all__ = ["BUILTIN", "Dialect", "Loaded", "Manifest", "NoManifest", "frameworks", "load_file", "one_framework"]

BUILTIN = Path(__file__).parent / "builtin"
Dialect = Literal["mlscope", "mlmodelscope"]
Manifest = ModelManifest | DatasetManifest | FrameworkManifest
_CLASSES: dict[str, type[ModelManifest] | type[DatasetManifest] | type[FrameworkManifest]] = {
    cls.SCHEMA: cls for cls in (ModelManifest, DatasetManifest, FrameworkManifest)
}
_ORIGINAL_MARKS = ("framework", "model", "inputs", "output", "outputs")


class NoManifest(BrokenManifest):
    """YAML, but nothing of it says that it is meant as a manifest."""


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """A manifest with its file."""

    manifest: Manifest
    document: Document
    dialect: Dialect
    warnings: tuple[Finding, ...] = ()
    origins: Origins = dataclasses.field(default_factory=dict)

    def finding(self, place: YamlPath, message: str, *, warning: bool = False) -> Finding:
        """A finding at a place of the manifest."""
        return self.document.finding(original_place(place, self.origins), message, warning=warning)


def load_file(path: Path) -> Loaded:
    """Read a manifest of either dialect.

    Raises:
        BrokenManifest: It has faults; all that could be found are in it.
    """
    document = read_document(path)
    if "schema" not in document.data:
        return _load_original(document)
    schema = document.data["schema"]
    if schema not in _CLASSES:
        known = ", ".join(_CLASSES)
        message = f"unknown schema '{schema}'{did_you_mean(str(schema), _CLASSES)} (known: {known})"
        raise BrokenManifest([document.finding(("schema",), message)])
    values = {key: value for key, value in document.data.items() if key != "schema"}
    manifest = validate(document, _CLASSES[schema], values)
    if isinstance(manifest, ModelManifest):
        return _with_known_frameworks(document, manifest)
    warnings = [] if isinstance(manifest, FrameworkManifest) else _unverified(manifest.assets())
    return Loaded(manifest, document, "mlscope", _warnings(document, warnings))


def _load_original(document: Document) -> Loaded:
    if not any(key in document.data for key in _ORIGINAL_MARKS):
        message = f"no manifest: the key 'schema' is missing (known: {', '.join(_CLASSES)})"
        raise NoManifest([document.finding((), message)])
    original = validate(document, OriginalManifest, document.data)
    framework = _known(document, original.framework.name, ("framework", "name"))
    translation = translate(original, framework.name)
    manifest = validate(document, ModelManifest, translation.data, translation.origins)
    warnings = _warnings(document, translation.warnings)
    return Loaded(manifest, document, "mlmodelscope", warnings, translation.origins)


def _with_known_frameworks(document: Document, manifest: ModelManifest) -> Loaded:
    """The manifest with its frameworks' canonical names, once they are known to exist."""
    framework = _known(document, manifest.framework.name, ("framework", "name"))
    weights = tuple(_canonical(document, entry, ("weights", index)) for index, entry in enumerate(manifest.weights))
    found = manifest.model_copy(
        update={
            "framework": manifest.framework.model_copy(update={"name": framework.name}),
            "weights": weights,
        }
    )
    if framework.suffixes and found.weights_for(framework.name) is None:
        raise BrokenManifest([document.finding(("weights",), f"no weights for {framework.name}", key=True)])
    return Loaded(found, document, "mlscope", _warnings(document, _unverified(found.assets())))


def _canonical(document: Document, entry: Weights, place: YamlPath) -> Weights:
    """The entry with its frameworks' canonical names; its built-in scripts exist."""
    changed: dict[str, object] = {"framework": _known(document, entry.framework, (*place, "framework")).name}
    for key, recipe in (("recipe", entry.recipe), ("random_weights", entry.random_weights)):
        if recipe is None:
            continue
        if recipe.builtin is not None and not recipe.builtin.is_file():
            names = sorted(f"builtin:{path.name}" for path in BUILTIN_RECIPES.glob("*.py"))
            message = f"there is no {recipe.script}{did_you_mean(recipe.script, names)} (known: {', '.join(names)})"
            raise BrokenManifest([document.finding((*place, key, "script"), message)])
        framework = _known(document, recipe.stack.framework, (*place, key, "stack", "framework"))
        stack = recipe.stack.model_copy(update={"framework": framework.name})
        changed[key] = recipe.model_copy(update={"stack": stack})
    return entry.model_copy(update=changed)


def _known(document: Document, name: str, place: YamlPath) -> FrameworkManifest:
    try:
        return one_framework(name).manifest
    except StackError as error:
        raise BrokenManifest([document.finding(place, f"{error.what}; {error.hint}")]) from error


def _unverified(assets: dict[YamlPath, Asset]) -> list[tuple[YamlPath, str]]:
    return [
        ((*place, "source"), "no sha256: nothing tells whether the bytes are the right ones")
        for place, asset in assets.items()
        if not asset.sha256 and not asset.md5 and any(not source.startswith("file:") for source in asset.sources)
    ]


def _warnings(document: Document, doubts: list[tuple[YamlPath, str]]) -> tuple[Finding, ...]:
    return tuple(document.finding(place, message, warning=True) for place, message in doubts)


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedFramework:
    """A framework manifest with its file."""

    manifest: FrameworkManifest
    document: Document


@functools.cache
def frameworks() -> dict[str, LoadedFramework]:
    """The built-in frameworks by canonical name, sorted."""
    found = {}
    for path in sorted((BUILTIN / "frameworks").glob("*.yml")):
        document = read_document(path)
        values = {key: value for key, value in document.data.items() if key != "schema"}
        manifest = validate(document, FrameworkManifest, values)
        found[manifest.name] = LoadedFramework(manifest, document)
    return found


def one_framework(name: str) -> LoadedFramework:
    """A framework by name or alias, upper and lower case alike.

    Raises:
        StackError: There is no such framework.
    """
    names = {
        alias.lower(): loaded
        for loaded in frameworks().values()
        for alias in (loaded.manifest.name, *loaded.manifest.aliases)
    }
    if name.lower() not in names:
        suggestion = did_you_mean(name, names).removeprefix("; ")
        raise StackError(
            f"unknown framework '{name}'",
            hint=f"{suggestion} (known: {', '.join(frameworks())})".strip(),
        )
    return names[name.lower()]
