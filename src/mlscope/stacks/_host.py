"""The stack that is already there: the interpreter that runs mlscope."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from mlscope._schema import canonical_digest
from mlscope.errors import StackError
from mlscope.manifests import Constraint, FrameworkManifest
from mlscope.stacks._stack import LaunchHere

__all__ = ["HostStack", "host_stack"]


@dataclasses.dataclass(frozen=True, slots=True)
class _Package:
    """One installed distribution."""

    name: str
    version: str
    record_sha256: str | None
    """Of the RECORD (its text, lines ended by LF), which holds every file's digest; None where there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class HostStack(LaunchHere):
    """The running interpreter and what is installed in it; a :class:`~mlscope.stacks.Stack`."""

    python: Path
    framework_version: str
    packages: tuple[_Package, ...]
    kind: str = "host"

    def lock(self) -> dict[str, Any]:
        """Interpreter and distributions; no path of this machine, so that equal software has an equal lock."""
        return {
            "kind": "host",
            "python": {
                "implementation": platform.python_implementation(),
                "version": platform.python_version(),
                "build": sys.version,
                "platform": sysconfig.get_platform(),
                "libc": " ".join(platform.libc_ver()).strip() or None,
            },
            "packages": [dataclasses.asdict(package) for package in self.packages],
        }

    @property
    def lock_sha256(self) -> str:
        """Digest of :meth:`lock` in canonical JSON."""
        return canonical_digest(self.lock())

    def environment(self) -> dict[str, str]:
        """Nothing: the caller's environment is the stack's."""
        return {}


def host_stack(framework: FrameworkManifest, constraint: str) -> HostStack:
    """The running interpreter as the stack for a framework, which is not imported.

    Args:
        framework: Which framework.
        constraint: Which versions of it will do, as a model's manifest writes it.

    Raises:
        StackError: mlscope cannot run the framework, it is not installed, or its version does not meet the
            constraint.
    """
    if framework.predictor is None:
        raise StackError(
            f"mlscope knows {framework.name} but has no predictor for it in this version",
            hint="`mlscope info frameworks` lists those that it can run",
        )
    version = _version(framework)
    try:
        admitted = Constraint.parse(constraint).admits(version)
    except ValueError as error:
        raise StackError(f"the version of {framework.name} cannot be chosen: {error}") from error
    if not admitted:
        raise StackError(
            f"{framework.name} {version} is installed, but the model wants {constraint}",
            hint=_install(framework, "a version that fits"),
        )
    return HostStack(Path(sys.executable), version, _packages())


def _version(framework: FrameworkManifest) -> str:
    """The framework's version by its distribution; what ships with mlscope has mlscope's."""
    try:
        return metadata.version(framework.package or "mlscope")
    except metadata.PackageNotFoundError:
        raise StackError(
            f"{framework.name} is not installed in {sys.executable}", hint=_install(framework, "it")
        ) from None


def _install(framework: FrameworkManifest, what: str) -> str:
    if framework.package is None:
        return "it comes with mlscope: install another mlscope, or change the constraint in the manifest"
    return f"install {what} there (pip install {framework.package}) or change the constraint in the manifest"


def _packages() -> tuple[_Package, ...]:
    """Every distribution, by name; of two with one name the first on the path is the one that is imported."""
    found: dict[str, _Package] = {}
    for distribution in metadata.distributions():
        if "Name" not in distribution.metadata:
            continue  # the rest of a broken installation
        name = canonicalize_name(distribution.metadata["Name"])
        record = distribution.read_text("RECORD")
        digest = hashlib.sha256(record.encode()).hexdigest() if record else None
        found.setdefault(name, _Package(name, distribution.version, digest))
    return tuple(found[name] for name in sorted(found))
