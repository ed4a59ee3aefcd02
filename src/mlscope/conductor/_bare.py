"""Model files without a manifest: what they take and give, and load tests with random inputs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from mlscope._files import digest
from mlscope.conductor._choose import Chosen, choose_stack
from mlscope.conductor._load_choice import load_choice, workload_choice
from mlscope.conductor._outcome import Observer
from mlscope.conductor._prepare import Prepared, execution
from mlscope.conductor._serving import check_serving
from mlscope.conductor._worker import Worker
from mlscope.errors import DataError, ModelError, UsageError
from mlscope.manifests import FrameworkManifest, list_frameworks
from mlscope.plan import FrameworkChoice, ModelChoice, Plan, Request, WeightsChoice, parse_trace_level
from mlscope.stacks import Stack, find_gpu, find_stack, named_framework
from mlscope.worker.protocol import Load, Loaded, Tensor

__all__ = ["framework_of", "inspect_model", "is_bare", "prepare_bare", "resolve_shapes"]


def framework_of(path: Path) -> FrameworkManifest:
    """The framework that takes a model file, by the file's ending.

    Raises:
        ModelError: There is none.
    """
    endings: list[str] = []
    for found in list_frameworks():
        if found.manifest.predictor and path.suffix.lower() in found.manifest.suffixes:
            return found.manifest
        endings += found.manifest.suffixes if found.manifest.predictor else ()
    raise ModelError(
        f"no framework takes files that end in {path.suffix!r}", where=str(path), hint=f"known are {' '.join(endings)}"
    )


def is_bare(name: str) -> bool:
    """Whether a model's name is the path of a model file."""
    endings = {suffix for found in list_frameworks() for suffix in found.manifest.suffixes}
    return Path(name).suffix.lower() in endings


def _inspect(path: Path, framework: FrameworkManifest, stack: Stack) -> Loaded:
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    folder = Path(tempfile.mkdtemp(prefix="mlscope-"))
    worker = None
    try:
        worker = Worker(stack, folder=folder, log=folder / "worker.log", files=[path])
        loaded = worker.load(Load(str(framework.predictor), {"graph": str(path.absolute())}, [], 1, 1, inspect=True))
        worker.quit()
    finally:
        if worker is not None and worker.channel.process.poll() is None:
            worker.kill()
        shutil.rmtree(folder, ignore_errors=True)
    return loaded


def inspect_model(path: Path) -> tuple[str, list[Tensor], list[Tensor]]:
    """What a model file takes and gives.

    Returns:
        The framework's name, the inputs and the outputs, with the batch dimension; -1 for dynamic dimensions.

    Raises:
        MlscopeError: No such file, no framework for it, or the framework cannot load it.
    """
    framework = framework_of(path)
    loaded = _inspect(path, framework, find_stack(framework, "*"))
    return framework.name, loaded.inputs, loaded.outputs


def resolve_shapes(inputs: list[Tensor], shapes: dict[str, tuple[int, ...]]) -> tuple[list[Tensor], int | None]:
    """The inputs without the batch dimension, all sizes known, and the batch size that the shapes name.

    Raises:
        UsageError: A shape for an input that is not there, one that does not fit, or none for a dynamic input.
    """
    names = [tensor.name for tensor in inputs]
    for name in shapes:
        if name not in names:
            raise UsageError(f"the model has no input {name!r}", hint=f"it has {', '.join(names)}")
    batches = {shape[0] for shape in shapes.values()}
    if len(batches) > 1:
        raise UsageError(f"the shapes name different batch sizes: {', '.join(map(str, sorted(batches)))}")
    found = []
    for tensor in inputs:
        shape = shapes.get(tensor.name, tensor.shape)
        if not shape:
            raise UsageError(f"input {tensor.name!r} is a scalar, which cannot be batched")
        fits = len(shape) == len(tensor.shape) and all(h in (-1, w) for h, w in zip(tensor.shape, shape, strict=True))
        if not fits:
            raise UsageError(f"--shape for {tensor.name!r} does not fit the model's {list(tensor.shape)}")
        if -1 in shape[1:]:
            text = "x".join("?" if size < 0 else str(size) for size in tensor.shape)
            raise UsageError(
                f"input {tensor.name!r} has dynamic dimensions ({text})",
                hint=f"give --shape {tensor.name}:{text.replace('?', 'N')}",
            )
        found.append(Tensor(tensor.name, tensor.element_type, tuple(shape[1:])))
    return found, batches.pop() if batches else None


def prepare_bare(request: Request, observer: Observer, stack: Stack | None = None) -> tuple[Prepared, list[Tensor]]:
    """Resolve a request for a model file with random inputs; also returns the inputs.

    Raises:
        MlscopeError: Whatever is wrong with it.
    """
    tensors = request.tensors
    assert tensors is not None
    observer.stage("prepare")
    check_serving(request)
    path = Path(request.model_name)
    framework, constraint = named_framework(request.framework) if request.framework else (framework_of(path), "*")
    if not tensors.random_inputs:
        raise UsageError("a model file without a manifest can only be run on random inputs", hint="add --random-inputs")
    if request.gpu:
        observer.note(f"GPU: {find_gpu(request.gpu_device_id)}")
    stack = stack or choose_stack(request, Chosen(framework, constraint), observer)
    loaded = _inspect(path, framework, stack)
    inputs, batch = resolve_shapes(loaded.inputs, tensors.shapes)
    fixed = next((tensor.shape[0] for tensor in loaded.inputs if tensor.shape[0] > 0), None)
    batch = batch or (request.batch_size if request.batch_size > 1 or framework.name == "litert" else fixed or 1)
    request = request.model_copy(update={"batch_size": batch})
    sha256 = digest(path)
    plan = Plan(
        command=request.command,
        model=ModelChoice(
            name=path.stem,
            version="0",
            manifest={},
            manifest_sha256="",
            weights=(WeightsChoice(role="graph", name=path.name, sha256=sha256),),
        ),
        framework=FrameworkChoice(
            name=framework.name,
            predictor=str(framework.predictor),
            version=stack.framework_version,
            constraint=constraint,
            overridden=request.framework is not None,
            options=request.options,
        ),
        dataset=None,
        execution=execution(request, parse_trace_level(request.trace_level)),
        load=load_choice(request, path.stem, None) if request.load else None,
        workload=workload_choice(request, None) if request.workload else None,
        stack_kind=stack.kind,
    )
    return Prepared(request, plan, stack, {"graph": path}, None, None, ()), inputs
