"""From a request to a frozen plan: manifests, stack, weights and data are found and checked here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlscope.conductor._choose import (
    choose_dataset,
    choose_decoder,
    choose_framework,
    choose_labels,
    choose_model,
    choose_stack,
    choose_weights,
    source_of,
)
from mlscope.conductor._load_choice import load_choice, workload_choice
from mlscope.conductor._outcome import Observer
from mlscope.conductor._serving import check_serving, chosen_layout, host_threads
from mlscope.errors import DataError, ModelError, ResourceError, UsageError
from mlscope.loader import Dataset, Decoder
from mlscope.manifests import Found, FrameworkManifest, ModelManifest, OutputSpec, full_name
from mlscope.plan import (
    DatasetChoice,
    ExecutionChoice,
    FrameworkChoice,
    ModelChoice,
    Plan,
    Request,
    SourceChoice,
    parse_trace_level,
)
from mlscope.recipes import PreparedPictures, cannot_prepare, prepare_pictures
from mlscope.stacks import Stack, find_gpu
from mlscope.worker.protocol import TraceLevel

__all__ = ["Prepared", "execution", "host_threads", "prepare"]


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that a run needs, resolved and checked."""

    request: Request
    plan: Plan
    stack: Stack
    weights: Mapping[str, Path]
    """Role → file."""
    manifest: ModelManifest | None
    """None for a bare model file with random inputs."""
    dataset: Dataset | None
    labels: tuple[str, ...]
    """Class names by position in the output; empty where there are none."""
    decoder: Decoder | None = None
    """What decodes pictures; None for random inputs."""
    pictures: PreparedPictures | None = None
    """The prepared set that the samples come from; None: their files."""
    calibration: dict[str, Any] | None = None
    """What was tried to find the streams, threads and batch of the plan; None where they were given."""

    @property
    def output(self) -> OutputSpec:
        """The output that is read."""
        return self.manifest.outputs[0] if self.manifest else OutputSpec()

    @property
    def own_process(self) -> bool:
        """Whether the worker serves one run: LoadGen reads conf files once a process, a container has one folder."""
        load = self.plan.load
        if self.stack.kind == "container":
            return True
        return load is not None and any((load.mlperf_conf, load.user_conf, load.audit_conf))

    @property
    def rows(self) -> int:
        """Samples of the evaluation."""
        return self.plan.dataset.count if self.plan.dataset else 0


def prepare(
    request: Request, observer: Observer, stack: Stack | None = None, loader_lock: str | None = None
) -> Prepared:
    """Resolve a request; `stack` and the loader's lock are given where stored ones are used again.

    Raises:
        MlscopeError: Whatever is wrong with it; nothing was measured yet.
    """
    observer.stage("prepare")
    check_serving(request)
    level = parse_trace_level(request.trace_level)
    found, entry = choose_model(request)
    for warning in found.warnings:
        observer.note(warning)
    manifest = found.manifest
    chosen = choose_framework(request, manifest, entry)
    framework = chosen.framework
    if request.gpu:  # before an environment is made for it
        observer.note(f"GPU: {find_gpu(request.gpu_device_id)}")
    _check_limits(request, manifest)
    stack = stack or choose_stack(request, chosen, observer)
    weights, files = choose_weights(request, found, entry, framework=framework, stack=stack, observer=observer)
    data = _data(request, manifest, observer, loader_lock)
    request = _named(request, found, data)
    plan = Plan(
        command=request.command,
        model=ModelChoice(
            name=manifest.name,
            version=manifest.version,
            manifest=manifest.model_dump(mode="json", exclude_defaults=True),
            manifest_sha256=found.sha256,
            weights=files,
            random_weights=request.random_weights,
            source=source_of(found),
        ),
        framework=FrameworkChoice(
            name=framework.name,
            predictor=str(framework.predictor),
            version=stack.framework_version,
            constraint=chosen.constraint,
            manifest_constraint=f"{manifest.framework.name} {manifest.framework.version}",
            overridden=request.framework is not None,
            options=_options(request, manifest, framework),
        ),
        dataset=data.choice,
        execution=execution(request, level),
        load=load_choice(request, manifest.name, len(data.dataset) if data.dataset else None) if request.load else None,
        workload=workload_choice(request, len(data.dataset) if data.dataset else None) if request.workload else None,
        stack_kind=stack.kind,
    )
    labels = choose_labels(request, found, observer)
    return Prepared(
        request, plan, stack, weights, manifest, data.dataset, labels, decoder=data.decoder, pictures=data.pictures
    )


def _named(request: Request, found: Found[ModelManifest], data: _Data) -> Request:
    """The request with the names that its tags led to, so that it leads there again."""
    changes: dict[str, Any] = {}
    if request.weights_tags and "model_name" not in request.model_fields_set:
        changes |= {"model_name": full_name(found), "model_version": found.manifest.version}
    choice = data.choice
    if request.images_tags and choice is not None and request.dataset_name is None:
        changes["dataset_name"] = f"{choice.source.name}/{choice.name}" if choice.source else choice.name
    return request.model_copy(update=changes)


