"""LoadGen's conf files (mlperf.conf, user.conf, audit.config), checked line by line.

LoadGen itself reports a bad line only in its detail log. Format: lines ``model.scenario.key = number``, comments
from ``#`` on, ``*`` for any model or scenario (mlcommons/inference, loadgen/test_settings_internal.cc).
"""

from __future__ import annotations

from pathlib import Path

from mlscope.errors import UsageError

__all__ = ["read_conf"]

_SCENARIOS = {"*", "SingleStream", "MultiStream", "Server", "Offline"}


def read_conf(path: Path | None) -> str | None:
    """Text of a conf file; None without one.

    Raises:
        UsageError: It cannot be read, or a line is not of the format; the message names the line.
    """
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the conf file cannot be read: {error}", where=str(path)) from error
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if words and not _is_setting(words):
            shown = line.strip()[:60]
            raise UsageError(f"the line is no `model.scenario.key = number`: {shown!r}", where=f"{path}:{number}")
    return text


def _is_setting(words: list[str]) -> bool:
    if len(words) != 3 or words[1] != "=":
        return False
    parts = words[0].rsplit(".", 2)  # a model's name may hold dots
    return len(parts) == 3 and all(parts) and parts[1] in _SCENARIOS and _is_number(words[2])


def _is_number(text: str) -> bool:
    try:
        float(int(text, 0) if text.lower().startswith("0x") else float(text))
    except ValueError:
        return False
    return True
