"""Manifests out of git repositories: one commit's files, fetched by the git command.

Nothing of a repository is run: no hooks, no submodules, and only transports that fetch (one such as ``ext::`` is a
command line). What stays is the files alone, without the repository.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

from mlscope.errors import AssetError, OfflineError, UsageError

__all__ = ["check_out", "is_address"]

_SCHEMES = ("https", "ssh", "file")
_SCP = re.compile(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:(?!:)[^\s]+")
_SAFE = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false"),
    *("-c", "advice.detachedHead=false"),
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REFUSALS = ("not our ref", "unadvertised object", "couldn't find remote ref")
"""What servers say that give out branches and tags alone, and of commits that they do not have."""
_INHERITED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_TEMPLATE_DIR",
)


def is_address(text: str) -> bool:
    """Whether a word is the address of a git repository, and not a path.

    Raises:
        UsageError: It is an address that mlscope does not fetch from, or it holds a password.
    """
    scheme, colon, rest = text.partition(":")
    if _SCP.fullmatch(text):
        return True
    if not colon or not (rest.startswith(("//", ":"))):
        return False
    if scheme.lower() not in _SCHEMES or not rest.startswith("//"):
        raise UsageError(
            f"git repositories are not fetched by {scheme}:{':' * rest.startswith(':')}",
            hint="addresses begin with https://, ssh:// or file://, or are user@host:path",
        )
    if re.match(r"//[^/@]*:[^/@]*@", rest):
        raise UsageError(
            "the address holds a password, which would be stored", hint="let git's credential helper know it"
        )
    return True


def check_out(address: str, rev: str | None, folder: Path, *, offline: bool = False) -> str:
    """Fetch the files of one commit.

    Args:
        address: As :func:`is_address` takes it.
        rev: A branch, a tag or a commit; None: what the repository offers first.
        folder: Is made; nothing of it is left when that fails.
        offline: Rule out the network.

    Returns:
        The commit, in hexadecimal digits.

    Raises:
        UsageError: There is no such revision.
        AssetError: There is no git, or it cannot fetch the repository.
    """
    if rev is not None and (rev.startswith("-") or not rev.strip()):
        raise UsageError(f"'{rev}' is no revision", hint="name a branch, a tag or a commit")
    if offline and not address.startswith("file:"):
        raise OfflineError(
            "the repository cannot be fetched without a network", where=address, hint="leave out --local"
        )
    try:
        _get(address, rev, folder)
        commit = _commit(folder, rev, address)
        _git("-C", str(folder), "checkout", "--quiet", "--detach", commit, where=address)
        shutil.rmtree(folder / ".git")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return commit


def _get(address: str, rev: str | None, folder: Path) -> None:
    """Bring the repository here: only one commit of it where that is enough, and the server lets one ask for it."""
    if rev is not None and _COMMIT.fullmatch(rev):
        _git("init", "--quiet", "--template=", "--", str(folder), where=address)
        words = ("-C", str(folder), "fetch", "--quiet", "--depth", "1", "--", address, rev)
        done = _run(*words)
        if done.returncode == 0:
            return
        if not any(refusal in done.stderr for refusal in _REFUSALS):
            _complain(done, address)
        shutil.rmtree(folder)
    shallow = [] if rev else ["--depth", "1"]
    _git("clone", "--quiet", "--no-checkout", "--template=", *shallow, "--", address, str(folder), where=address)


def _commit(folder: Path, rev: str | None, address: str) -> str:
    for name in (f"refs/remotes/origin/{rev}", f"refs/tags/{rev}", rev) if rev else ("HEAD",):
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        done = _run("-C", str(folder), *words)
        if done.returncode == 0:
            return done.stdout.strip()
    if rev is None:
        raise AssetError("the repository is empty", where=address)
    raise UsageError(f"the repository has no revision '{rev}'", where=address, hint="name a branch, a tag or a commit")


def _git(*words: str, where: str) -> None:
    done = _run(*words)
    if done.returncode:
        _complain(done, where)


def _complain(done: subprocess.CompletedProcess[str], where: str) -> NoReturn:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines or ["no reason is given"]
    raise AssetError(f"git cannot fetch it: {telling[0]}", where=where, hint="try `git clone` by hand")


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in _INHERITED}
    env = {**kept, "GIT_ALLOW_PROTOCOL": ":".join(_SCHEMES), "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["git", *_SAFE, *words],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise AssetError("git is not installed", hint="install it, or add a folder that you cloned elsewhere") from None
