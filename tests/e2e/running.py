"""Commands, manifests and pictures for the tests of this room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from ruamel.yaml import YAML

from mlscope.manifests import load_dataset, load_model
from mlscope.results import Evaluation
from mlscope.worker.protocol import FLAG_VALID, FLAG_WARMUP
from tests.conftest import Result

DIGITS_LINE = "accuracy=98.600%, good=493, total=500"

Found = TypeVar("Found")


def command(*args: str | Path) -> list[str]:
    """The command line of ``mlscope ARGS``."""
    return [sys.executable, "-m", "mlscope", *map(str, args)]


def run(
    home: Path, *args: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 120
) -> Result:
    """Run ``mlscope ARGS`` with this home."""
    done = subprocess.run(
        command(*args),
        env={**os.environ, "MLSCOPE_HOME": str(home), **(env or {})},
        cwd=cwd,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@contextmanager
def started(home: Path, *args: str | Path) -> Iterator[subprocess.Popen[str]]:
    """``mlscope ARGS`` in the background; killed at the end if it still lives."""
    process = subprocess.Popen(
        command(*args),
        env={**os.environ, "MLSCOPE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def ended(process: subprocess.Popen[str], timeout: float = 60) -> Result:
    """How a command of :func:`started` ended."""
    out, err = process.communicate(timeout=timeout)
    return Result(process.returncode, out, err)


def until(look: Callable[[], Found | None], what: str, timeout: float = 60) -> Found:
    """Wait until `look` sees something."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {timeout:g} s in vain for {what}")


def measured_so_far(home: Path) -> int:
    """Samples, warm-up left out, that the worker of the run under way has written."""
    count = 0
    for path in home.glob("runs/.partial-*/samples*.bin"):
        data = np.fromfile(path, "<i8")
        flags = data[: len(data) // 8 * 8].reshape(-1, 8)[:, 7]
        count += int(np.count_nonzero((flags & (FLAG_VALID | FLAG_WARMUP)) == FLAG_VALID))
    return count


def worker_of(pid: int, program: bytes = b"mlscope/worker/__main__.py") -> int | None:
    """The model process (or another program) that a command has started."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            parent = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid and any(word.endswith(program) for word in words):
            return int(path.parent.name)
    return None


def one_line(result: Result, code: int) -> str:
    """The one line on stderr of a command that failed as it should; warnings may stand before it."""
    lines = result.err.splitlines()
    assert result.code == code, result
    assert lines, result
    assert lines[-1].startswith("mlscope: error: "), result.err
    assert all(line.startswith("mlscope: warning: ") for line in lines[:-1]), result.err
    return lines[-1].removeprefix("mlscope: error: ")


def told(warnings: Iterable[str]) -> list[str]:
    """Warnings, or lines of stderr, but those about the machine: other tests may run beside this one."""
    return [each for each in warnings if "while this was measured, " not in each]


def folders(home: Path) -> list[Path]:
    """Sealed run folders, oldest first."""
    return sorted(path for path in (home / "runs").glob("*") if path.is_dir() and path.name[0] != ".")


def evaluations(home: Path) -> list[Evaluation]:
    """What lies in the sealed run folders, oldest first."""
    return [Evaluation.from_folder(folder) for folder in folders(home)]


def only(home: Path) -> Evaluation:
    """The only evaluation of this home."""
    (found,) = evaluations(home)
    return found


def measured(evaluation: Evaluation) -> int:
    """Samples of an evaluation without the warm-up."""
    return int((~evaluation.samples()["warmup"].to_numpy(zero_copy_only=False)).sum())


def manifest(folder: Path, name: str = "Digits_CNN", change: Callable[[dict[str, Any]], None] | None = None) -> Path:
    """A copy of a built-in model's manifest with its files, changed; returns its path."""
    built_in = load_model(name).path
    yaml = YAML(typ="safe")
    data: dict[str, Any] = yaml.load(built_in.read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    for near in ("digits_cnn.onnx", "digits_labels.txt"):
        shutil.copyfile(built_in.with_name(near), folder / near)
    if change is not None:
        change(data)
    path = folder / f"{name}.yml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(data, file)
    return path


def digits_folder() -> Path:
    """Where the pictures of the built-in data set lie."""
    found = load_dataset("digits")
    assert found.manifest.path
    return found.path.parent / found.manifest.path


def some_digits(folder: Path, rows: int, *, copies: int = 1) -> Path:
    """A data set's folder: the first `rows` of the built-in digits, `copies` files where 1 lists each once."""
    source = digits_folder()
    folder.mkdir(parents=True, exist_ok=True)
    lines = (source / "val_map.txt").read_text(encoding="utf-8").splitlines()[:rows]
    for line in lines:
        name = line.rpartition(" ")[0]
        shutil.copyfile(source / name, folder / name)
    (folder / "val_map.txt").write_text("\n".join(lines * copies) + "\n", encoding="utf-8")
    return folder
