"""From a request to a frozen plan: manifests, stack, weights and data are found and checked here."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Mapping
from pathlib import Path

from mlscope.assets import fetch
from mlscope.conductor._outcome import Observer
from mlscope.conductor._progress import DownloadProgress
from mlscope.errors import AssetError, ChecksumError, DataError, ModelError, UsageError
from mlscope.loader import Dataset, open_dataset
from mlscope.manifests import (
    Asset,
    Found,
    FrameworkManifest,
    ModelManifest,
    OutputSpec,
    load_dataset,
    load_framework,
    load_model,
)
from mlscope.plan import (
    DatasetChoice,
    ExecutionChoice,
    FrameworkChoice,
    LoadChoice,
    LoadRequest,
    ModelChoice,
    Plan,
    Request,
    WeightsChoice,
    load_settings,
    read_conf,
)
from mlscope.stacks import HostStack, find_gpu, host_stack
from mlscope.worker.protocol import TraceLevel

__all__ = ["Prepared", "execution", "host_threads", "load_choice", "prepare", "trace_level"]

RANDOM_SAMPLES = 32
"""Samples that are made for random inputs."""


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that a run needs, resolved and checked."""

    request: Request
    plan: Plan
    stack: HostStack
    weights: Mapping[str, Path]
    """Role → file."""
    manifest: ModelManifest | None
    """None for a bare model file with random inputs."""
    dataset: Dataset | None
    labels: tuple[str, ...]
    """Class names by position in the output; empty where there are none."""

    @property
    def output(self) -> OutputSpec:
        """The output that is read."""
        return self.manifest.outputs[0] if self.manifest else OutputSpec()

    @property
    def rows(self) -> int:
        """Samples of the evaluation."""
        return self.plan.dataset.count if self.plan.dataset else 0


def host_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def trace_level(name: str, observer: Observer) -> TraceLevel:
    """The level that will be recorded.

    Raises:
        UsageError: There is no such level.
    """
    key = {"ML_LIBRARY_TRACE": "LIBRARY_TRACE"}.get(name.upper(), name.upper())
    if key not in TraceLevel.__members__:
        raise UsageError(f"there is no trace level {name!r}", hint=f"levels are {', '.join(TraceLevel.__members__)}")
    level = TraceLevel[key]
    if level > TraceLevel.MODEL_TRACE:
        observer.warn(f"{key} is recorded as MODEL_TRACE: this version does not trace deeper")
        return TraceLevel.MODEL_TRACE
    return level


def prepare(request: Request, observer: Observer) -> Prepared:
    """Resolve a request.

    Raises:
        MlscopeError: Whatever is wrong with it; nothing was measured yet.
    """
    observer.stage("prepare")
    level = trace_level(request.trace_level, observer)
    found = load_model(request.model_name, request.model_version)
    for warning in found.warnings:
        observer.note(warning)
    manifest = found.manifest
    framework = load_framework(manifest.framework.name).manifest
    stack = host_stack(framework, manifest.framework.version)
    if request.gpu:
        observer.note(f"GPU: {find_gpu(request.gpu_device_id)}")
    _check_limits(request, manifest)
    weights, chosen = _weights(request, found, framework, observer)
    dataset = None if request.load and request.load.random_inputs else _dataset(request, observer)
    if dataset is not None:
        _check_classes(manifest, dataset)
    plan = Plan(
        command=request.command,
        model=ModelChoice(
            name=manifest.name,
            version=manifest.version,
            manifest=manifest.model_dump(mode="json", exclude_defaults=True),
            manifest_sha256=found.sha256,
            weights=chosen,
        ),
        framework=FrameworkChoice(
            name=framework.name,
            predictor=str(framework.predictor),
            version=stack.framework_version,
            constraint=manifest.framework.version,
            options={**manifest.options, **request.options},
        ),
        dataset=_choose_rows(request, dataset) if dataset is not None else None,
        execution=execution(request, level),
        load=load_choice(request, manifest.name, None if dataset is None else len(dataset)) if request.load else None,
    )
    return Prepared(request, plan, stack, weights, manifest, dataset, _labels(request, found, observer))


