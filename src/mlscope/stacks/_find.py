"""From a framework and a constraint to a stack that runs it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from mlscope.errors import StackError
from mlscope.manifests import FrameworkManifest
from mlscope.stacks._container import container_from_lock, container_stack
from mlscope.stacks._engine import find_engine
from mlscope.stacks._host import HostStack, host_stack
from mlscope.stacks._lock import Lock
from mlscope.stacks._pythons import Interpreter, find_python, this_python
from mlscope.stacks._stack import Stack
from mlscope.stacks._uv import Reporter, built, framework_version, resolved
from mlscope.stacks._wanted import Wanted, constraint_of

__all__ = ["ChosenVersion", "Kind", "choose_version", "find_stack", "lock_stack", "stack_from_lock"]

Kind = Literal["auto", "host", "uv", "container"]
Say = Callable[[str], None]


def find_stack(
    framework: FrameworkManifest,
    constraint: str,
    *,
    kind: Kind = "auto",
    python: str | None = None,
    extra: Sequence[str] = (),
    gpu: bool = False,
    offline: bool = False,
    upgrade: bool = False,
    fresh: bool = False,
    progress: Say | None = None,
    warn: Say | None = None,
) -> Stack:
    """A stack that runs a framework; built where it is not there yet.

    Args:
        framework: Which framework.
        constraint: Which versions of it will do.
        kind: ``host``: the running interpreter; ``uv``: an environment of its own; ``container``: an image; ``auto``:
            the host where it will do and nothing else is asked for (further packages, another Python, the framework's
            build for a GPU), else an environment.
        python: ``3.12``, ``>=3.10`` or the path of an interpreter; None: the running one where the framework's manifest
            allows it.
        extra: Further packages, as pip writes them.
        gpu: Whether it is to run on a GPU.
        offline: Rule out the network.
        upgrade: Resolve anew, though the same was resolved before.
        fresh: Build anew, though it is there.
        progress: Is told of stages that take time.
        warn: Is told of what a user should know.

    Raises:
        StackError: There is no such version, no wheel of it for this Python, no set of packages that fits, no network,
            no such Python, no container engine; the message says which.
        ChecksumError: A wheel is not the one that the lock promises.
        ResourceError: The disk is full or cannot be written.
    """
    if framework.predictor is None:
        return host_stack(framework, constraint)  # says that mlscope cannot run it
    if kind == "container":
        find_engine()  # before anything is resolved
    asked = python is not None or bool(extra)
    if kind == "host":
        if asked:
            raise StackError(
                "the host's stack is as it is",
                hint="a Python or packages can be chosen for an environment of its own (kind uv)",
            )
        return host_stack(framework, constraint)
    other_build = gpu and bool(framework.gpu_packages)
    if kind == "auto" and not asked and not other_build:
        try:
            return host_stack(framework, constraint)
        except StackError:
            if framework.package is None and not framework.packages:
                raise
    report = Reporter(progress or (lambda _: None), warn or (lambda _: None))
    wanted = _wanted(framework, constraint, python, extra, gpu)
    lock = resolved(wanted, offline=offline, upgrade=upgrade, report=report)
    if kind == "container":
        return container_stack(lock, wanted, offline=offline, fresh=fresh, report=report)
    return built(lock, wanted, offline=offline, fresh=fresh, report=report)


@dataclasses.dataclass(frozen=True, slots=True)
class ChosenVersion:
    """What :func:`find_stack` would run."""

    version: str
    kind: Literal["host", "uv"]
    python: str
    lock_sha256: str


def choose_version(
    framework: FrameworkManifest,
    constraint: str,
    *,
    python: str | None = None,
    offline: bool = False,
    warn: Say | None = None,
) -> ChosenVersion:
    """What :func:`find_stack` would take by itself (kind ``auto``), without building it; errors as there."""
    if python is None:
        try:
            host = host_stack(framework, constraint)
            return ChosenVersion(host.framework_version, "host", this_python().version, host.lock_sha256)
        except StackError:
            if framework.package is None and not framework.packages:
                raise
    wanted = _wanted(framework, constraint, python, (), gpu=False)
    lock = resolved(wanted, offline=offline, upgrade=False, report=Reporter(warn=warn or (lambda _: None)))
    return ChosenVersion(framework_version(wanted, lock), "uv", wanted.python.version, lock.sha256)


def lock_stack(
    framework: FrameworkManifest,
    constraint: str,
    *,
    python: str | None = None,
    extra: Sequence[str] = (),
    gpu: bool = False,
    offline: bool = False,
    upgrade: bool = False,
    progress: Say | None = None,
    warn: Say | None = None,
) -> dict[str, Any]:
    """What :func:`find_stack` would build, as :meth:`Stack.lock` tells it; arguments and errors as there."""
    report = Reporter(progress or (lambda _: None), warn or (lambda _: None))
    wanted = _wanted(framework, constraint, python, extra, gpu)
    return resolved(wanted, offline=offline, upgrade=upgrade, report=report).stored_form()


def stack_from_lock(
    text: str,
    framework: FrameworkManifest,
    *,
    offline: bool = False,
    progress: Say | None = None,
    warn: Say | None = None,
) -> Stack:
    """The stack of a lock that was stored with a result (``lock.json``).

    A host's lock cannot be rebuilt: the running interpreter is taken where it has the same version of the framework,
    and what else differs is a warning. Of an environment the same wheels are taken, and the same Python; where that is
    not installed, another patch release of it, with a warning.

    Raises:
        StackError: The lock cannot be read, or this machine cannot have its stack.
        ChecksumError, ResourceError: As for :func:`find_stack`.
    """
    report = Reporter(progress or (lambda _: None), warn or (lambda _: None))
    try:
        stored = json.loads(text)
        kind = stored["kind"]
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(f"the lock cannot be read: {error}") from error
    if kind == "host":
        return _same_host(stored, framework, report)
    lock = Lock.stored(stored)
    interpreter = _same_python(lock, framework, report)
    if kind == "container":
        return container_from_lock(stored, lock, _pinned(framework, interpreter), offline=offline, report=report)
    if kind != "uv":
        raise StackError(f"the lock is of a kind that this mlscope does not know: {kind}", hint="use a newer mlscope")
    lock = dataclasses.replace(lock, python=interpreter.facts())
    return built(lock, _pinned(framework, interpreter), offline=offline, fresh=False, report=report)


def _wanted(
    framework: FrameworkManifest, constraint: str, python: str | None, extra: Sequence[str], gpu: bool
) -> Wanted:
    parsed = constraint_of(framework, constraint)
    interpreter = find_python(python, framework.python, framework.name)
    return Wanted(framework, parsed, tuple(extra), gpu, interpreter)


def _pinned(framework: FrameworkManifest, python: Interpreter) -> Wanted:
    """What a lock was made for, as far as building it again needs to know."""
    return Wanted(framework, constraint_of(framework, "*"), (), False, python)


def _same_python(lock: Lock, framework: FrameworkManifest, report: Reporter) -> Interpreter:
    """The Python of a lock, or another patch release of it."""
    version, platform = str(lock.python.get("version")), lock.python.get("platform")
    minor = ".".join(version.split(".")[:2])
    try:
        found = find_python(f"=={version}", None, framework.name)
    except StackError:
        found = find_python(f"=={minor}.*", None, framework.name)
        report.warn(f"the lock is for Python {version}, which is not installed; {found.version} is taken")
    if found.platform != platform:
        raise StackError(f"the lock is for {platform}, this machine is {found.platform}", hint="resolve anew")
    return found


def _same_host(stored: Mapping[str, Any], framework: FrameworkManifest, report: Reporter) -> HostStack:
    """The running interpreter, in so far as it is what it was."""
    stack = host_stack(framework, "*")
    then, now = _versions(stored), _versions(stack.lock())
    if framework.package is not None and then.get(framework.package) != now.get(framework.package):
        raise StackError(
            f"the run used {framework.name} {then.get(framework.package, '?')} of the interpreter that mlscope ran in; "
            f"now it has {now.get(framework.package)}",
            hint="name the version with --framework to run it in an environment of its own",
        )
    other = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    if other:
        changes = ", ".join(f"{name} {then.get(name, 'none')} → {now.get(name, 'none')}" for name in other[:5])
        more = f" and {len(other) - 5} more" if len(other) > 5 else ""
        report.warn(f"the interpreter is not as it was: {changes}{more}")
    return stack


def _versions(lock: Mapping[str, Any]) -> dict[str, str]:
    versions = {package["name"]: package["version"] for package in lock["packages"]}
    return versions | {"python": lock["python"]["version"]}
