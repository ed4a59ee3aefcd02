"""Start of the worker process: ``PYTHON path/to/mlscope/worker/__main__.py --commands FD --answers FD``.

It is run by path, with the stack's interpreter, which need not have mlscope installed: the package is given a
name here without running ``mlscope/__init__.py`` and without putting any folder on ``sys.path``.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    package = types.ModuleType("mlscope")
    package.__path__ = [str(here.parent)]
    sys.modules["mlscope"] = package
    from mlscope.worker._main import main

    sys.exit(main(sys.argv[1:]))
