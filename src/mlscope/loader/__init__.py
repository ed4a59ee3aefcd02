"""Pictures to tensors: decode, resize, crop, normalise, hooks; in processes of their own."""

from mlscope.loader._datasets import Dataset, open_dataset
from mlscope.loader._decoder import Decoder, decoder_from_lock, find_decoder, own_decoder
from mlscope.loader._pool import Loaded, LoaderPool, LoaderSetup
from mlscope.loader._prepared import ABOUT, PIXELS, PreparedSet
from mlscope.loader._steps import (
    UnreadableError,
    UnsplittableError,
    compile_rest,
    compile_steps,
    is_finished,
    split_steps,
)

__all__ = [
    "ABOUT",
    "PIXELS",
    "Dataset",
    "Decoder",
    "Loaded",
    "LoaderPool",
    "LoaderSetup",
    "PreparedSet",
    "UnreadableError",
    "UnsplittableError",
    "compile_rest",
    "compile_steps",
    "decoder_from_lock",
    "find_decoder",
    "is_finished",
    "open_dataset",
    "own_decoder",
    "split_steps",
]
