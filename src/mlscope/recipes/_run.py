"""One run of a recipe's script, in a process and a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlscope._files import explain_os_errors, write_atomic
from mlscope.errors import AssetError
from mlscope.recipes._kept import FILES
from mlscope.stacks import Stack

__all__ = ["JOB", "run_script"]

JOB = "job.json"

_CONFINE = Path(__file__).with_name("_confine.py")
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TZ")
_LOG_END_BYTES = 8192
_SHOWN_LINES = 3
_SHOWN_CHARACTERS = 400


def run_script(
    stack: Stack, script: Path, job: Mapping[str, Any], folder: Path, *, timeout_s: int, failed_log: Path
) -> dict[str, Path]:
    """Run a script until it has left its files.

    It gets few environment variables, an empty folder as working, home and temporary folder, and no input. Its own
    processes end with it.

    Args:
        stack: Its interpreter runs the script.
        script: The script.
        job: What it is to do; ``outputs`` (role → file name) becomes role → path.
        folder: Gets ``files``, the script's own folder, ``job.json``, and ``log.txt``, what the script prints.
        timeout_s: Time limit in seconds.
        failed_log: Where the log is kept when the script fails.

    Returns:
        Role → path of the file that was left.

    Raises:
        AssetError: The script failed, ran too long, or did not leave its files.
        ResourceError: The disk is full or the folder cannot be written.
    """
    files, log = folder / FILES, folder / "log.txt"
    outputs = {role: files / name for role, name in job["outputs"].items()}
    with explain_os_errors(folder):
        files.mkdir()
        order = {**job, "outputs": {role: str(path) for role, path in outputs.items()}}
        (folder / JOB).write_text(json.dumps(order, indent=1, ensure_ascii=False), encoding="utf-8")
        with log.open("wb") as file:
            process = subprocess.Popen(
                [stack.python, _CONFINE, files, script, folder / JOB],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=_environment(stack, files),
                cwd=files,
                start_new_session=True,
            )
    try:
        code: int | None = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code != 0:
        write_atomic(failed_log, log.read_bytes())
        raise AssetError(
            f"the recipe's script {_fate(code, timeout_s)}{_last_words(log)}",
            where=str(script),
            hint=f"all that it printed is in {failed_log}",
        )
    for path in outputs.values():
        _check(path, script)
    return outputs


def _environment(stack: Stack, folder: Path) -> dict[str, str]:
    own = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    fixed = {
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "SOURCE_DATE_EPOCH": "315532800",  # 1980, the first time that a zip can hold
        "CUDA_VISIBLE_DEVICES": "",
    }
    return {**own, **stack.environment(), **fixed, **dict.fromkeys(("HOME", "TMPDIR", "TMP", "TEMP"), str(folder))}


def _fate(code: int | None, timeout_s: int) -> str:
    if code is None:
        return f"ran longer than its time limit of {timeout_s} s and was ended"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"failed with exit code {code}"


def _last_words(log: Path) -> str:
    """The end of what it printed, in one line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_END_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = ["".join(letter for letter in line if letter.isprintable()).strip() for line in text.splitlines()]
    shown = " | ".join([line for line in lines if line][-_SHOWN_LINES:])
    return f": {'…' * (len(shown) > _SHOWN_CHARACTERS)}{shown[-_SHOWN_CHARACTERS:]}" if shown else ""


def _check(path: Path, script: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise AssetError(f"the recipe's script left no file {path.name}", where=str(script)) from None
    if not stat.S_ISREG(found.st_mode):
        raise AssetError(f"the recipe's script left {path.name}, which is no regular file", where=str(script))
    if not found.st_size:
        raise AssetError(f"the recipe's script left {path.name} empty", where=str(script))
