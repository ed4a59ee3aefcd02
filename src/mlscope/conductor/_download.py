"""Pictures from the web, and ``mlscope download``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlscope.assets import fetch_asset
from mlscope.conductor._outcome import Observer, SilentObserver
from mlscope.conductor._progress import DownloadProgress
from mlscope.manifests import Asset, ModelManifest, full_name, list_models, load_dataset, load_model
from mlscope.recipes import materialise

__all__ = ["download", "download_dataset", "download_picture"]

_LARGEST = 64 << 20


def download_picture(url: str, path: Path, *, offline: bool) -> str | None:
    """Download one picture of at most 64 MiB; returns why it could not be had."""
    import httpx

    if offline:
        return "the network was ruled out (--local)"
    size = 0
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=30.0) as response, path.open("wb") as file:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                size += len(chunk)
                if size > _LARGEST:
                    return "it is larger than 64 MiB"
                file.write(chunk)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"it cannot be downloaded: {str(error) or type(error).__name__}"
    return None


def download(
    names: Sequence[str] = (), observer: Observer | None = None, *, offline: bool = False
) -> dict[str, list[Path]]:
    """Have all files of models (names or manifests' paths; none: all that are listed) in the cache.

    Of files that a recipe makes, what the recipe takes is fetched; they are made when they are first run.

    Returns:
        Model name → its files.

    Raises:
        MlscopeError: A manifest is broken or a file cannot be had.
    """
    hears = observer or SilentObserver()
    models = [load_model(name) for name in names] if names else list_models()
    return {
        full_name(model): [_fetch(asset, model.path.parent, hears, offline) for asset in _assets(model.manifest)]
        for model in models
    }


def download_dataset(name: str, observer: Observer | None = None, *, offline: bool = False) -> Path | None:
    """Have a data set's labels and, where it is an archive, its pictures.

    Returns:
        The folder of the pictures; None where it is the user's own.

    Raises:
        MlscopeError: There is no such data set, or a file cannot be had.
    """
    hears = observer or SilentObserver()
    found = load_dataset(name)
    base, manifest = found.path.parent, found.manifest
    if manifest.labels is not None:
        _fetch(manifest.labels, base, hears, offline)
    if manifest.path is not None:
        return base / manifest.path
    return materialise(manifest, base, offline=offline, progress=DownloadProgress(hears), warn=hears.warn)


def _assets(manifest: ModelManifest) -> list[Asset]:
    """Files of the model for its own framework, and its lists of labels."""
    entry = manifest.weights_for(manifest.framework.name)
    labels = [output.labels for output in manifest.outputs if output.labels is not None]
    if entry is None:
        return labels
    if entry.graph is None and entry.recipe is not None:
        return [*entry.recipe.assets().values(), *labels]
    return [asset for asset in (entry.graph, entry.params) if asset is not None] + labels


def _fetch(asset: Asset, base: Path, observer: Observer, offline: bool) -> Path:
    return fetch_asset(asset, base, offline=offline, progress=DownloadProgress(observer), warn=observer.warn).path
