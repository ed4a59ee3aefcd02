"""A manifest's asset as a file of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mlscope.assets._fetch import Fetched, fetch
from mlscope.assets._progress import Progress
from mlscope.manifests import Asset

__all__ = ["fetch_asset"]


def fetch_asset(
    asset: Asset,
    base: Path,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> Fetched:
    """Have the file that a manifest's asset names; `base` is the manifest's folder.

    Arguments and errors are those of :func:`mlscope.assets.fetch`.
    """
    return fetch(
        asset.source,
        sha256=asset.sha256,
        md5=asset.md5,
        member=asset.member,
        base=base,
        offline=offline,
        progress=progress,
        warn=warn,
    )
