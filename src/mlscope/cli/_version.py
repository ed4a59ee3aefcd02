"""``mlscope version``."""

from __future__ import annotations

import importlib.metadata
import platform

from mlscope._origin import origin
from mlscope.cli._flags import Globals
from mlscope.cli._terminal import emit

__all__ = ["version", "version_line"]

_GLOBALS = Globals()


def version(*, flags: Globals = _GLOBALS) -> None:
    """Print the versions of mlscope, Python and LoadGen."""
    emit(version_line())


def version_line() -> str:
    """``mlscope 0.1.0 (f5f46485be82), Python 3.11.7, LoadGen 6.0.17``."""
    return f"mlscope {origin()}, Python {platform.python_version()}, LoadGen {_of('mlcommons-loadgen')}"


def _of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
