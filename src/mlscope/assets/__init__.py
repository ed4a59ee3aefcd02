"""Where weights, labels and data come from: sources, digests, archives, and the shared cache."""

from mlscope.assets._fetch import Fetched, fetch
from mlscope.assets._progress import Progress, SilentProgress

__all__ = ["Fetched", "Progress", "SilentProgress", "fetch"]
