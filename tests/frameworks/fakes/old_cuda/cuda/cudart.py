"""The same under the name that it had before cuda-python 12.6."""

# mypy: ignore-errors

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "runtime", Path(__file__).resolve().parents[2] / "cuda/bindings/runtime.py"
)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
globals().update(vars(_module))
