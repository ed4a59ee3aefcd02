"""Importing the room is cheap."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("sqlalchemy", "alembic", "psycopg", "pyarrow", "numpy", "pandas")


def test_importing_results_imports_no_heavy_library() -> None:
    script = "import sys, mlscope.results, mlscope.results.store; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "mlscope.results" in modules
    assert not {name.split(".")[0] for name in modules} & set(HEAVY)
