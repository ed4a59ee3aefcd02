"""What decodes pictures: mlscope's own interpreter, or a stack that a model's manifest asks for."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlscope.errors import StackError
from mlscope.manifests import FrameworkManifest, InputSpec, LoaderSpec
from mlscope.stacks import Stack, find_stack, stack_from_lock

__all__ = ["Decoder", "decoder_from_lock", "find_decoder", "own_decoder"]

_DISTRIBUTIONS = {
    "opencv": (
        "opencv-python-headless",
        "opencv-python",
        "opencv-contrib-python-headless",
        "opencv-contrib-python",
    ),
    "pillow": ("pillow", "pillow-simd"),
}
_CODE = ("_steps.py", "_pictures.py")
_STACK = FrameworkManifest.model_validate(
    {"name": "loader", "description": "What decodes pictures for a model that names its versions.", "predictor": "null"}
)


@dataclasses.dataclass(frozen=True, slots=True)
class Decoder:
    """An interpreter with the libraries that an input's steps name."""

    libraries: Mapping[str, str]
    """Distribution → version, of those that decode and resize."""
    python: Path = Path(sys.executable)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Variables that it needs beside the caller's."""
    stack: Stack | None = None
    """Where the interpreter is not mlscope's own."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides which pixels come out: the libraries, and this room's own code."""
        code = hashlib.sha256()
        for name in _CODE:
            code.update(Path(__file__).with_name(name).read_bytes())
        return {"libraries": dict(self.libraries), "code": code.hexdigest()}


def own_decoder(inputs: InputSpec) -> Decoder:
    """Mlscope's own interpreter."""
    return Decoder(_used(inputs, {each: _own(each) for names in _DISTRIBUTIONS.values() for each in names}))


def find_decoder(
    wanted: LoaderSpec | None,
    inputs: InputSpec,
    *,
    offline: bool = False,
    progress: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Decoder:
    """What decodes the pictures of a model; its stack is built where it is not there yet.

    Args:
        wanted: What the model's manifest asks for; None: mlscope's own interpreter.
        inputs: The model's input. A library that its steps need and that is not asked for is taken in mlscope's own
            version.
        offline: Rule out the network.
        progress: Is told of stages that take time.
        warn: Is told of what a user should know.

    Raises:
        StackError: The stack cannot be had.
        ChecksumError, ResourceError: As for :func:`mlscope.stacks.find_stack`.
    """
    if wanted is None:
        return own_decoder(inputs)
    named = {canonicalize_name(Requirement(text).name) for text in wanted.packages}
    further = [
        f"{names[0]}=={_own(names[0])}" if _own(names[0]) else names[0]
        for library, names in _DISTRIBUTIONS.items()
        if library in _libraries(inputs) and not named & set(names)
    ]
    stack = find_stack(
        _STACK,
        "*",
        kind="uv",
        python=wanted.python,
        extra=(*wanted.packages, *further),
        offline=offline,
        progress=progress,
        warn=warn,
    )
    return _decoder(stack, inputs)


def decoder_from_lock(
    text: str,
    inputs: InputSpec,
    *,
    offline: bool = False,
    progress: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Decoder:
    """The decoder of a lock that was stored with a result; errors as for :func:`mlscope.stacks.stack_from_lock`."""
    return _decoder(stack_from_lock(text, _STACK, offline=offline, progress=progress, warn=warn), inputs)


def _decoder(stack: Stack, inputs: InputSpec) -> Decoder:
    packages = {each["name"]: each["version"] for each in stack.lock()["packages"]}
    return Decoder(_used(inputs, packages), stack.python, stack.environment(), stack)


def _libraries(inputs: InputSpec) -> set[str]:
    """Names of the libraries that the steps use."""
    return {step.library for step in inputs.steps if step.op in {"decode", "resize"}}


def _used(inputs: InputSpec, there: Mapping[str, str | None]) -> dict[str, str]:
    """The distributions behind the libraries that the steps use.

    Raises:
        StackError: One is not there.
    """
    found: dict[str, str] = {}
    for library in sorted(_libraries(inputs)):
        versions = {name: version for name in _DISTRIBUTIONS[library] if (version := there.get(name))}
        if not versions:
            raise StackError(f"what decodes the pictures has no {_DISTRIBUTIONS[library][0]}, which the steps name")
        found |= versions
    return found


def _own(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
