"""What a request leaves to choose: the framework and its stack, the model's files, the data set."""

from __future__ import annotations

import dataclasses
import glob
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mlscope._schema import canonical_digest
from mlscope.assets import fetch_asset
from mlscope.conductor._outcome import Observer
from mlscope.conductor._progress import DownloadProgress
from mlscope.errors import AssetError, ChecksumError, DataError, ModelError, UsageError
from mlscope.loader import Dataset, Decoder, decoder_from_lock, find_decoder
from mlscope.manifests import (
    Asset,
    DatasetManifest,
    Found,
    FrameworkManifest,
    ModelManifest,
    Recipe,
    Weights,
    list_datasets,
    load_dataset,
    load_framework,
    load_model,
    parse_tags,
    select_images,
    select_weights,
)
from mlscope.plan import Request, SourceChoice, WeightsChoice
from mlscope.recipes import have_dataset, make
from mlscope.stacks import Stack, find_stack, named_framework

__all__ = [
    "Chosen",
    "choose_dataset",
    "choose_decoder",
    "choose_framework",
    "choose_labels",
    "choose_model",
    "choose_stack",
    "choose_weights",
    "source_of",
    "split_options",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """The framework that will run the model, and which versions of it will do."""

    framework: FrameworkManifest
    constraint: str


def split_options(request: Request) -> Request:
    """A framework that brings options of its own, ``openvino[precision=auto]``, apart from them.

    Raises:
        UsageError: What stands in the brackets is no option.
    """
    name, bracket, rest = (request.framework or "").partition("[")
    inner, end, version = rest.partition("]")
    if not bracket:
        return request
    own: dict[str, Any] = {}
    for text in inner.split(","):
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and end):
            raise UsageError(
                f"'{request.framework}' is no framework with options", hint="write it like openvino[precision=auto]"
            )
        try:
            own[key] = json.loads(value, parse_constant=str)
        except ValueError:
            own[key] = value
    return request.model_copy(update={"framework": f"{name}{version}", "options": {**request.options, **own}})


def choose_model(request: Request) -> tuple[Found[ModelManifest], Weights | None]:
    """The model that is named, or the one whose files have the tags; with the tags also which of its files.

    Raises:
        ManifestError: There is no such model, or its manifest is broken.
        UsageError: No files have the tags, or several do.
        StackError: The framework that is named is not known.
    """
    if not request.weights_tags:
        return load_model(request.model_name, request.model_version), None
    named = "model_name" in request.model_fields_set
    models = [load_model(request.model_name, request.model_version)] if named else None
    tags = parse_tags(",".join(request.weights_tags))
    if request.framework is not None:
        tags = (*tags, named_framework(request.framework)[0].name)
    return select_weights(tags, models)


def choose_framework(request: Request, manifest: ModelManifest, entry: Weights | None = None) -> Chosen:
    """The framework that the user names, or else the one of the files that the tags chose, or else the manifest's.

    The manifest's constraint holds for its own framework only.

    Raises:
        StackError: There is no such framework.
    """
    own = manifest.framework
    if request.framework is None:
        name = entry.framework if entry else own.name
        return Chosen(load_framework(name).manifest, own.version if name == own.name else "*")
    framework, constraint = named_framework(request.framework)
    if constraint == "*" and framework.name == own.name:
        constraint = own.version
    return Chosen(framework, constraint)


def choose_stack(request: Request, chosen: Chosen, observer: Observer) -> Stack:
    """The stack that the request asks for; a framework, a Python or packages that are named get an environment.

    Raises:
        StackError: It cannot be had.
    """
    named = request.framework is not None or request.python is not None
    return find_stack(
        chosen.framework,
        chosen.constraint,
        kind="uv" if request.stack == "auto" and named and chosen.framework.package else request.stack,
        python=request.python,
        extra=request.packages,
        gpu=request.gpu,
        offline=request.offline,
        progress=observer.stage,
        warn=observer.warn,
    )


