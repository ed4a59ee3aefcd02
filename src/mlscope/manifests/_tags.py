"""Choosing weights and data sets by tags, as Collective Knowledge does.

All tags that are asked for must be there; ``-tag`` must not be. Exactly one thing may be left: no match and more than
one are errors that list what there is and which tag decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Generic, Literal, TypeVar

from mlscope.errors import UsageError
from mlscope.manifests._model import InputSpec, ModelManifest, Weights
from mlscope.manifests._others import DatasetManifest
from mlscope.manifests._registry import Found, full_name, list_datasets, list_models
from mlscope.manifests._suggest import did_you_mean

__all__ = ["SelectedImages", "Tagged", "parse_tags", "select_by_tags", "select_images", "select_weights"]

T = TypeVar("T")
_SHOWN = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Tagged(Generic[T]):
    """Something that can be chosen."""

    name: str
    """What messages call it."""
    tags: frozenset[str]
    value: T


@dataclasses.dataclass(frozen=True, slots=True)
class SelectedImages:
    """A data set, and in which form."""

    found: Found[DatasetManifest]
    preprocess: Literal["cached", "inline"] | None
    """None: the tags do not say."""


def parse_tags(text: str) -> tuple[str, ...]:
    """``model,onnx,-int8`` as tags, in lower case.

    Raises:
        UsageError: There is none.
    """
    tags = tuple(dict.fromkeys(tag.strip().lower() for tag in text.split(",") if tag.strip()))
    if not tags:
        raise UsageError("no tags are given", hint="write them as model,onnx,efficientnet,fp32")
    return tags


def select_by_tags(candidates: Iterable[Tagged[T]], tags: Sequence[str], *, what: str) -> Tagged[T]:
    """The one candidate that has all tags.

    Args:
        candidates: What there is.
        tags: In lower case; one that begins with ``-`` must be missing.
        what: What messages call the candidates, for instance ``weights``.

    Raises:
        UsageError: No candidate has them all, or several do.
    """
    there = list(candidates)
    matching = [item for item in there if _matches(item, tags)]
    if len(matching) == 1:
        return matching[0]
    raise _several(matching, what) if matching else _none(there, tags, what)


def select_weights(
    tags: Sequence[str], models: Iterable[Found[ModelManifest]] | None = None
) -> tuple[Found[ModelManifest], Weights]:
    """The model, and its files for one framework, that have all tags.

    An entry has the tags of its manifest and: ``model``, its framework, its model's name in lower case, the ending of
    its file, and the name of the registered source that it was found in. Entries of one model with the same files are
    one: the model's own framework goes first.

    Args:
        tags: As for :func:`select_by_tags`.
        models: The models to choose from; None: all that are listed.

    Raises:
        UsageError: No entry has them all, or several do.
    """
    there = [item for found in (list_models() if models is None else models) for item in _entries(found)]
    kept: list[Tagged[tuple[Found[ModelManifest], Weights]]] = []
    for item in there:
        same = [other for other in kept if _matches(other, tags) and _same_files(item.value, other.value)]
        if not same or not _matches(item, tags):
            kept.append(item)
    return select_by_tags(kept, tags, what="weights").value


def select_images(
    tags: Sequence[str], inputs: InputSpec | None = None, datasets: Iterable[Found[DatasetManifest]] | None = None
) -> SelectedImages:
    """The data set that has all tags.

    A data set has the tags of its manifest and: ``dataset``, its name in lower case, and its source's. Its pictures as
    they are have ``original``; prepared for a model they have ``preprocessed``, the decoder (``using-opencv``,
    ``using-pillow``), the channels (``rgb8``, ``bgr8``, ``gray8``) and the side (``side.224``).

    Args:
        tags: As for :func:`select_by_tags`.
        inputs: The model's input, which says how pictures are prepared; None: they are not.
        datasets: The data sets to choose from; None: all that are listed.

    Raises:
        UsageError: No data set has them all, or several do.
    """
    there = [item for found in (list_datasets() if datasets is None else datasets) for item in _forms(found, inputs)]
    matching = [item for item in there if _matches(item, tags)]
    if not matching:
        raise _none(there, tags, "data sets")
    sets = {str(item.value.found.path): item.value.found for item in matching}
    if len(sets) > 1:
        raise _several([Tagged(full_name(found), _own(found), found) for found in sets.values()], "data sets")
    forms = {item.value.preprocess for item in matching}
    return SelectedImages(matching[0].value.found, forms.pop() if len(forms) == 1 else None)


def _matches(item: Tagged[T], tags: Sequence[str]) -> bool:
    return all((tag[1:] not in item.tags) if tag.startswith("-") else (tag in item.tags) for tag in tags)


def _entries(found: Found[ModelManifest]) -> list[Tagged[tuple[Found[ModelManifest], Weights]]]:
    manifest = found.manifest
    own = [entry for entry in manifest.weights if entry.framework == manifest.framework.name]
    entries = [*own, *(entry for entry in manifest.weights if entry not in own)]
    return [
        Tagged(f"{full_name(found)} for {entry.framework}", _weights_tags(found, entry), (found, entry))
        for entry in entries
    ]


def _weights_tags(found: Found[ModelManifest], entry: Weights) -> frozenset[str]:
    manifest = found.manifest
    if entry.recipe is not None:
        file = entry.recipe.outputs["graph"]
    else:
        file = (entry.graph.member or entry.graph.sources[0]) if entry.graph else ""
    suffix = PurePosixPath(file).suffix.removeprefix(".")
    words = ("model", entry.framework, manifest.name, *manifest.aliases, *entry.tags, *([suffix] if suffix else []))
    return frozenset(word.lower() for word in words) | _source_tag(found)


def _source_tag(found: Found[ModelManifest] | Found[DatasetManifest]) -> frozenset[str]:
    return frozenset({found.source.name.lower()} if found.source else ())


def _same_files(one: tuple[Found[ModelManifest], Weights], other: tuple[Found[ModelManifest], Weights]) -> bool:
    same_model = one[0].path == other[0].path
    files = [(entry.graph, entry.params, entry.recipe) for _, entry in (one, other)]
    return same_model and files[0] == files[1]


def _own(found: Found[DatasetManifest]) -> frozenset[str]:
    manifest = found.manifest
    return frozenset(word.lower() for word in ("dataset", manifest.name, *manifest.tags)) | _source_tag(found)


def _forms(found: Found[DatasetManifest], inputs: InputSpec | None) -> list[Tagged[SelectedImages]]:
    name, own = full_name(found), _own(found)
    forms = [Tagged(f"{name} (original)", own | {"original"}, SelectedImages(found, "inline"))]
    if inputs is not None and inputs.type == "image":
        tags = {"preprocessed", f"{inputs.color_mode.lower()}8"}
        tags |= {f"using-{step.library}" for step in inputs.steps if step.op == "decode"}
        if inputs.height_width is not None and len(set(inputs.height_width)) == 1:
            tags.add(f"side.{inputs.height_width[0]}")
        forms.append(Tagged(f"{name} (preprocessed)", own | tags, SelectedImages(found, "cached")))
    return forms


def _several(matching: Sequence[Tagged[T]], what: str) -> UsageError:
    """With, for each one, the tags that only some of them have."""
    common = frozenset.intersection(*(item.tags for item in matching))
    shown = "; ".join(f"{item.name} ({','.join(sorted(item.tags - common)) or 'nothing more'})" for item in matching)
    telling = sorted(frozenset.union(*(item.tags for item in matching)) - common)
    counted = {tag: sum(tag in item.tags for item in matching) for tag in telling}
    decisive = [tag for tag in telling if counted[tag] == 1] or telling
    hint = f"add a tag that decides: {', '.join(decisive)}" if decisive else "choose by name"
    return UsageError(f"{len(matching)} {what} have these tags: {shown}", hint=hint)


def _none(there: Sequence[Tagged[T]], tags: Sequence[str], what: str) -> UsageError:
    """With the tag that nothing has, or what is left when one tag is dropped."""
    known = sorted(frozenset[str]().union(*(item.tags for item in there)))
    for tag in tags:
        if not tag.startswith("-") and tag not in known:
            return UsageError(
                f"no {what} have the tag '{tag}'{did_you_mean(tag, known)}", hint=f"tags are {', '.join(known)}"
            )
    ways = []
    for tag in tags:
        left = [item.name for item in there if _matches(item, [other for other in tags if other != tag])]
        if left:
            ways.append(f"without {tag}: {', '.join(left[:_SHOWN])}{', …' * (len(left) > _SHOWN)}")
    hint = "; ".join(ways) or f"there are: {', '.join(item.name for item in there)}"
    return UsageError(f"no {what} have all of the tags {', '.join(tags)}", hint=hint)
