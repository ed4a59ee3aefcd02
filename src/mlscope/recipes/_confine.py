"""Start of a recipe's script: ``PYTHON _confine.py FOLDER SCRIPT JOB``.

The process gives up, for itself and its children, the right to change any file outside of FOLDER (and of shared
memory in ``/dev/shm``, which no file survives in) and to make TCP connections; then it becomes the script. The
kernel's Landlock does it (https://docs.kernel.org/userspace-api/landlock.html; files since Linux 5.13, TCP since
6.7). Where the kernel has no Landlock the script runs all the same, and the caller looks afterwards whether it
changed its sources. Reading is not restricted.

This runs on a stack's interpreter, Python 3.9 and newer, and needs the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["landlock_version", "main"]

# The same numbers on every architecture since Linux 5.13 (include/uapi/asm-generic/unistd.h).
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

# include/uapi/linux/landlock.h: what changes files, and since which version of Landlock.
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_CHANGES = {1: _WRITE_FILE | sum(1 << bit for bit in range(4, 13)), 2: 1 << 13, 3: _TRUNCATE}
_TCP, _TCP_SINCE = 0b11, 4
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - semaphores of multiprocessing live there


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("net", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def landlock_version() -> int:
    """Version of this kernel's Landlock; 0: it has none, or it is switched off."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)))


def main(folder: str, script: str, job: str) -> None:
    """Confine this process and become the script."""
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # nobody waits for the script once its caller is gone
        version = landlock_version()
        if version:
            _restrict(libc, folder, version)
    safe = ["-P"] if sys.version_info >= (3, 11) else []
    os.execv(sys.executable, [sys.executable, "-s", *safe, script, job])  # noqa: S606 - no shell is meant


def _restrict(libc: ctypes.CDLL, folder: str, version: int) -> None:
    changes = sum(bits for since, bits in _CHANGES.items() if since <= version)
    attributes = _Ruleset(changes, _TCP if version >= _TCP_SINCE else 0)
    size = ctypes.sizeof(attributes) if version >= _TCP_SINCE else 8
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        sys.exit("the script cannot be confined: Landlock makes no rules")
    for path in (folder, _SHARED_MEMORY, *_DEVICES):
        if os.path.exists(path):
            _allow(ruleset, path, changes if os.path.isdir(path) else changes & (_WRITE_FILE | _TRUNCATE))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _call(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)):
        sys.exit("the script cannot be confined: Landlock does not take the rules")
    os.close(ruleset)


def _allow(ruleset: int, path: str, changes: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        beneath = _Beneath(changes, handle)
        if _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(beneath), ctypes.c_uint32(0)):
            sys.exit(f"the script cannot be confined: Landlock does not take a rule for {path}")
    finally:
        os.close(handle)


def _call(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *arguments))


if __name__ == "__main__":
    main(*sys.argv[1:4])
