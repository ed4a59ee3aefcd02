"""``mlscope manifest resolve``: which software would run the models of manifests, or why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from mlscope.conductor._outcome import Observer, SilentObserver
from mlscope.errors import ManifestError, MlscopeError, StackError
from mlscope.manifests import ModelManifest, load_framework, load_model, manifest_files
from mlscope.stacks import choose_version

__all__ = ["Resolution", "resolve_manifests"]


@dataclasses.dataclass(frozen=True, slots=True)
class Resolution:
    """One model manifest and the software that would run it."""

    path: Path
    model: str | None
    framework: str | None
    constraint: str | None
    """Which versions the manifest wants."""
    version: str | None
    """The one that would run; None: none can."""
    stack: str | None
    """``host`` or ``uv``."""
    python: str | None
    lock_sha256: str | None
    reason: str | None
    """Why no version can be had."""
    note: str | None
    """What else stands in the way of an evaluation."""
    broken: bool = False
    """Whether the manifest itself is at fault."""


def resolve_manifests(
    paths: Iterable[Path], observer: Observer | None = None, *, python: str | None = None, offline: bool = False
) -> list[Resolution]:
    """Resolve the framework's constraint of every model manifest; nothing is built.

    Args:
        paths: Manifests, or folders in which all model manifests are taken.
        observer: Hears how it goes.
        python: Python of the environment, as ``--python`` takes it.
        offline: Rule out the network.
    """
    hears = observer or SilentObserver()
    files = manifest_files(paths)
    hears.stage("resolve", len(files))
    known: dict[tuple[str, str], Resolution] = {}
    found = []
    for number, path in enumerate(files, 1):
        try:
            manifest = load_model(str(path)).manifest
        except ManifestError as error:
            if "this is not the schema" not in error.what:
                found.append(_nothing(path, reason=str(error), broken=True))
            continue
        wanted = manifest.framework.name, manifest.framework.version
        if wanted not in known:
            known[wanted] = _resolved(path, manifest, python, offline, hears)
        found.append(dataclasses.replace(known[wanted], path=path, model=manifest.name, note=_note(manifest)))
        hears.advance(number)
    return found


def _nothing(path: Path, **fields: object) -> Resolution:
    empty = dict.fromkeys((field.name for field in dataclasses.fields(Resolution) if field.name != "broken"), None)
    return Resolution(**{**empty, "path": path, **fields})  # type: ignore[arg-type]


def _resolved(path: Path, manifest: ModelManifest, python: str | None, offline: bool, observer: Observer) -> Resolution:
    name, constraint = manifest.framework.name, manifest.framework.version
    try:
        framework = load_framework(name).manifest
        name = framework.name
        if framework.predictor is None:
            raise StackError(f"mlscope has no predictor for {name}")
        chosen = choose_version(framework, constraint, python=python, offline=offline, warn=observer.warn)
    except MlscopeError as error:
        return _nothing(path, framework=name, constraint=constraint, reason=str(error))
    return _nothing(
        path,
        framework=name,
        constraint=constraint,
        version=chosen.version,
        stack=chosen.kind,
        python=chosen.python,
        lock_sha256=chosen.lock_sha256,
    )


def _note(manifest: ModelManifest) -> str | None:
    if manifest.task != "classification":
        return f"a model for {manifest.task}; this version evaluates classification"
    return None
