"""Python hooks of a manifest. They run only when the user allowed them, and only in the loader's processes.

A field holds Python source that defines a function of the field's name:

* ``before_preprocess(ctx, data: bytes) -> bytes``
* ``preprocess(ctx, data: bytes) -> numpy array`` of the input's shape; it takes the place of the declared steps
* ``after_preprocess(ctx, array) -> array``
* ``before_postprocess(ctx, outputs: list) -> list``
* ``postprocess(ctx, outputs: list of numpy arrays, one a model output) -> numpy array`` of class scores
* ``after_postprocess(ctx, scores) -> scores``

`ctx` is a dictionary with the model's ``name``, ``version``, ``inputs``, ``outputs`` and ``attributes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["HookError", "compile_hooks"]

Hook = Callable[[Any], Any]


class HookError(Exception):
    """A hook that cannot be compiled or does not define its function."""


def compile_hooks(sources: Mapping[str, str | None], context: Mapping[str, Any]) -> dict[str, Hook]:
    """The hooks that are there, bound to their context.

    Raises:
        HookError: Source that does not compile, raises at import, or lacks the function.
    """
    return {name: _compile(name, text, context) for name, text in sources.items() if text}


def _compile(name: str, source: str, context: Mapping[str, Any]) -> Hook:
    namespace: dict[str, Any] = {"__name__": f"mlscope_hook_{name}"}
    try:
        exec(compile(source, f"<{name} of the manifest>", "exec"), namespace)  # noqa: S102 - the user allowed it
    except Exception as error:  # whatever foreign code raises is reported
        raise HookError(f"the hook {name} cannot be loaded: {type(error).__name__}: {error}") from error
    function = namespace.get(name)
    if not callable(function):
        raise HookError(f"the hook {name} defines no function {name}(ctx, data)")
    return lambda data: function(context, data)
