"""The command line: parse, call, show."""

from mlscope.cli._main import main

__all__ = ["main"]
