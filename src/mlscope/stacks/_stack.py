"""What a stack is: the software that runs one framework."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mlscope.stacks._gpu import chosen_gpu

__all__ = ["Launch", "LaunchHere", "Stack"]


@dataclasses.dataclass(frozen=True, slots=True)
class Launch:
    """How a worker is started on a stack."""

    command: tuple[str, ...]
    """What the worker's script and its arguments are put behind."""
    environment: Mapping[str, str]
    """All variables of the command."""
    engine: str | None = None
    """The container engine that the command is, if it is one: its exit codes are 128 + a signal's number where the
    worker was ended by it, and 125 to 127 where no worker could be started."""
    end: tuple[str, ...] = ()
    """Ends what goes on after the command was killed; empty where nothing does."""


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
        """Environment variables that a process needs beside the caller's."""

    def launch(
        self,
        folder: Path,
        *,
        prefix: Sequence[str] = (),
        files: Sequence[Path] = (),
        writable: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
        gpu: int | None = None,
    ) -> Launch:
        """How to start a worker.

        Args:
            folder: Its working folder, which it writes into.
            prefix: A command that runs the interpreter (``taskset -c 0``).
            files: Files and folders that it reads.
            writable: Further files and folders that it writes.
            env: Variables for it, beside the caller's.
            gpu: Number of the GPU that it uses; None: none.

        Raises:
            StackError: There is no such GPU, or something cannot be handed to a container.
            ResourceError: The disk is full or cannot be written.
        """


class LaunchHere:
    """Of stacks whose workers are processes of this machine, and see all its files and the caller's environment."""

    __slots__ = ()

    def launch(
        self: Stack,
        folder: Path,
        *,
        prefix: Sequence[str] = (),
        files: Sequence[Path] = (),
        writable: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
        gpu: int | None = None,
    ) -> Launch:
        variables = {**os.environ, **self.environment(), **(env or {})}
        if gpu is not None:  # CUDA's own order is not that of nvidia-smi, whose numbers a user knows
            variables |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": chosen_gpu(gpu, variables)}
        return Launch((*prefix, str(self.python)), variables)
