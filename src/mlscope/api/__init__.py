"""The Python API: the same evaluations and the same store as on the command line."""

from mlscope.api._api import Results, evaluate, open_store

__all__ = ["Results", "evaluate", "open_store"]
