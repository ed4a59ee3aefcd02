"""What a stack is: the software that runs one framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

__all__ = ["Stack"]


class Stack(Protocol):
    """The software that a plan names: an interpreter with a framework in it, and a lock that tells all of it."""

    @property
    def kind(self) -> str:
        """``host``, ``uv`` or ``container``."""

    @property
    def python(self) -> Path:
        """The interpreter that workers are started with; a container's is inside it."""

    @property
    def framework_version(self) -> str:
        """The installed version of the framework."""

    @property
    def lock_sha256(self) -> str:
        """Digest of the software that :meth:`lock` names; equal software has equal digests on any machine."""

    def lock(self) -> dict[str, Any]:
        """Everything that the stack consists of, as JSON can hold it; :func:`stack_from_lock` takes it."""

    def environment(self) -> dict[str, str]:
        """Environment variables that a worker needs beside the caller's."""
