"""The ONNX file of a model, for analyses that read the graph alone."""

from __future__ import annotations

from pathlib import Path

from mlscope.conductor._choose import choose_framework, choose_model, choose_stack, choose_weights
from mlscope.conductor._outcome import Observer, SilentObserver
from mlscope.errors import ModelError
from mlscope.plan import Request

__all__ = ["model_graph"]

_FRAMEWORK = "onnxruntime"


def model_graph(name: str, observer: Observer | None = None, *, offline: bool = False) -> Path:
    """Have the ONNX file of a model: fetched, or made by its recipe.

    Args:
        name: A model's name or a manifest's path.
        observer: Hears how it goes.
        offline: Only what is in the cache.

    Raises:
        MlscopeError: There is no such model, it has no ONNX file, or that cannot be had.
    """
    hears = observer or SilentObserver()
    request = Request(command="predict dataset", model_name=name, offline=offline)
    found, _ = choose_model(request)
    entry = found.manifest.weights_for(_FRAMEWORK)
    if entry is None:
        hint = "operations are counted in ONNX graphs only"
        raise ModelError(f"{found.manifest.name} has no files for {_FRAMEWORK}", where=str(found.path), hint=hint)
    if found.manifest.framework.name != _FRAMEWORK:
        request = request.model_copy(update={"framework": _FRAMEWORK})
    chosen = choose_framework(request, found.manifest, entry)
    stack = choose_stack(request, chosen, hears)
    files, _ = choose_weights(request, found, entry, framework=chosen.framework, stack=stack, observer=hears)
    return files["graph"]
