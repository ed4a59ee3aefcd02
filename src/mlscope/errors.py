"""Every error that mlscope raises on purpose, with the exit code that its command ends with.

::

    MlscopeError (1)
     ├── UsageError (2)            flags or arguments that make no sense together
     ├── ManifestError (3)         a manifest that cannot be read; carries file, line and column
     ├── AssetError (4)            weights, labels or archives that cannot be had
     │    ├── ChecksumError        … because the bytes are not the ones that were promised
     │    └── OfflineError         … because fetching them needs a network that was ruled out
     ├── DataError (5)             data sets, pictures and labels
     ├── StackError (6)            frameworks, versions, devices
     ├── ModelError (7)            a model file that does not load or does not fit its manifest
     ├── WorkerError (8)           the worker process died or broke the protocol
     ├── StoreError (9)            results that cannot be stored, found or published
     ├── ResourceError (10)        full disk, read-only folder, out of memory
     ├── NotQuietError (11)        other programs disturbed, and --require-quiet was given
     └── Interrupted (130)         Ctrl-C; what was measured is kept

Commands raise; only :func:`mlscope.cli.main` turns an error into one line on stderr and an exit code.
"""

from __future__ import annotations

__all__ = [
    "EXIT_CODES",
    "FAILED_CONDITION",
    "INVALID_SUBMISSION",
    "NOT_REPRODUCED",
    "UNDECIDED",
    "AssetError",
    "ChecksumError",
    "DataError",
    "Interrupted",
    "ManifestError",
    "MlscopeError",
    "ModelError",
    "NotQuietError",
    "OfflineError",
    "ResourceError",
    "StackError",
    "StoreError",
    "UsageError",
    "WorkerError",
]


class MlscopeError(Exception):
    """Base of all: one line that says what is wrong, where, and what to do next.

    Args:
        what: What is wrong, a clause without a full stop.
        where: The file (``path``, ``path:line`` or ``path:line:column``), address or name at fault.
        hint: What the user can do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.hint}" if self.hint else text


class UsageError(MlscopeError):
    """Flags or arguments that cannot be understood or make no sense together."""

    exit_code = 2


class ManifestError(MlscopeError):
    """A manifest that is broken; `where` is ``file:line:column``."""

    exit_code = 3


class AssetError(MlscopeError):
    """Weights, labels or archives that cannot be had."""

    exit_code = 4


class ChecksumError(AssetError):
    """The bytes are not the ones that were promised; they were not kept."""


class OfflineError(AssetError):
    """The bytes are not on this machine and the network was ruled out."""


class DataError(MlscopeError):
    """A data set, a picture or a label that cannot be used."""

    exit_code = 5


class StackError(MlscopeError):
    """A framework, version or device that is not here."""

    exit_code = 6


class ModelError(MlscopeError):
    """A model file that does not load, or that does not fit its manifest or the request."""

    exit_code = 7


class WorkerError(MlscopeError):
    """The worker process died or broke the protocol; what it measured is kept."""

    exit_code = 8


class StoreError(MlscopeError):
    """Results that cannot be stored, found or published."""

    exit_code = 9


class ResourceError(MlscopeError):
    """The machine ran out of something: disk, memory, permission to write."""

    exit_code = 10


class NotQuietError(MlscopeError):
    """The machine was not quiet although ``--require-quiet`` asks for it; what was measured is kept."""

    exit_code = 11


class Interrupted(MlscopeError):
    """Ctrl-C; what was measured until then is kept and marked."""

    exit_code = 130


FAILED_CONDITION, NOT_REPRODUCED, UNDECIDED, INVALID_SUBMISSION = 20, 21, 22, 23
"""Exit codes of commands that were done, and whose finding is to stop a script."""

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "an error of mlscope itself",
    **{
        cls.exit_code: (cls.__doc__ or "").splitlines()[0].rstrip(".")
        for cls in (
            UsageError,
            ManifestError,
            AssetError,
            DataError,
            StackError,
            ModelError,
            WorkerError,
            StoreError,
            ResourceError,
            NotQuietError,
            Interrupted,
        )
    },
    FAILED_CONDITION: "done, and a condition of `compare --fail-if` holds",
    NOT_REPRODUCED: "done, and `verify` finds the run not reproduced",
    UNDECIDED: "done, and `verify` has not enough data to decide",
    INVALID_SUBMISSION: "done, and `submission check` finds errors",
}
"""Exit code → what it means; the CLI reference prints this table."""