def execution(request: Request, level: TraceLevel) -> ExecutionChoice:
    """How the model is run, with what was left open chosen from the cores."""
    cores = host_threads()
    workers = request.workers or 1
    threads = request.threads or max(1, cores // workers)
    overlap = request.gpu or threads == 1 or threads * workers < cores
    spare = cores - threads * workers if overlap and threads > 1 else cores - 1
    return ExecutionChoice(
        batch_size=request.batch_size,
        partition_list_size=request.partition_list_size or request.batch_size,
        threads=threads,
        workers=workers,
        device="gpu" if request.gpu else "cpu",
        trace_level=level.name,
        warmup=request.warmup,
        fail_on_error=request.fail_on_error,
        allow_hooks=request.allow_hooks,
        seed=request.seed,
        loader_processes=request.loader_processes or max(1, min(8, spare if overlap else cores)),
        overlap=overlap,
        worker_prefix=request.worker_prefix,
        env=request.env,
    )


def _choose_rows(request: Request, dataset: Dataset) -> DatasetChoice:
    """The first parts of the list, or (for a load test) its first samples."""
    part = request.partition_list_size or request.batch_size
    total = len(dataset)
    rows = total if request.num_file_parts < 0 else min(total, request.num_file_parts * part)
    if not rows:
        raise DataError("--num-file-parts 0 leaves no pictures to evaluate")
    if request.load:
        rows = min(rows, request.load.dataset_size or rows)
    return DatasetChoice(name=dataset.name, version=dataset.version, sha256=dataset.sha256, count=rows, total=total)


def _check_limits(request: Request, manifest: ModelManifest) -> None:
    limit = manifest.limits.max_batch_size
    if limit is not None and request.batch_size > limit:
        raise ModelError(
            f"--batch-size {request.batch_size} is over the limit of {manifest.name}, {limit}",
            hint=f"use --batch-size {limit} or less",
        )
    if manifest.task != "classification":
        raise ModelError(
            f"{manifest.name} is a model for {manifest.task}; this version evaluates classification",
            where=request.model_name,
        )
    hooks = [name for name, source in manifest.hooks.model_dump().items() if source]
    if hooks and not request.allow_hooks:
        raise UsageError(
            f"{manifest.name} brings Python code of its own ({', '.join(hooks)})",
            hint="read it, then allow it with --allow-hooks",
        )
    if len(manifest.inputs) != 1:
        raise ModelError(f"{manifest.name} has {len(manifest.inputs)} inputs; data sets feed one")
    if manifest.inputs[0].shape is None:
        raise ModelError(f"{manifest.name} leaves its input's shape open", hint="write `shape` into the manifest")


def _weights(
    request: Request, found: Found[ModelManifest], framework: FrameworkManifest, observer: Observer
) -> tuple[dict[str, Path], tuple[WeightsChoice, ...]]:
    entry = found.manifest.weights_for(found.manifest.framework.name)
    if entry is None:
        if framework.suffixes:
            raise ModelError(
                f"{found.manifest.name} names no files for {found.manifest.framework.name}", where=str(found.path)
            )
        return {}, ()
    paths, chosen = {}, []
    for role, asset in (("graph", entry.graph), ("params", entry.params)):
        if asset is None:
            continue
        path, sha256 = _fetch(request, asset, found.path.parent, observer, request.weights if role == "graph" else None)
        paths[role] = path
        chosen.append(WeightsChoice(role=role, name=path.name, sha256=sha256))
    return paths, tuple(chosen)


def _fetch(
    request: Request, asset: Asset, base: Path, observer: Observer, instead: Path | None = None
) -> tuple[Path, str]:
    here = instead is not None
    fetched = fetch(
        f"file:{instead.absolute()}" if instead else asset.source,
        sha256=asset.sha256,
        md5=asset.md5,
        member=None if here else asset.member,
        base=base,
        offline=request.offline,
        progress=DownloadProgress(observer),
        warn=observer.warn,
    )
    return fetched.path, fetched.sha256


def _labels(request: Request, found: Found[ModelManifest], observer: Observer) -> tuple[str, ...]:
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


def _dataset(request: Request, observer: Observer) -> Dataset:
    if request.command == "predict urls":
        return _urls(request)
    found = load_dataset(request.dataset_name)
    for warning in found.warnings:
        observer.note(warning)
    return open_dataset(found.manifest, found.path.parent, request.dataset_path)


def _urls(request: Request) -> Dataset:
    """The files, globs and addresses of ``predict urls``, in the order they were given."""
    from mlscope._schema import canonical_digest

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
    return Dataset("urls", "1", Path("/"), tuple(names), None, None, canonical_digest(names))


def _check_classes(manifest: ModelManifest, dataset: Dataset) -> None:
    """A model that cannot name a label of the data set was given the wrong data."""
    output = manifest.outputs[0]
    if output.classes is None or not dataset.labels:
        return
    known = output.classes - output.offset
    if max(dataset.labels) >= known:
        raise DataError(
            f"{dataset.name} has labels up to {max(dataset.labels)}, {manifest.name} knows {known} classes",
            hint="choose the data set that the model was made for with --dataset-name",
        )


def load_choice(request: Request, model_key: str, rows: int | None) -> LoadChoice:
    """The LoadGen test; `rows` None stands for random inputs.

    Raises:
        UsageError: Settings that do not go together, or a conf file that cannot be read.
    """
    load = request.load or LoadRequest()
    if load.mode == "FindPeakPerformance" and load.scenario != "Server":
        raise UsageError("FindPeakPerformance searches the rate of the Server scenario", hint="add --scenario Server")
    if rows is None and load.mode in ("AccuracyOnly", "SubmissionRun"):
        raise UsageError(f"random inputs have no labels, so there is no accuracy for {load.mode}")
    count = min(rows, load.dataset_size or rows) if rows else load.dataset_size or RANDOM_SAMPLES
    return LoadChoice(
        scenario=load.scenario,
        mode=load.mode,
        settings=load_settings(load, request.seed),
        sample_count=count,
        performance_count=min(count, load.buffer_size or 1024),
        model_key=model_key,
        mlperf_conf=read_conf(load.mlperf_conf),
        user_conf=read_conf(load.user_conf),
        audit_conf=read_conf(load.audit_conf),
    )
