"""Help and completion are quick because heavy packages are not imported for them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "PIL", "alembic", "cv2", "httpx", "mlperf_loadgen", "numpy", "onnxruntime", "pandas", "psycopg", "pyarrow",
    "pydantic", "rich.console", "rich.table", "ruamel.yaml", "sqlalchemy",
}  # fmt: skip
PROGRAM = """
import contextlib, io, json, sys
from mlscope.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def imported(*argv: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    code, modules = json.loads(done.stdout)
    assert code == 0
    return set(modules)


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "predict --help",
        "predict dataset --help",
        "benchmark --help",
        "info evaluation all --help",
        "runs rm --help",
        "completion bash",
        "version",
    ],
)
def test_no_heavy_package_is_imported(command: str) -> None:
    assert not imported(*command.split()) & HEAVY


@pytest.mark.parametrize("command", ["", "--help", "-h", "help", "predict", "predict -h", "help info evaluation"])
def test_pages_of_groups_need_no_parser(command: str) -> None:
    assert "cyclopts" not in imported(*command.split())
