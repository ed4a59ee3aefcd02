"""Stacks in environments of their own: resolved to a lock, built once, shared."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from mlscope._files import digest, write_atomic
from mlscope._lease import Lease
from mlscope._schema import canonical_digest
from mlscope.errors import ChecksumError, StackError
from mlscope.stacks._explain import Unresolvable
from mlscope.stacks._lock import Lock
from mlscope.stacks._pip import Pip
from mlscope.stacks._pythons import Interpreter
from mlscope.stacks._stack import LaunchHere
from mlscope.stacks._store import folder_of, kept, stacks_dir
from mlscope.stacks._tools import Tool, Uv, find_uv
from mlscope.stacks._wanted import LOADGEN, Wanted

__all__ = ["Reporter", "UvStack", "built", "framework_version", "relocated", "resolved", "tool"]

_UV_SETTINGS = (
    *("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX_STRATEGY"),
    *("UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE", "UV_EXCLUDE_NEWER", "UV_PRERELEASE", "UV_RESOLUTION"),
    *("UV_TORCH_BACKEND", "UV_CONFIG_FILE"),
)
_LARGE = 10**9


@dataclasses.dataclass(frozen=True, slots=True)
class Reporter:
    """Who is told of what is going on: stages, and warnings."""

    progress: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None


@dataclasses.dataclass(frozen=True, slots=True)
class UvStack(LaunchHere):
    """An environment of its own; a :class:`~mlscope.stacks.Stack`. It is not removed while this object lives."""

    id: str
    """Names the environment on this machine."""
    path: Path
    """Folder of the environment."""
    python: Path
    framework_version: str
    content: Lock
    lease: Lease
    kind: str = "uv"

    def lock(self) -> dict[str, Any]:
        """Interpreter and wheels: ``python``, ``packages`` with digests, and ``pylock``, the text of a pylock.toml."""
        return self.content.stored_form()

    @property
    def lock_sha256(self) -> str:
        """Digest of the Python and the wheels; not of where these were found."""
        return self.content.sha256

    def environment(self) -> dict[str, str]:
        """Keeps the caller's own packages out."""
        return {name: "" for name in ("PYTHONPATH", "PYTHONHOME") if os.environ.get(name)}


def tool() -> Tool:
    """Uv, or pip where there is no uv."""
    uv = find_uv()
    return Uv(uv) if uv else Pip()


def framework_version(wanted: Wanted, lock: Lock) -> str:
    """The framework's version by the lock; what ships with mlscope has mlscope's."""
    names = wanted.names()
    locked = {wheel.name: wheel.version for wheel in lock.wheels}
    found = next((locked[name] for name in names if name in locked), None)
    if found is None and names:
        raise StackError(f"the lock has no {names[0]}: it is not one of {wanted.framework.name}")
    return found or metadata.version("mlscope")


def resolved(wanted: Wanted, *, offline: bool, upgrade: bool, report: Reporter) -> Lock:
    """The wheels for what is wanted; as they were resolved before on this machine, unless `upgrade`.

    Raises:
        StackError: There are none, or they cannot be looked up.
        ResourceError: The disk is full or cannot be written.
    """
    if wanted.package is None and not wanted.constraint.admits(metadata.version("mlscope")):
        raise StackError(
            f"{wanted.framework.name} comes with mlscope {metadata.version('mlscope')}, "
            f"but {wanted.constraint} is wanted",
            hint="install another mlscope, or leave the version out",
        )
    preferred = _preferred(wanted)
    request = _request(wanted, preferred)
    file = stacks_dir() / "resolved" / f"{canonical_digest(request)}.json"
    if not upgrade and (lock := _recalled(file)) is not None:
        return lock
    report.progress(f"resolving {wanted.framework.name} {wanted.constraint} for Python {wanted.python.version}")
    try:
        lock = _resolve(wanted, preferred, offline, report)
    except Unresolvable as error:
        if wanted.framework.note and "has no wheel" in error.what:
            error.hint = wanted.framework.note
        raise
    write_atomic(file, json.dumps({"request": request, "lock": lock.stored_form()}, indent=1) + "\n")
    return lock


def built(lock: Lock, wanted: Wanted, *, offline: bool, fresh: bool, report: Reporter) -> UvStack:
    """The environment of a lock; made where it is not there yet.

    Raises:
        ChecksumError: A wheel is not the one that the lock promises.
        StackError: A wheel cannot be had, or (`fresh`) the environment is in use.
        ResourceError: The disk is full or cannot be written.
    """
    python = wanted.python
    identity = canonical_digest([lock.sha256, str(python.path)])[:16]

    def fits(about: dict[str, Any]) -> bool:
        there = os.access(folder_of(identity) / "env" / "bin" / "python", os.X_OK)
        return there and about.get("kind") == "uv" and about.get("stamp") == python.stamp()

    def make(folder: Path) -> dict[str, Any]:
        maker = tool()
        _warn_of_size(lock, wanted, report)
        report.progress(f"building the environment of {wanted.framework.name} ({len(lock.wheels)} packages)")
        _install(maker, python, relocated(lock, offline), folder, offline)
        return {
            "kind": "uv",
            "framework": wanted.framework.name,
            "framework_version": framework_version(wanted, lock),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "made_with": maker.name,
            "python": str(python.path),
            "stamp": python.stamp(),
            "lock": lock.stored_form(),
        }

    _, lease = kept(identity, make, fits=fits, fresh=fresh, warn=report.warn)
    path = folder_of(identity) / "env"
    return UvStack(identity, path, path / "bin" / "python", framework_version(wanted, lock), lock, lease)


