"""oneDNN's verbose log, a line for each primitive: https://uxlfoundation.github.io/oneDNN/dev_guide_verbose.html.

oneDNN prints to the process's standard output, which goes to a file of its own while it is traced. Which frameworks
print is not known here: the core reads what came.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import time

__all__ = ["Primitives"]

_MOST_CALLS = 100
_LOG, _NOTES = "onednn.log", "onednn.json"
_PREFIXES = ("ONEDNN", "DNNL", "MKLDNN")
"""Of the variables, by age: version 3, version 1, before."""


class Primitives:
    """Catches the log of the first calls; what is printed after them is thrown away.

    Args:
        folder: For the log, and for times of the clocks that it may use.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        for prefix in _PREFIXES:
            os.environ[f"{prefix}_VERBOSE"] = "1"
            os.environ[f"{prefix}_VERBOSE_TIMESTAMP"] = "1"
        sys.stdout.flush()
        self._stdout = os.dup(1)
        self._print_to(os.path.join(folder, _LOG))
        self._count = itertools.count(1)
        self._note()

    def called(self) -> None:
        """A call is through."""
        if next(self._count) == _MOST_CALLS:
            self._print_to(os.devnull)

    def close(self) -> None:
        """Give the standard output back."""
        with contextlib.suppress(OSError):
            os.dup2(self._stdout, 1)
            os.close(self._stdout)
        self._note()

    def _print_to(self, path: str) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, 1)
        os.close(file)

    def _note(self) -> None:
        pairs = getattr(self, "_pairs", [])
        self._pairs = [*pairs, (time.perf_counter_ns(), time.time_ns())]
        with open(os.path.join(self._folder, _NOTES), "w", encoding="utf-8") as file:
            json.dump({"most_calls": _MOST_CALLS, "pairs": self._pairs}, file)
