"""Which versions of a framework this machine could have, without resolving or building anything."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from mlscope._files import write_atomic
from mlscope._home import cache_dir
from mlscope._schema import canonical_digest
from mlscope.errors import MlscopeError, StackError
from mlscope.manifests import FrameworkManifest
from mlscope.stacks._gpu import find_gpu
from mlscope.stacks._host import host_stack
from mlscope.stacks._pythons import Interpreter, find_python
from mlscope.stacks._store import list_stacks
from mlscope.stacks._wanted import Wanted, constraint_of

__all__ = ["FrameworkState", "framework_states"]

_FRESH_S = 24 * 3600


@dataclasses.dataclass(frozen=True, slots=True)
class FrameworkState:
    """What there is of a framework, here and in the indexes."""

    host: str | None
    """Version in the interpreter that mlscope runs in."""
    environments: tuple[str, ...]
    """Versions of which an environment is built, newest first."""
    offered: tuple[str, ...] | None
    """Versions that indexes and folders have wheels of for the framework's Python here, newest first; None: unknown."""
    why_not: str | None
    """Why it cannot be run here, or why nothing is known of the indexes; None: it can."""


def framework_states(frameworks: Sequence[FrameworkManifest], *, offline: bool = False) -> list[FrameworkState]:
    """What can run here, framework by framework.

    The answers of the indexes are kept for a day.

    Args:
        frameworks: Which ones.
        offline: Rule out the network: of the indexes only what was kept is known.
    """
    built: dict[str, list[str]] = {}
    for stack in list_stacks():
        built.setdefault(stack.framework, []).append(stack.framework_version)
    kept = _Kept.read(offline)
    with ThreadPoolExecutor(8) as pool:
        offers = list(pool.map(lambda each: _offer(each, kept), frameworks))
    kept.write()
    return [
        _state(framework, tuple(dict.fromkeys(built.get(framework.name, ()))), *offer)
        for framework, offer in zip(frameworks, offers, strict=True)
    ]


def _state(
    framework: FrameworkManifest, environments: tuple[str, ...], offered: tuple[str, ...] | None, why: str | None
) -> FrameworkState:
    try:
        host: str | None = host_stack(framework, "*").framework_version
    except StackError:
        host = None
    reason = None if host or environments or offered else why
    if framework.predictor is None:
        reason = "mlscope has no predictor for it"
    elif "cpu" not in framework.devices:
        try:
            find_gpu(0)
        except StackError as error:
            reason = "; ".join(filter(None, (f"it runs on a GPU only: {error.what}", reason)))
    return FrameworkState(host, environments, offered, reason)


def _offer(framework: FrameworkManifest, kept: _Kept) -> tuple[tuple[str, ...] | None, str | None]:
    """The versions that could be installed, newest first, or why there are none."""
    if framework.predictor is None or not (framework.package or framework.packages):
        return None, None
    try:
        python = find_python(None, framework.python, framework.name)
    except StackError as error:
        return (), error.what
    wanted = Wanted(framework, constraint_of(framework, "*"), (), False, python)
    versions: tuple[str, ...] | None = None
    for name in [Requirement(text).name for text in wanted.own()]:
        found, why = kept.ask(name, python)
        if not found:
            note = f"; {framework.note}" if framework.note and found is not None else ""
            return found, f"{why}{note}"
        versions = found if versions is None else versions
    return versions, None


@dataclasses.dataclass
class _Kept:
    """What the indexes answered before."""

    entries: dict[str, Any]
    offline: bool

    @classmethod
    def read(cls, offline: bool) -> _Kept:
        try:
            entries = json.loads(_file().read_bytes())
        except (OSError, ValueError):
            entries = {}
        return cls(entries if isinstance(entries, dict) else {}, offline)

    def write(self) -> None:
        with contextlib.suppress(MlscopeError):  # it only saves time
            write_atomic(_file(), json.dumps(self.entries, indent=1))

    def ask(self, name: str, python: Interpreter) -> tuple[tuple[str, ...] | None, str | None]:
        """Versions of a distribution, newest first; None and the reason where nobody could be asked."""
        from mlscope.assets import offered, package_sources

        key = canonical_digest([name, python.minor, python.platform, repr(package_sources())])
        entry: dict[str, Any] = self.entries.get(key, {})
        if not entry or not (self.offline or time.time() - entry["time"] < _FRESH_S):
            found = offered(name, python.version, frozenset(python.tags()), offline=self.offline)
            if found.silent is not None and not found.versions:
                why = "the network was ruled out" if self.offline else found.silent
                return None, f"not installed, and what the indexes have is not known: {why}"
            versions = [str(version) for version in reversed(found.versions)]
            entry = {"name": name, "time": time.time(), "versions": versions, "others": found.others}
            if found.silent is None:
                self.entries[key] = entry
        where = f"no wheel for Python {python.minor} on {python.platform}"
        why = f"{name} has {where}" if entry["others"] else f"no index has {name}"
        return tuple(entry["versions"]), None if entry["versions"] else why


def _file() -> Path:
    return cache_dir() / "stacks" / "offers.json"