@dataclasses.dataclass(frozen=True, slots=True)
class _Data:
    """The samples of an evaluation; nothing at all for random inputs."""

    dataset: Dataset | None = None
    choice: DatasetChoice | None = None
    decoder: Decoder | None = None
    pictures: PreparedPictures | None = None


def _data(request: Request, manifest: ModelManifest, observer: Observer, lock: str | None) -> _Data:
    if request.tensors and request.tensors.random_inputs:
        return _Data()
    inputs = manifest.inputs[0]
    dataset, form, source = choose_dataset(request, manifest, observer)
    _check_classes(manifest, dataset, observer)
    choice = _choose_rows(request, dataset, source)
    decoder = choose_decoder(request, manifest, lock, observer)
    pictures = None
    if _cached(request, manifest, form):
        processes = request.loader_processes or min(8, host_threads())
        try:
            pictures = prepare_pictures(dataset, choice.count, inputs, decoder, processes=processes, watcher=observer)
            choice = choice.model_copy(update={"preprocess": "cached", "prepared": pictures.key})
        except ResourceError as error:
            if form is not None:
                raise
            observer.warn(f"pictures are not kept prepared: {error}")
    return _Data(dataset, choice, decoder, pictures)


def _cached(request: Request, manifest: ModelManifest, form: str | None) -> bool:
    """Whether samples come from a prepared set.

    Raises:
        UsageError: They shall, but cannot.
    """
    if form is None:
        form = "cached" if request.tensors else "inline"
        return form == "cached" and cannot_prepare(manifest.inputs[0], manifest.hooks) is None
    reason = cannot_prepare(manifest.inputs[0], manifest.hooks) if form == "cached" else None
    if reason is not None:
        raise UsageError(
            f"the pictures of {manifest.name} cannot be kept prepared: {reason}", hint="use --preprocess inline"
        )
    return form == "cached"


def _options(request: Request, manifest: ModelManifest, framework: FrameworkManifest) -> dict[str, Any]:
    """Options of the predictor: the manifest's are meant for its own framework, the user's for any."""
    own = manifest.options if framework.name == manifest.framework.name else {}
    return {**own, **request.options}


def execution(request: Request, level: TraceLevel) -> ExecutionChoice:
    """How the model is run, with what was left open chosen from the cores."""
    cores = host_threads()
    workers = request.workers or 1
    streams, threads, batch = chosen_layout(request)
    overlap = request.gpu or threads == 1 or threads * workers < cores
    spare = cores - threads * workers if overlap and threads > 1 else cores - 1
    return ExecutionChoice(
        batch_size=batch,
        partition_list_size=request.partition_list_size or request.batch_size,
        threads=threads,
        streams=streams,
        max_delay_ns=round(1e9 * request.max_delay_s),
        queue_capacity=request.queue_capacity,
        pin=request.pin,
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


def _choose_rows(request: Request, dataset: Dataset, source: SourceChoice | None) -> DatasetChoice:
    """The first parts of the list, or (for a load test) its first samples."""
    part = request.partition_list_size or request.batch_size
    total = len(dataset)
    rows = total if request.num_file_parts < 0 else min(total, request.num_file_parts * part)
    if not rows:
        raise DataError("--num-file-parts 0 leaves no pictures to evaluate")
    if request.tensors:
        rows = min(rows, request.tensors.dataset_size or rows)
    return DatasetChoice(
        name=dataset.name,
        version=dataset.version,
        sha256=dataset.sha256,
        count=rows,
        total=total,
        layout=dataset.layout,
        source=source,
    )


def _check_limits(request: Request, manifest: ModelManifest) -> None:
    limit = manifest.limits.max_batch_size
    for flag, size in (("--batch-size", request.batch_size), ("--max-batch", request.max_batch)):
        if limit is not None and isinstance(size, int) and size > limit:
            raise ModelError(
                f"{flag} {size} is over the limit of {manifest.name}, {limit}", hint=f"use {flag} {limit} or less"
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


def _check_classes(manifest: ModelManifest, dataset: Dataset, observer: Observer) -> None:
    """A model that cannot name a label of the data set was given the wrong data; one that knows more, probably."""
    output = manifest.outputs[0]
    if output.classes is None or not dataset.labels:
        return
    known = output.classes - output.offset
    if max(dataset.labels) >= known:
        raise DataError(
            f"{dataset.name} has labels up to {max(dataset.labels)}, {manifest.name} knows {known} classes",
            hint="choose the data set that the model was made for with --dataset-name",
        )
    if dataset.classes is not None and dataset.classes != known:
        observer.warn(
            f"{dataset.name} has {dataset.classes} classes, {manifest.name} knows {known}: do they mean the same?"
        )
