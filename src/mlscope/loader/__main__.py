"""Start of a loader process: ``PYTHON path/to/mlscope/loader/__main__.py --commands FD --answers FD``.

As the worker's it is run by path, since its interpreter need not have mlscope: the packages are given their names
without running their ``__init__.py``, and no folder is put on ``sys.path``.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    for name, folder in (("mlscope", here.parent), ("mlscope.loader", here)):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    from mlscope.loader._process import main

    sys.exit(main(sys.argv[1:]))