def relocated(lock: Lock, offline: bool) -> Lock:
    """The lock with local files of this machine: those that it names, or the same bytes from the configured places.

    Raises:
        StackError: A file is nowhere.
    """
    from mlscope.assets import locate_wheel

    urls = {}
    for wheel, path in lock.local():
        if path.is_file() and digest(path) == wheel.sha256:
            continue
        found = locate_wheel(wheel.filename, wheel.sha256, offline=offline)
        if found is None:
            raise StackError(
                f"{wheel.filename} was a file of the machine that made the lock, and no configured folder or index has "
                f"one with sha256 {wheel.sha256[:16]}…",
                hint="put it into a folder, and name that in PIP_FIND_LINKS",
            )
        urls[wheel.filename] = found.absolute().as_uri() if isinstance(found, Path) else found
    return lock.moved(urls)


def _install(maker: Tool, python: Interpreter, lock: Lock, folder: Path, offline: bool) -> None:
    """Make the environment; where the addresses of the lock cannot be reached, from this machine's own indexes."""
    import shutil

    from mlscope.assets import locate_wheel

    try:
        maker.install(python, lock, folder, offline)
    except (Unresolvable, ChecksumError):
        raise
    except StackError:
        found = {each.filename: locate_wheel(each.filename, each.sha256, offline=offline) for each in lock.wheels}
        urls = {name: place.as_uri() if isinstance(place, Path) else place for name, place in found.items() if place}
        other = lock.moved(urls)
        if other == lock:
            raise
        shutil.rmtree(folder)
        maker.install(python, other, folder, offline)


def _warn_of_size(lock: Lock, wanted: Wanted, report: Reporter) -> None:
    """Tell of a build for CUDA that nobody asked for."""
    size = sum(wheel.size or 0 for wheel in lock.wheels)
    if not wanted.gpu and size > _LARGE and any(wheel.name.startswith("nvidia-") for wheel in lock.wheels):
        report.warn(
            f"this build of {wanted.framework.name} brings NVIDIA's libraries ({size / 1e9:.1f} GB to download); for a "
            "CPU put the CPU wheel into a folder named in PIP_FIND_LINKS, or set UV_TORCH_BACKEND=cpu"
        )


def _request(wanted: Wanted, preferred: list[str]) -> dict[str, Any]:
    """Everything that a lock depends on."""
    from mlscope.assets import package_sources

    sources = package_sources()
    constraints = [*os.environ.get("UV_CONSTRAINT", "").split(), *sources.constraints]
    return {
        "requirements": sorted(wanted.requirements(wanted.pinned())),
        "requires": [rule.model_dump(mode="json") for rule in wanted.framework.requires],
        "python": [str(wanted.python.path), wanted.python.build],
        "preferred": preferred,
        "constraints": {file: _content(file) for file in constraints},
        "places": canonical_digest([*map(repr, dataclasses.astuple(sources))]),
        "settings": canonical_digest({name: os.environ[name] for name in _UV_SETTINGS if name in os.environ}),
    }


def _content(file: str) -> str | None:
    try:
        return hashlib.sha256(Path(file).expanduser().read_bytes()).hexdigest()
    except OSError:
        return None


def _recalled(file: Path) -> Lock | None:
    try:
        return Lock.stored(json.loads(file.read_bytes())["lock"])
    except (OSError, ValueError, KeyError, TypeError, StackError):
        return None


def _resolve(wanted: Wanted, preferred: list[str], offline: bool, report: Reporter) -> Lock:
    """Resolve until the framework's version and what that version needs agree."""
    maker, version = tool(), wanted.pinned()
    while True:
        lock = _attempts(maker, wanted, version, preferred, offline=offline, report=report)
        found = lock.version_of(wanted.package) if wanted.package else None
        rules = _others(wanted, found)
        if rules <= _others(wanted, version):
            return lock
        version = found


def _others(wanted: Wanted, version: str | None) -> set[str]:
    """The requirements apart from the framework itself."""
    named = wanted.requirements(version)
    return {text for text in named if canonicalize_name(text.split("==")[0]) != wanted.package}


def _attempts(
    maker: Tool, wanted: Wanted, version: str | None, preferred: list[str], *, offline: bool, report: Reporter
) -> Lock:
    """Resolve; LoadGen is left out where it has no wheel, and builds for the CPU where they do not fit."""

    def attempt(constraints: list[str]) -> Lock:
        try:
            return maker.resolve(wanted.python, wanted.requirements(version), constraints, offline)
        except Unresolvable as error:
            if LOADGEN not in str(error):
                raise
            lock = maker.resolve(wanted.python, wanted.requirements(version, loadgen=False), constraints, offline)
            report.warn(f"LoadGen has no wheel for Python {wanted.python.minor} here: mlscope benchmark will not run")
            return lock

    try:
        return attempt(preferred)
    except Unresolvable:
        if not preferred:
            raise
        lock = attempt([])
        report.warn(f"{', '.join(preferred)} of the configured folders does not fit; another build is taken")
        return lock


def _preferred(wanted: Wanted) -> list[str]:
    """Wheels in local folders that were built for the CPU (``torch-2.13.0+cpu-…``), as constraints.

    Without them a newer release would be taken, and of some frameworks that is a build for CUDA of several GB.
    """
    from mlscope.assets import find_links

    if wanted.gpu:
        return []
    tags, best = set(wanted.python.tags()), dict[str, Version]()
    for path in (path for folder in find_links() for path in folder.glob("*+cpu*.whl")):
        try:
            name, version, _, kinds = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if kinds & tags and wanted.admits(name, version):
            best[name] = max(version, best.get(name, version))
    return [f"{name}=={version}" for name, version in sorted(best.items())]
