"""The official results of a round, out of MLCommons' repository at a commit that is pinned here."""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from mlscope._files import explain_os_errors
from mlscope._home import cache_dir
from mlscope.errors import AssetError, OfflineError, UsageError
from mlscope.manifests import check_out, is_address
from mlscope.submissions._import import Imported, import_results

__all__ = ["COMMITS", "fetch_results"]

COMMITS = {
    "v0.5": "f5acb8be3da3ebc13cf6ba783cce371f96d275ac",
    "v0.7": "31060d57b30c7d61f974c91204df538398ec0b46",
    "v1.0": "f7759baf2fdb9e17d97f07326db6d461d6dc1ef2",
    "v1.1": "7fc43356c4d71ed6ec97af9d035a34ed146587b8",
    "v2.0": "425a0d30c6e0cb9b65595881572cbba5f18572eb",
    "v2.1": "91f7859b8b5847b7c5fdf95ce65699ad6477093b",
    "v3.0": "1948f9b5b93c5b4dcafe15de0faa08cdf1439fca",
    "v4.1": "198fc46799b3328b36ee4bcbdebfa2db5a8e6183",
    "v5.1": "965182b03376a00fcae415c54e560e1c83937932",
}
"""Round → the commit of its repository that was looked at."""
_REPOSITORY = "https://github.com/mlcommons/inference_results_{}.git"
_ROUND = re.compile(r"v\d\.\d")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch_results(
    round_name: str,
    *,
    commit: str | None = None,
    repository: str | None = None,
    offline: bool = False,
    warn: Callable[[str], None],
) -> Imported:
    """Fetch and import the official results of a round.

    Args:
        round_name: ``v5.1`` and the like.
        commit: Of the repository, 40 hexadecimal digits; None: the one that is pinned here.
        repository: Address of a copy of it; None: MLCommons' own.
        offline: Rule out the network.
        warn: Hears one line for each file of the tree that is broken.

    Raises:
        UsageError: There is no such round, or no commit is known of it.
        AssetError: The repository cannot be fetched; there is none without a network.
        ResourceError: The disk is full.
    """
    if not _ROUND.fullmatch(round_name):
        near = difflib.get_close_matches(round_name, COMMITS, 1, cutoff=0.3)
        raise UsageError(f"{round_name!r} is no round", hint=f"did you mean {near[0]}?" if near else "v5.1 is one")
    wanted = commit or COMMITS.get(round_name)
    if wanted is None:
        raise UsageError(
            f"no commit of {round_name} is pinned here (those of {', '.join(COMMITS)} are)",
            hint="name one with --commit",
        )
    if not _COMMIT.fullmatch(wanted):
        raise UsageError(f"{wanted!r} is no commit", where="--commit", hint="give all 40 hexadecimal digits")
    address = repository or _REPOSITORY.format(round_name)
    if not is_address(address):
        address = Path(address).absolute().as_uri()
    with explain_os_errors(cache_dir()):
        cache_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="round-", dir=cache_dir()) as folder:
            place = Path(folder) / f"inference_results_{round_name}"
            try:
                found = check_out(address, wanted, place, offline=offline)
            except OfflineError:
                raise
            except AssetError as error:
                raise AssetError(
                    error.what,
                    where=error.where,
                    hint="clone it where there is a network and give the folder to mlscope submission import",
                ) from error
            if found != wanted:
                raise AssetError(f"the repository gave commit {found}, not {wanted}", where=address)
            return import_results(place, round_name=round_name, warn=warn)
