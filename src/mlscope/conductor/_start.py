"""Workers for a plan: how they are started, and what they are told to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.conductor._prepare import Prepared
from mlscope.conductor._worker import Worker
from mlscope.worker.protocol import Load, Tensor

__all__ = ["declared_input", "load_command", "open_worker"]


def declared_input(prepared: Prepared) -> Tensor:
    """The input that the manifest declares, without the batch."""
    assert prepared.manifest is not None
    spec = prepared.manifest.inputs[0]
    return Tensor(spec.name or "", spec.element_type, tuple(spec.shape or ()))


def open_worker(prepared: Prepared, folder: Path, log: Path, writable: Sequence[Path] = ()) -> Worker:
    """Start a worker on the plan's stack.

    Args:
        prepared: What will be run.
        folder: Where it runs.
        log: Where what it prints goes.
        writable: Other folders that it may write to.

    Raises:
        MlscopeError: It cannot be started.
    """
    request, named = prepared.request, _existing(prepared.plan.framework.options)
    pictures = [prepared.pictures.pixels] if prepared.pictures else []
    return Worker(
        prepared.stack,
        folder=folder,
        log=log,
        prefix=request.worker_prefix,
        files=[*prepared.weights.values(), *pictures, *(path for path in named if not path.is_dir())],
        writable=[*writable, *(path for path in named if path.is_dir())],
        env=request.env,
        gpu=request.gpu_device_id if request.gpu else None,
    )


def load_command(prepared: Prepared, inputs: Sequence[Tensor]) -> Load:
    """The command to load the plan's model."""
    plan, execution = prepared.plan, prepared.plan.execution
    return Load(
        predictor=plan.framework.predictor,
        files={role: str(path.absolute()) for role, path in prepared.weights.items()},
        inputs=list(inputs),
        batch_size=execution.batch_size,
        threads=execution.threads,
        streams=execution.streams,
        pin=execution.pin,
        device=execution.device,
        options=plan.framework.options,
    )


def _existing(options: Mapping[str, Any]) -> list[Path]:
    """Files and folders that a predictor's options name."""
    texts = [value for value in options.values() if isinstance(value, str) and value.startswith("/")]
    return [path for path in map(Path, texts) if path.exists()]
