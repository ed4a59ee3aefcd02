"""Pictures from the web, and ``mlscope download``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlscope.assets import fetch
from mlscope.conductor._outcome import Observer, SilentObserver
from mlscope.conductor._progress import DownloadProgress
from mlscope.manifests import Asset, list_models, load_model

__all__ = ["download", "download_picture"]

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
    """Have all files of models (built-in names or manifests' paths; none: every built-in model) in the cache.

    Returns:
        Model name → its files.

    Raises:
        MlscopeError: A manifest is broken or a file cannot be had.
    """
    hears = observer or SilentObserver()
    models = [load_model(name) for name in names] if names else list_models()
    found: dict[str, list[Path]] = {}
    for model in models:
        entry = model.manifest.weights_for(model.manifest.framework.name)
        assets: list[Asset | None] = [entry.graph, entry.params] if entry else []
        assets += [output.labels for output in model.manifest.outputs]
        found[model.manifest.name] = [
            fetch(
                asset.source,
                sha256=asset.sha256,
                md5=asset.md5,
                member=asset.member,
                base=model.path.parent,
                offline=offline,
                progress=DownloadProgress(hears),
                warn=hears.warn,
            ).path
            for asset in assets
            if asset is not None
        ]
    return found
