"""Where weights, labels and data come from: sources, digests, archives, and the shared cache."""

from mlscope.assets._asset import fetch_asset
from mlscope.assets._fetch import Fetched, fetch
from mlscope.assets._indexes import PackageSources, file_of, find_links, package_sources
from mlscope.assets._progress import Progress, SilentProgress
from mlscope.assets._pypi import Offered, locate_wheel, offered, released_versions
from mlscope.assets._sources import redact
from mlscope.assets._unpack import unpack

__all__ = [
    "Fetched",
    "Offered",
    "PackageSources",
    "Progress",
    "SilentProgress",
    "fetch",
    "fetch_asset",
    "file_of",
    "find_links",
    "locate_wheel",
    "offered",
    "package_sources",
    "redact",
    "released_versions",
    "unpack",
]