def choose_weights(
    request: Request,
    found: Found[ModelManifest],
    entry: Weights | None,
    *,
    framework: FrameworkManifest,
    stack: Stack,
    observer: Observer,
) -> tuple[dict[str, Path], tuple[WeightsChoice, ...]]:
    """The model's files for a framework: fetched, or made by the manifest's recipe.

    Args:
        request: What is wanted.
        found: The model.
        entry: Which of its files, where tags chose them; None: the first that are for the framework.
        framework: The framework.
        stack: What will read them.
        observer: Hears of it.

    Raises:
        MlscopeError: The manifest has none for it, or they cannot be had.
    """
    entry = entry or found.manifest.weights_for(framework.name)
    if entry is None:
        if not framework.suffixes:
            return {}, ()
        names = ", ".join(dict.fromkeys(item.framework for item in found.manifest.weights)) or "none"
        raise ModelError(
            f"{found.manifest.name} has no files for {framework.name}; it has them for: {names}", where=str(found.path)
        )
    recipe = entry.recipe
    if request.random_weights is not None:
        recipe = entry.random_weights
        if recipe is None:
            raise UsageError(f"{found.manifest.name} has no recipe for random weights with {framework.name}")
    files = (
        _made(request, found, entry, recipe, stack, observer)
        if recipe is not None
        else _fetched(request, found, entry, observer)
    )
    chosen = tuple(WeightsChoice(role=role, name=path.name, sha256=sha256) for role, (path, sha256) in files.items())
    return {role: path for role, (path, _) in files.items()}, chosen


def _made(  # noqa: PLR0917 - one call
    request: Request, found: Found[ModelManifest], entry: Weights, recipe: Recipe, stack: Stack, observer: Observer
) -> Mapping[str, tuple[Path, str]]:
    files = make(
        recipe,
        found.path.parent,
        seed=request.random_weights,
        reader=(entry.framework, stack.framework_version),
        inputs=found.manifest.inputs[0],
        allow_code=request.allow_hooks,
        offline=request.offline,
        progress=DownloadProgress(observer),
        stage=observer.stage,
        warn=observer.warn,
    )
    return {role: (fetched.path, fetched.sha256) for role, fetched in files.items()}


def _fetched(
    request: Request, found: Found[ModelManifest], entry: Weights, observer: Observer
) -> Mapping[str, tuple[Path, str]]:
    files = {}
    for role, asset in (("graph", entry.graph), ("params", entry.params)):
        if asset is not None:
            instead = request.weights if role == "graph" else None
            files[role] = _fetch(request, asset, found.path.parent, observer, instead)
    return files


def _fetch(
    request: Request, asset: Asset, base: Path, observer: Observer, instead: Path | None = None
) -> tuple[Path, str]:
    if instead is not None:
        asset = asset.model_copy(update={"source": f"file:{instead.absolute()}", "member": None})
    progress = DownloadProgress(observer)
    fetched = fetch_asset(asset, base, offline=request.offline, progress=progress, warn=observer.warn)
    return fetched.path, fetched.sha256


def choose_labels(request: Request, found: Found[ModelManifest], observer: Observer) -> tuple[str, ...]:
    """Class names, where they are shown; a list that cannot be had only costs the names."""
    asset = found.manifest.outputs[0].labels
    if asset is None or request.command != "predict urls":
        return ()
    try:
        path, _ = _fetch(request, asset, found.path.parent, observer)
    except ChecksumError:
        raise
    except AssetError as error:
        observer.warn(f"classes have no names in this run: {error}")
        return ()
    return tuple(path.read_text(encoding="utf-8", errors="replace").splitlines())


