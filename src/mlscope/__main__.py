"""``python -m mlscope``."""

import sys

from mlscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
