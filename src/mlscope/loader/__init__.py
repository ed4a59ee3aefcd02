"""Pictures to tensors: decode, resize, crop, normalise, hooks; in processes of their own."""

from mlscope.loader._datasets import Dataset, open_dataset
from mlscope.loader._pool import Loaded, LoaderPool, LoaderSetup
from mlscope.loader._steps import UnreadableError, compile_steps

__all__ = ["Dataset", "Loaded", "LoaderPool", "LoaderSetup", "UnreadableError", "compile_steps", "open_dataset"]