def choose_dataset(
    request: Request, manifest: ModelManifest, observer: Observer
) -> tuple[Dataset, Literal["cached", "inline"] | None, SourceChoice | None]:
    """The samples: a data set's (where none is named, one that suits the model), or the pictures that are named.

    Returns:
        The data set, and in which form, where tags or a flag say so; and where its manifest was found.

    Raises:
        MlscopeError: There is no such data set, or its files are not as they should be.
    """
    form = None if request.preprocess == "auto" else request.preprocess
    if request.command == "predict urls":
        return _urls(request), form, None
    if request.images_tags:
        datasets = [load_dataset(request.dataset_name)] if request.dataset_name else None
        selected = select_images(parse_tags(",".join(request.images_tags)), manifest.inputs[0], datasets)
        found = selected.found
        if form is not None and selected.preprocess not in {None, form}:
            tag = "preprocessed" if selected.preprocess == "cached" else "original"
            raise UsageError(f"--preprocess {form} contradicts the tag '{tag}'", hint="leave one of them out")
        form = form or selected.preprocess
    else:
        found = load_dataset(request.dataset_name) if request.dataset_name else _suitable_dataset(request, manifest)
    for warning in found.warnings:
        observer.note(warning)
    dataset = have_dataset(
        found,
        request.dataset_path,
        offline=request.offline,
        progress=DownloadProgress(observer),
        warn=observer.warn,
    )
    if dataset.layout != found.manifest.layout:
        observer.note(f"{dataset.root} has no {found.manifest.listing} and is read as folders of classes")
    return dataset, form, source_of(found)


def choose_decoder(request: Request, manifest: ModelManifest, lock: str | None, observer: Observer) -> Decoder:
    """What decodes the pictures: mlscope's own interpreter, or the stack that the manifest or a stored lock names.

    Raises:
        MlscopeError: It cannot be had.
    """
    inputs = manifest.inputs[0]
    report: dict[str, Any] = {"offline": request.offline, "progress": observer.stage, "warn": observer.warn}
    if lock is not None:
        return decoder_from_lock(lock, inputs, **report)
    return find_decoder(manifest.loader, inputs, **report)


def source_of(found: Found[ModelManifest] | Found[DatasetManifest]) -> SourceChoice | None:
    """The registered source of a manifest, as plans tell it."""
    source = found.source
    return SourceChoice(name=source.name, address=source.address, commit=source.commit) if source else None


def _suitable_dataset(request: Request, model: ModelManifest) -> Found[DatasetManifest]:
    """The one that the model's reference accuracy is of, where its pictures are to be had; else one of as many classes.

    Raises:
        DataError: There is none.
    """
    known: dict[str, Found[DatasetManifest]] = {}
    for found in list_datasets():
        known.setdefault(found.manifest.name, found)
    own = known.get(model.reference_accuracy.dataset) if model.reference_accuracy else None
    output = model.outputs[0]
    classes = None if output.classes is None else output.classes - output.offset
    for found in [*([own] if own else []), *known.values()]:
        manifest = found.manifest
        there = request.dataset_path is not None or manifest.path is not None or manifest.archive is not None
        if there and (found is own or classes in (None, manifest.classes)):
            return found
    raise DataError(
        f"no built-in data set has the {classes} classes of {model.name}",
        hint="name one: --dataset-name NAME_OR_MANIFEST --dataset-path DIR",
    )


def _urls(request: Request) -> Dataset:
    """The files, globs and addresses of ``predict urls``, in the order they were given."""
    names: list[str] = []
    for text in request.urls:
        if text.startswith(("http://", "https://")):
            names.append(text)
        elif Path(text).exists():
            names.append(str(Path(text).absolute()))
        else:
            matches = sorted(glob.glob(text, recursive=True))
            if not matches:
                raise DataError("there is no such file, and no file matches it as a pattern", where=text)
            names += [str(Path(match).absolute()) for match in matches if Path(match).is_file()]
    if not names:
        raise UsageError("no pictures are named", hint="mlscope predict urls FILE_OR_GLOB_OR_URL …")
    return Dataset("urls", "1", Path("/"), tuple(names), None, None, canonical_digest(names), "none")
