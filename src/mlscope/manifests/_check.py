"""``mlscope manifest check``: everything that is wrong or doubtful in files and folders of manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mlscope.manifests._finding import BrokenManifest, Finding
from mlscope.manifests._load import Loaded, load_file
from mlscope.manifests._others import DatasetManifest, FrameworkManifest

__all__ = ["check", "manifest_files"]

_SUFFIXES = (".yml", ".yaml")


def check(paths: Iterable[Path | str]) -> list[Finding]:
    """Check manifests.

    Args:
        paths: Files, or folders in which every ``*.yml`` and ``*.yaml`` is checked, however deep.

    Returns:
        Findings, in the order of the files; without one of severity ``error`` all manifests can be used.
    """
    found: list[Finding] = []
    for path in map(Path, paths):
        files = _files(path)
        if not files:
            found.append(Finding(path, 1, 1, "error", "the folder holds no *.yml or *.yaml"))
        for file in files:
            found += _check_file(file)
    return found


def manifest_files(paths: Iterable[Path | str]) -> list[Path]:
    """The files that are named, and every ``*.yml`` and ``*.yaml`` of the folders, however deep."""
    return [file for path in map(Path, paths) for file in _files(path)]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and not file.is_dir())


def _check_file(path: Path) -> list[Finding]:
    try:
        loaded = load_file(path)
    except BrokenManifest as error:
        return list(error.findings)
    found = [*_missing_files(loaded), *loaded.warnings]
    return sorted(found, key=lambda finding: (finding.line, finding.column))


def _missing_files(loaded: Loaded) -> Iterator[Finding]:
    """Errors for ``file:`` sources and dataset folders that are not there."""
    if isinstance(loaded.manifest, FrameworkManifest):
        return
    base = loaded.document.path.parent
    for place, asset in loaded.manifest.assets().items():
        local = [source.removeprefix("file:") for source in asset.sources if source.startswith("file:")]
        if len(local) == len(asset.sources) and not any((base / name).is_file() for name in local):
            yield loaded.finding((*place, "source"), f"there is no file {' or '.join(local)}")
    if isinstance(loaded.manifest, DatasetManifest) and loaded.manifest.path is not None:
        folder = base / loaded.manifest.path
        if not folder.is_dir():
            yield loaded.finding(("path",), f"there is no folder {loaded.manifest.path}")
        elif loaded.manifest.layout != "folders" and not (folder / loaded.manifest.listing).is_file():
            yield loaded.finding(("list",), f"there is no {loaded.manifest.listing} in {loaded.manifest.path}")
